import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import type { LogEvent, MeasureOptions, ModelSummary, ProgressEvent } from "./api.js";
import { type Calibration, calibrate, type FoldName, foldNames } from "./calibration/index.js";
import { InvalidOptionError, UnsupportedArchitectureError } from "./errors.js";
import type { Coalition } from "./game/coalition.js";
import type { Game } from "./game/game.js";
import type { Evaluator } from "./runtime/evaluator.js";
import { loadModel } from "./runtime/load-model.js";
import type { Model } from "./runtime/model.js";
import { findAddon } from "./runtime/addon.js";
import { llamaPin, packageVersion } from "./runtime/paths.js";
import { hashWindows, makeWindows, type TokenWindows } from "./runtime/windows.js";
import { hashFile, identityOf } from "./storage/hash.js";
import { Ledger, ledgerKey } from "./storage/ledger.js";
import { LedgerGame } from "./storage/ledger-game.js";
import { ledgerPath, makeRunFolder, windowsPath } from "./storage/runs.js";

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
	readonly evaluator: Evaluator;
	/** Settings that can change bits. */
	readonly settings: Record<string, string | number | boolean | null>;
	readonly timings: Record<string, number> = {};
	/** Tokens a second of the last sweep, 0 before the first. */
	tokensPerSecond = 0;
	readonly #ledgers: Ledger[];

	private constructor(
		parts: Pick<Session, "model" | "sha256" | "folder" | "seed" | "calibration" | "games" | "evaluator" | "settings"> & {
			ledgers: Ledger[];
		},
	) {
		this.model = parts.model;
		this.sha256 = parts.sha256;
		this.folder = parts.folder;
		this.seed = parts.seed;
		this.calibration = parts.calibration;
		this.games = parts.games;
		this.evaluator = parts.evaluator;
		this.settings = parts.settings;
		this.#ledgers = parts.ledgers;
	}

	/**
	 * Loads the model, draws or reads the windows, opens the ledgers.
	 * @throws UnsupportedArchitectureError where no block can be removed exactly
	 */
	static async open(path: string, options: MeasureOptions): Promise<Session> {
		const log = logger(options);
		const started = Date.now();
		const model = await loadModel(path, options);
		const ledgers: Ledger[] = [];
		try {
			if (model.blocks.support === "refused") {
				throw new UnsupportedArchitectureError(`${path} (architecture ${model.blocks.architecture}): ${model.blocks.reason}`);
			}
			const sha256 = await identityOf(model.file.paths, options.signal);
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
				ubatch: 512,
			};
			let session: Session | undefined;
			const open = async (fold: FoldName): Promise<Ledger> => {
				const windows = calibration.folds[fold];
				const key = ledgerKey({ model: sha256, windows: hashWindows(windows), backend, settings: identity });
				const ledger = await Ledger.open(ledgerPath(folder, key), {
					key,
					players: model.blocks.blocks,
					windows: { count: windows.count, length: windows.length },
					settings: { ...identity, threads: options.threads ?? model.threads },
				});
				ledgers.push(ledger);
				return ledger;
			};
			const search = await open("search");
			// Read back: a resumed run computes with the shape of the run that began.
			const settings = { ...search.header.settings, backend };
			const threads = Number(search.header.settings.threads ?? model.threads);
			if (options.threads !== undefined && options.threads !== threads) {
				log(
					"warning",
					`these measurements were begun with ${threads} threads, which is kept: --threads ${options.threads} is not used (prune-gguf runs clean starts anew)`,
				);
			}
			const evaluator = model.createEvaluator({ threads });
			const play = (ledger: Ledger, fold: FoldName) =>
				new LedgerGame({
					ledger,
					frozen: model.blocks.frozen,
					allows: (coalition) => isAllowed(model, coalition),
					evaluate: async (coalitions, run) => {
						const rate = await sweep(evaluator, coalitions, calibration.folds[fold], run, options);
						if (session && rate > 0) session.tokensPerSecond = rate;
					},
				});
			const games = {
				search: play(search, "search"),
				validation: play(await open("validation"), "validation"),
				report: play(await open("report"), "report"),
			};
			if (search.resumed > 0) log("note", `${search.resumed} masks were measured before and are used again (${search.path})`);
			session = new Session({ model, sha256, folder, seed, calibration, games, evaluator, settings, ledgers });
			session.timings.load = (loaded - started) / 1000;
			session.timings.calibration = (Date.now() - loaded) / 1000;
			return session;
		} catch (error) {
			await Promise.allSettled([model.dispose(), ...ledgers.map((ledger) => ledger.close())]);
			throw error;
		}
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

	/** Closes the ledgers and frees the model. Idempotent. */
	async close(): Promise<void> {
		const closed = await Promise.allSettled([...this.#ledgers.map((ledger) => ledger.close()), this.model.dispose()]);
		for (const result of closed) if (result.status === "rejected") throw result.reason;
	}
}

/** Tells the caller something. */
export function logger(options: { onLog?: ((event: LogEvent) => void) | undefined }): (level: LogEvent["level"], message: string) => void {
	return (level, message) => options.onLog?.({ level, message });
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
): Promise<number> {
	const started = Date.now();
	let done = 0;
	let rate = 0;
	const report = (extra: Partial<ProgressEvent> = {}) =>
		options.onProgress?.({ phase: run.phase ?? "measuring", done, total: coalitions.length, unit: "masks", ...extra });
	report();
	await evaluator.evaluate(coalitions, windows, {
		signal: run.signal ?? options.signal,
		onMask: (index, { losses }, stats) => {
			run.onMeasurement({ coalition: coalitions[index]!, losses });
			done++;
			const seconds = (Date.now() - started) / 1000;
			rate = stats.tokensDone / seconds;
			report({
				tokensPerSecond: rate,
				secondsLeft: (seconds / done) * (coalitions.length - done),
				blocksDone: stats.blocksDone,
				blocksSaved: stats.blocksSaved,
			});
		},
	});
	return rate;
}

async function calibrationOf(model: Model, folder: string, seed: number, options: MeasureOptions): Promise<Calibration> {
	const search = options.windows ?? defaultWindows;
	const length = options.windowLength ?? defaultWindowLength;
	if (!Number.isInteger(search) || search < 2) throw new InvalidOptionError(`windows must be a whole number of at least 2, got ${search}`);
	if (!Number.isInteger(length) || length < 8)
		throw new InvalidOptionError(`window-length must be a whole number of at least 8 tokens, got ${length}`);
	const counts = { search, validation: search, report: Math.ceil(1.5 * search) };
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
	await mkdir(folder, { recursive: true });
	await writeFile(
		file,
		JSON.stringify({
			source: drawn.source,
			folds: Object.fromEntries(foldNames.map((fold) => [fold, Array.from(drawn.folds[fold].tokens)])),
		}),
	);
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
