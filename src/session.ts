import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import type { JobOptions, MeasureOptions, ModelSummary, ProgressEvent } from "./api.js";
import { type Calibration, calibrate, type FoldName, foldNames, readDocuments } from "./calibration/index.js";
import { InvalidOptionError } from "./errors.js";
import { readHeader } from "./header.js";
import type { Attribution } from "./attribution/attribution.js";
import { Coalition } from "./game/coalition.js";
import { type Game, meanLoss } from "./game/game.js";
import type { GgufFile } from "./gguf/index.js";
import { logger } from "./log.js";
import { defaultStateBytes, type Evaluator } from "./runtime/evaluator.js";
import { loadModel } from "./runtime/load-model.js";
import type { Model } from "./runtime/model.js";
import { findAddon } from "./runtime/addon.js";
import { llamaPin, packageVersion } from "./runtime/paths.js";
import { hashWindows, makeWindows, type TokenWindows } from "./runtime/windows.js";
import { type SearchPlan, type SearchSetup, setUpSearch } from "./search-setup.js";
import { writeAtomically } from "./storage/atomic-file.js";
import { hashFile, identityOf } from "./storage/hash.js";
import { Ledger, ledgerKey } from "./storage/ledger.js";
import { LedgerGame } from "./storage/ledger-game.js";
import { ledgerPath, makeRunFolder, windowsPath } from "./storage/runs.js";

export { logger };

/** Windows of the search fold, and tokens in a window, as the paper has them. */
export const defaultWindows = 10;
export const defaultWindowLength = 128;
/** Bumped when own samples are drawn differently: kept windows of another version are not used. */
const samplerVersion = 1;

/** A loaded model with its calibration windows and the games that are played on them. */
export class Session {
	readonly model: Model;
	readonly sha256: string;
	readonly folder: string;
	readonly seed: number;
	readonly calibration: Calibration;
	readonly games: Record<FoldName, LedgerGame>;
	/** Of the model itself: what decides and is reported is measured with it. */
	readonly evaluator: Evaluator;
	/** A game on further windows, measured with the model itself, with a ledger of its own. `name` is for people. */
	readonly gameOn: (windows: TokenWindows, name: string) => Promise<LedgerGame>;
	/** Settings that can change bits. */
	readonly settings: Record<string, string | number | boolean | null>;
	readonly timings: Record<string, number> = {};
	/** Seconds that a mask of the search fold takes, as measured by this run or an earlier one; undefined before the first. */
	get secondsPerMask(): number | undefined {
		return this.games.search.ledger.secondsPerMask;
	}

	readonly #ledgers: Ledger[];
	readonly #closeSearch: () => Promise<void>;

	private constructor(
		parts: Pick<Session, "model" | "sha256" | "folder" | "seed" | "calibration" | "games" | "evaluator" | "gameOn" | "settings"> & {
			ledgers: Ledger[];
			closeSearch: () => Promise<void>;
		},
	) {
		this.model = parts.model;
		this.sha256 = parts.sha256;
		this.folder = parts.folder;
		this.seed = parts.seed;
		this.calibration = parts.calibration;
		this.games = parts.games;
		this.evaluator = parts.evaluator;
		this.gameOn = parts.gameOn;
		this.settings = parts.settings;
		this.#ledgers = parts.ledgers;
		this.#closeSearch = parts.closeSearch;
	}

	/**
	 * Loads the model, draws or reads the windows, opens the ledgers.
	 * @throws UnsupportedArchitectureError where no block can be removed exactly
	 */
	static async open(path: string, options: MeasureOptions, plan: SearchPlan): Promise<Session> {
		const log = logger(options);
		const started = Date.now();
		const counts = foldCounts(options);
		const { file } = await readHeader(path, options);
		// What is wrong with a text is said before minutes of reading and loading the model.
		for (const text of options.calibration ?? []) await readDocuments(text);
		const sha256 = await modelIdentity(file, options);
		const model = await loadModel(path, options, { windows: counts.report, windowLength: counts.length, stateBytes: defaultStateBytes });
		const ledgers: Ledger[] = [];
		let setup: SearchSetup | undefined;
		try {
			const folder = await makeRunFolder({ name: basename(path), sha256 });
			const loaded = Date.now();
			const seed = options.seed ?? 0;
			const calibration = await calibrationOf(model, folder, seed, options);
			for (const name of foldNames) {
				const { count, length } = calibration.folds[name];
				log("debug", `${name} fold: ${count} windows of ${length} tokens from ${calibration.source}`);
			}
			const backend = backEndOf(model, options);
			const identity = {
				llama: llamaPin.commit,
				addon: await hashFile(findAddon() ?? "", options.signal).catch(() => packageVersion),
				processor: createHash("sha256").update(model.backEnd.systemInfo).digest("hex").slice(0, 12),
				gpuLayers: options.gpuLayers ?? -1,
			};
			log("debug", `${model.facts.description}; computed by ${backend}; ${model.backEnd.systemInfo.trim()}`);
			const keyOf = (windows: TokenWindows) => ({ model: sha256, windows: hashWindows(windows), backend, settings: identity });
			setup = await setUpSearch(
				model,
				calibration.folds.search,
				plan,
				{ folder, backend, key: keyOf(calibration.folds.search), settings: identity },
				options,
			);
			const { ledger: search, settings } = setup;
			ledgers.push(search);
			const evaluator = model.createEvaluator({ threads: Number(settings.threads) });
			const open = async (windows: TokenWindows, name: string): Promise<Ledger> => {
				const key = ledgerKey(keyOf(windows));
				const ledger = await Ledger.open(ledgerPath(folder, key), {
					key,
					players: model.blocks.blocks,
					windows: { count: windows.count, length: windows.length },
					settings: { ...identity, threads: evaluator.threads, ubatch: evaluator.ubatch },
				});
				ledgers.push(ledger);
				log("debug", `ledger of ${name}: ${ledger.size} masks known, ${ledger.path}`);
				return ledger;
			};
			const play = (ledger: Ledger, windows: TokenWindows, evaluatorOf: () => Promise<Evaluator>) =>
				new LedgerGame({
					ledger,
					frozen: model.blocks.frozen,
					allows: (coalition) => isAllowed(model, coalition),
					evaluate: async (coalitions, run) => sweep(await evaluatorOf(), coalitions, windows, run, options),
				});
			const gameOn = async (windows: TokenWindows, name: string) => play(await open(windows, name), windows, async () => evaluator);
			const { folds } = calibration;
			const games = {
				search: play(search, folds.search, setup.evaluator),
				validation: await gameOn(folds.validation, "the validation fold"),
				report: await gameOn(folds.report, "the report fold"),
			};
			if (search.resumed > 0) log("note", `${search.resumed} masks were measured before and are used again (${search.path})`);
			const session = new Session({
				model,
				sha256,
				folder,
				seed,
				calibration,
				games,
				evaluator,
				settings,
				gameOn,
				ledgers,
				closeSearch: setup.close,
			});
			session.timings.load = (loaded - started) / 1000;
			session.timings.calibration = (Date.now() - loaded) / 1000;
			return session;
		} catch (error) {
			await Promise.allSettled([setup?.close(), model.dispose(), ...ledgers.map((ledger) => ledger.close())]);
			throw error;
		}
	}

	/** Loss that each block's removal alone adds, from what is already measured or measured now. */
	async singleRemovals(fullLoss: number, signal: AbortSignal | undefined, game: Game = this.games.search): Promise<Attribution> {
		const { players } = game;
		const alone = Array.from({ length: players }, (_, block) => Coalition.ofRemoved(players, [block])).filter(
			(coalition) => game.allows(coalition) && !game.frozen.has(coalition.removed()[0]!),
		);
		const measured = await game.measure(alone, { phase: "single removals", signal });
		const contributions = new Float64Array(players).fill(Number.NaN);
		for (const measurement of measured) contributions[measurement.coalition.removed()[0]!] = meanLoss(measurement) - fullLoss;
		return { estimator: "leave-one-out", contributions, scale: "loss", masks: measured.length + 1, settings: {} };
	}

	/** Seconds of a step, kept for the plan. */
	async timed<T>(name: string, work: () => Promise<T>): Promise<T> {
		const started = Date.now();
		try {
			return await work();
		} finally {
			this.timings[name] = (this.timings[name] ?? 0) + (Date.now() - started) / 1000;
		}
	}

	/** Frees the copy that the search was measured on, where there was one. Idempotent. */
	closeSearch(): Promise<void> {
		return this.#closeSearch();
	}

	/** Closes the ledgers and frees the model. Idempotent. */
	async close(): Promise<void> {
		const closed = await Promise.allSettled([...this.#ledgers.map((ledger) => ledger.close()), this.#closeSearch(), this.model.dispose()]);
		for (const result of closed) if (result.status === "rejected") throw result.reason;
	}
}

/** Facts of a model for results. */
export function summarize(model: Model): ModelSummary {
	return {
		path: model.path,
		name: basename(model.path),
		architecture: model.facts.architecture,
		blocks: model.facts.blocks,
		size: model.file.size,
		parameters: model.facts.parameters,
	};
}

/** What computes: the graphics devices in use, or the CPU. Part of the ledger's key, since bits differ between them. */
export function backEndOf(model: Model, options: { gpuLayers?: number | undefined }): string {
	const gpus = model.backEnd.devices.filter((device) => device.gpu);
	if (gpus.length === 0 || options.gpuLayers === 0) return "CPU";
	return gpus.map((device) => device.name).join("+");
}

function isAllowed(model: Model, coalition: Coalition): boolean {
	const removed = coalition.removed();
	return removed.length === 0 || model.blocks.check(removed) === undefined;
}

async function sweep(
	evaluator: Evaluator,
	coalitions: readonly Coalition[],
	windows: TokenWindows,
	run: Parameters<ConstructorParameters<typeof LedgerGame>[0]["evaluate"]>[1],
	options: MeasureOptions,
): Promise<void> {
	const started = Date.now();
	let done = 0;
	let before = started;
	const report = (extra: Partial<ProgressEvent> = {}) =>
		options.onProgress?.({ phase: run.phase ?? "measuring", done, total: coalitions.length, unit: "masks", ...extra });
	report();
	await evaluator.evaluate(coalitions, windows, {
		signal: run.signal ?? options.signal,
		onMask: (index, { losses }, stats) => {
			const now = Date.now();
			run.onMeasurement({ coalition: coalitions[index]!, losses }, (now - before) / 1000);
			before = now;
			done++;
			const seconds = (now - started) / 1000;
			report({
				tokensPerSecond: stats.tokensDone / seconds,
				secondsLeft: (seconds / done) * (coalitions.length - done),
				blocksDone: stats.blocksDone,
				blocksSaved: stats.blocksSaved,
			});
		},
	});
}

/** Windows of each fold, and tokens in a window. @throws InvalidOptionError */
function foldCounts(options: MeasureOptions): Record<FoldName, number> & { length: number } {
	const search = options.windows ?? defaultWindows;
	const length = options.windowLength ?? defaultWindowLength;
	if (!Number.isInteger(search) || search < 2) throw new InvalidOptionError(`windows must be a whole number of at least 2, got ${search}`);
	if (!Number.isInteger(length) || length < 8)
		throw new InvalidOptionError(`window-length must be a whole number of at least 8 tokens, got ${length}`);
	return { search, validation: search, report: Math.ceil(1.5 * search), length };
}

/** Bytes that are hashed before anyone would ask what is going on. */
const quicklyHashed = 2 ** 28;

/** What identifies a model's bytes, with progress where that takes a while. */
export function modelIdentity(file: GgufFile, options: JobOptions): Promise<string> {
	const report = (done: number) => options.onProgress?.({ phase: "reading the model (SHA-256)", done, total: file.size, unit: "bytes" });
	return identityOf(file.paths, options.signal, file.size > quicklyHashed ? report : undefined);
}

async function calibrationOf(model: Model, folder: string, seed: number, options: MeasureOptions): Promise<Calibration> {
	const { length, ...counts } = foldCounts(options);
	const draw = () =>
		calibrate(model, {
			files: options.calibration,
			counts,
			length,
			seed,
			signal: options.signal,
			onProgress: (done, total) => options.onProgress?.({ phase: "sampling the model's own text", done, total, unit: "tokens" }),
		});
	if (options.calibration && options.calibration.length > 0) return draw();
	// Own samples are kept: a resumed run must see the same windows, and drawing them takes a while.
	const name = createHash("sha256")
		.update(JSON.stringify([samplerVersion, llamaPin.commit, counts, length, seed]))
		.digest("hex");
	const file = windowsPath(folder, name);
	const kept = await readKept(file, length);
	if (kept) return kept;
	const drawn = await draw();
	const folds = Object.fromEntries(foldNames.map((fold) => [fold, Array.from(drawn.folds[fold].tokens)]));
	await writeAtomically(file, { overwrite: true }, (handle) => handle.writeFile(JSON.stringify({ source: drawn.source, folds })));
	return drawn;
}

async function readKept(file: string, length: number): Promise<Calibration | undefined> {
	try {
		const { source, folds } = JSON.parse(await readFile(file, "utf8")) as { source: string; folds: Record<FoldName, number[]> };
		const read = (fold: FoldName) => makeWindows(Int32Array.from(folds[fold]), length);
		return { source, folds: { search: read("search"), validation: read("validation"), report: read("report") } };
	} catch {
		return undefined; // not there, or torn by a crash: drawn again, the same for the same seed
	}
}

/** Measures one coalition of a game. */
export async function measureOne(game: Game, coalition: Coalition, phase: string, signal: AbortSignal | undefined): Promise<Float64Array> {
	const [measurement] = await game.measure([coalition], { phase, signal });
	return measurement!.losses;
}
