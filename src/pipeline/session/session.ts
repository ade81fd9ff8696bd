import { basename } from "node:path";
import type { JobOptions, ModelSummary, Metric } from "../../api/index.js";
import { type Attribution, shiftedGames } from "../../game/attribution/attribution.js";
import { type SplitName, splitNames, splitTitle, readDocuments, refuseRepeated, weightedFiles } from "../../model/calibration/index.js";
import { calibrationOf, noteDearRacing, type SessionText, splitCounts, onSelfGenerated } from "./calibration-windows.js";
import { computingIdentity, hashAsRead } from "../../model/evaluation/kept.js";
import type { PreparedQuestions } from "../../model/evaluation/prepared-questions.js";
import { readQuestions } from "../../model/evaluation/questions.js";
import { Coalition } from "../../game/coalition.js";
import { type Game, meanLoss } from "../../game/game.js";
import { isStaged } from "../../game/racing.js";
import { fewestWindows } from "../../game/sources.js";
import type { GgufFile } from "../../model/gguf/index.js";
import { type Header, readModelHeader } from "../preflight/model-header.js";
import { logger } from "../../api/logger.js";
import { metricOf, questionSplits } from "../preflight/metric.js";
import { allowedPositions } from "../preflight/reference-memory.js";
import { backendOf } from "../../model/runtime/backend.js";
import type { Evaluator } from "../../model/runtime/evaluator.js";
import { loadAsRead } from "../../model/runtime/load-model.js";
import { checkFiniteLosses } from "../../model/runtime/finite-loss.js";
import type { Model } from "../../model/runtime/model.js";
import { bytesOfReference } from "../../model/runtime/positions.js";
import { defaultUbatch, vocabularyOf } from "../../model/runtime/ubatch.js";
import { placeRun } from "./kept-placement.js";
import { checkParity } from "./parity.js";
import type { Parity } from "./parity-pairs.js";
import { sharedTime } from "./working-weights.js";
import { type Timings, timedIn } from "./timings.js";
import type { SearchPlan } from "./search-ledger.js";
import { openGames, type SessionGames, settled } from "./games.js";
import { differences, meanAndError } from "../../game/statistics.js";
import type { LedgerGame } from "../../storage/ledger-game.js";
import type { Lock } from "../../storage/lock.js";
import { hashOf } from "../../storage/hash.js";
import { makeRunFolder } from "../../storage/runs.js";
import { lockRun } from "./run-lock.js";
import type { FileType } from "../../model/runtime/file-type-names.js";
import type { SessionSettings } from "../../api/options/settings.js";

export { backendOf };

/** What a session is made of. */
interface SessionParts
	extends Pick<Session, "model" | "sha256" | "folder" | "seed" | "metric" | "calibration" | "questions" | "held" | "parity"> {
	readonly games: SessionGames;
	readonly lock: Lock;
}

/** A loaded model with its calibration windows and the games that are played on them. */
export class Session {
	readonly model: Model;
	readonly sha256: string;
	readonly folder: string;
	readonly seed: number;
	readonly metric: Metric;
	readonly calibration: SessionText;
	/** Of the metric `accuracy`. */
	readonly questions: Record<SplitName, PreparedQuestions> | undefined;
	/** What is searched and raced: the metric. */
	readonly games: Record<SplitName, LedgerGame>;
	/** The same, measured with the model itself also where the search runs on a copy: for figures. */
	readonly finals: Record<SplitName, LedgerGame>;
	/** Losses on the calibration windows, for figures; those of `finals` where these are the metric. */
	readonly texts: Record<SplitName, LedgerGame>;
	/** Tokens that a mask runs in each of the games. */
	readonly tokens: Record<SplitName, number>;
	/** Evaluator of the model itself: figures are measured with it, and all races but those on a copy. */
	readonly evaluator: Evaluator;
	readonly races: SessionGames["races"];
	readonly exactSearch: SessionGames["exactSearch"];
	/** The losses of other text, measured with the model itself, with a ledger of its own. */
	readonly gameOn: SessionGames["gameOn"];
	/** The text of a split with the divergence from the original model, and further questions: for quality limits. */
	readonly comparedOn: SessionGames["comparedOn"];
	readonly referenceOn: SessionGames["referenceOn"];
	readonly hasReferenceOn: SessionGames["hasReferenceOn"];
	readonly questionsOn: SessionGames["questionsOn"];
	readonly scoredOn: SessionGames["scoredOn"];
	/** How exact the search split is where only drawn positions of it are scored, as far as is known. */
	readonly drawn: SessionGames["drawn"];
	/** Settings that can change bits. */
	readonly settings: Readonly<Record<string, string | number | boolean | null>>;
	/** Splits that the original model's distributions are kept of until the run ends, with the bytes that they take. */
	readonly held: ReadonlyMap<SplitName, number>;
	/** How far the device is from the CPU, nothing if it could not be compared; undefined for the CPU. */
	readonly parity: readonly Parity[] | undefined;
	readonly timings: Timings = {};
	readonly #games: SessionGames;
	#lock: Lock | undefined;

	/** Seconds that a mask of the search split takes, as measured by this run or an earlier one; undefined before the first. */
	get secondsPerMask(): number | undefined {
		return this.games.search.ledger.secondsPerMask;
	}

	/**
	 * Seconds in which the model itself runs a token of an evaluation, at all positions; undefined before it is known. A search on a copy or on a share of
	 * the positions does not say it.
	 */
	get secondsPerToken(): number | undefined {
		const { search, heldOut } = this.finals;
		const [game, tokens] = this.exactSearch ? [search, this.tokens.search] : [heldOut, this.tokens.heldOut];
		const seconds = game.ledger.secondsPerMask;
		return seconds === undefined ? undefined : seconds / tokens;
	}

	/** Seconds in which the model draws a token of self-generated text, by this run or an earlier one; undefined for files, and if nobody knows. */
	get secondsPerDrawn(): number | undefined {
		const { drawnIn, splits } = this.calibration;
		if (drawnIn === undefined) return undefined;
		return drawnIn / splitNames.reduce((sum, split) => sum + splits[split].tokens.length, 0);
	}

	/** Seconds in which an earlier run tried what the search runs on, if this one is a dry run of one that will; undefined if nobody knows. */
	get trialSeconds(): number | undefined {
		return this.#games.trial;
	}

	/** Type of the copy of the model that the search makes before it measures anything, if it goes on with one; undefined if it has it. */
	get copyToMake(): FileType | undefined {
		return this.#games.copyToMake();
	}

	/** What those of the distributions will take that are not made yet. */
	get referenceBytes(): number {
		return [...this.held].reduce((sum, [split, bytes]) => sum + (this.hasReferenceOn(split) ? 0 : bytes), 0);
	}

	private constructor({ games, ...parts }: SessionParts) {
		this.model = parts.model;
		this.sha256 = parts.sha256;
		this.folder = parts.folder;
		this.seed = parts.seed;
		this.metric = parts.metric;
		this.calibration = parts.calibration;
		this.questions = parts.questions;
		this.games = games.games;
		this.finals = games.finals;
		this.exactSearch = games.exactSearch;
		this.texts = games.texts;
		this.tokens = games.tokens;
		this.evaluator = games.evaluator;
		this.races = games.races;
		this.gameOn = games.gameOn;
		this.comparedOn = games.comparedOn;
		this.referenceOn = games.referenceOn;
		this.hasReferenceOn = games.hasReferenceOn;
		this.questionsOn = games.questionsOn;
		this.scoredOn = games.scoredOn;
		this.drawn = games.drawn;
		this.settings = games.settings;
		this.held = parts.held;
		this.parity = parts.parity;
		this.#games = games;
		this.#lock = parts.lock;
	}

	/**
	 * Loads the model, draws or reads the windows and the questions, opens the ledgers.
	 * @param source path of the model, or its header where that was read
	 * @throws UnsupportedArchitectureError where no block can be removed exactly
	 * @throws FileError where another live process measures the same model on the same text
	 * @throws SlowTextError where drawing the text takes longer than `plan.textSeconds`
	 */
	static async open(source: string | Header, options: SessionSettings, plan: SearchPlan): Promise<Session> {
		const log = logger(options);
		const started = Date.now();
		const metric = metricOf(options);
		const counts = splitCounts(options);
		const header = typeof source === "string" ? await readModelHeader(source, options) : source;
		const { path, file } = header;
		await checkTexts(options);
		const questionFile = options.questions === undefined ? undefined : await readQuestions(options.questions, options.maxQuestions);
		const sha256 = await modelIdentity(file, options);
		const { held, further, wished } = comparedSplits(metric, plan, options);
		const positions = (splits: readonly SplitName[]) =>
			allowedPositions(
				splits.map((split) => ({ count: counts[split], length: counts.length })),
				vocabularyOf(file),
				options,
			);
		const shape = {
			windows: counts.heldOut,
			windowLength: counts.length,
			ubatch: Math.max(options.ubatch ?? 0, defaultUbatch(Math.max(1, vocabularyOf(file)))),
			referencePositions: positions([...held, ...further]),
		};
		const folder = await makeRunFolder({ name: basename(path), sha256 });
		const seed = options.seed ?? 0;
		const wishedPositions = positions([...held, ...further, ...wished]);
		const lock = await lockRun(folder, seed, options);
		let model: Model | undefined;
		try {
			// The placement is kept, so only by the run that holds the lock.
			const { placement, stateBytes } = await placeRun({ file, shape, folder, seed, wishedPositions }, options);
			model = await loadAsRead(header, { ...options, placement }, { ...shape, stateBytes });
			const loaded = Date.now();
			const parity = await checkParity({ model, sha256, folder }, options);
			const by = hashOf([computingIdentity(model, options), model.threads]);
			const compared = Date.now();
			const calibration = await calibrationOf(model, folder, { seed, by, until: plan.until, most: plan.textSeconds }, options);
			const calibrated = Date.now();
			if (plan.masks > 0) noteDearRacing(options);
			for (const name of splitNames) {
				const { count, length } = calibration.splits[name];
				log("debug", `${splitTitle(name)} split: ${count} windows of ${length} tokens from ${calibration.source}`);
			}
			const questions = questionFile && questionSplits(model, questionFile);
			noteTruncated(questions, log);
			const backend = backendOf(model);
			log("debug", `${model.facts.description}; computed by ${backend}; ${model.backend.systemInfo.trim()}`);
			const games = await openGames(model, { folder, sha256, backend, calibration, questions, stateBytes }, plan, options);
			const { resumed, path: ledger } = games.games.search.ledger;
			if (resumed > 0 && plan.masks > 1) log("note", `${resumed} candidates are cached from an earlier run (${ledger})`);
			const kept = new Map(held.map((split) => [split, bytesOfReference(positions([split]), vocabularyOf(file))]));
			const session = new Session({ model, sha256, folder, seed, metric, calibration, questions, games, lock, parity, held: kept });
			Object.assign(session.timings, openingTimes({ started, loaded, compared, calibrated }));
			return session;
		} catch (error) {
			await model?.dispose();
			await lock.release();
			throw error;
		}
	}

	/**
	 * The original model on the search split: what all else is compared with.
	 * @throws EvaluationError where its loss is not finite
	 */
	async measureOriginal(signal: AbortSignal | undefined): Promise<void> {
		const full = Coalition.full(this.games.search.players);
		const [measured] = await this.games.search.measure([full], { phase: "measuring the original model", signal });
		checkFiniteLosses(this.model.path, measured!.figures?.loss ?? measured!.losses);
	}

	/** {@link measureOriginal}. @returns seconds of an evaluation of the search, where candidates share work; NaN if not known */
	async timeOriginal(signal: AbortSignal | undefined): Promise<number> {
		const earlier = this.secondsPerMask;
		await this.measureOriginal(signal);
		return earlier ?? (this.secondsPerMask ?? Number.NaN) * sharedTime;
	}

	/**
	 * {@link secondsPerToken}. Where the search does not say it the original model is measured on the held-out split, as it is for the figures in any case.
	 * @param searched seconds of an evaluation of the search
	 * @returns NaN if not known
	 */
	async timeModel(searched: number, signal: AbortSignal | undefined): Promise<number> {
		if (this.exactSearch) return searched / this.tokens.search;
		const { heldOut } = this.finals;
		await measureOne(heldOut, Coalition.full(heldOut.players), "measuring the original model", signal);
		return this.secondsPerToken ?? Number.NaN;
	}

	/** Loss that each block's removal alone adds, from what is already measured or measured now; errors are paired by window. */
	async singleRemovals(originalLoss: number, signal: AbortSignal | undefined, game: Game = this.games.search): Promise<Attribution> {
		const { players } = game;
		const alone = Array.from({ length: players }, (_, block) => Coalition.ofRemoved(players, [block])).filter(
			(coalition) => game.allows(coalition) && !game.frozen.has(coalition.removed()[0]!),
		);
		const seen = (set: Coalition) => (isStaged(game) ? game.seen(set) : undefined);
		const whole = alone.filter((set) => !seen(set));
		const [full, ...rest] = await game.measure([Coalition.full(players), ...whole], { phase: "single blocks", signal });
		// A race has stopped what is surely critical: that is known on the first windows.
		const measured = [...rest, ...alone.flatMap((set) => seen(set) ?? [])];
		// The source of fewest windows counts, as in the race.
		const windows = fewestWindows(full!.losses.length, full!.sources);
		const degrees = new Float64Array(players).fill(windows - 1);
		const contributions = new Float64Array(players).fill(Number.NaN);
		const standardErrors = new Float64Array(players).fill(Number.NaN);
		const shifts = Array.from(full!.losses, () => new Float64Array(players).fill(Number.NaN));
		for (const measurement of measured) {
			const block = measurement.coalition.removed()[0]!;
			const above = differences(measurement.losses, full!.losses);
			const { mean, standardError } = meanAndError(above, measurement.sources);
			const stopped = above.length < shifts.length;
			// A block that breaks the model on the first windows is as important as one that does on all.
			const first = Number.isNaN(mean) ? Number.POSITIVE_INFINITY : mean;
			contributions[block] = stopped ? first : meanLoss(measurement) - originalLoss;
			standardErrors[block] = standardError ?? Number.NaN;
			if (stopped) degrees[block] = above.length - 1;
			for (const [window, shift] of shifts.entries())
				shift[block] = window < above.length ? (above[window]! - mean) / Math.sqrt(above.length * (above.length - 1)) : 0;
		}
		const facts = { scale: "loss", masks: measured.length + 1, settings: {} } as const;
		// All blocks are seen on the same windows: their order is known better than each of them. Windows of several sources do not count alike.
		const drawn = full!.sources || windows < 2 ? {} : { drawn: shiftedGames(contributions, shifts) };
		return { estimator: "leave-one-out", contributions, standardErrors, degrees, ...drawn, ...facts };
	}

	/** Seconds of a step, kept for the plan. */
	timed<T>(name: string, work: () => Promise<T>): Promise<T> {
		return timedIn(this.timings, name, work);
	}

	/** Frees the original model's distributions on the search split. Races run on the search's copy of the model. Idempotent. */
	endSearch(): void {
		this.#games.endSearch();
	}

	/** Frees all that only the search and races were measured with. Idempotent. */
	closeSearch(): Promise<void> {
		return this.#games.closeSearch();
	}

	/** Closes the ledgers and frees the model. Idempotent. */
	close(): Promise<void> {
		const lock = this.#lock;
		this.#lock = undefined;
		return settled([this.#games.close(), this.model.dispose()]).finally(() => lock?.release());
	}
}

/** Seconds of opening a session, of when each part of it was done in milliseconds. */
function openingTimes(at: Readonly<Record<"started" | "loaded" | "compared" | "calibrated", number>>): Timings {
	return {
		load: (at.loaded - at.started) / 1000,
		calibration: (at.calibrated - at.compared) / 1000,
		// Comparing a device with the CPU, and trying what the search runs on.
		settings: (Date.now() - at.calibrated + at.compared - at.loaded) / 1000,
	};
}

/** Splits whose distributions a run holds at the same time. */
function comparedSplits(
	metric: Metric,
	{ compared, quantized }: SearchPlan,
	options: SessionSettings,
): Record<"held" | "further" | "wished", readonly SplitName[]> {
	const held = compared ? (["validation", "heldOut"] as const) : [];
	// A race may need further text of the validation split's size.
	if (metric === "kl") return { held: splitNames, further: ["validation"], wished: [] };
	// A race on self-generated text compares by reference logits if they fit in memory, on the split and on further text. Those of the search are gone by then.
	const raced = compared ? (["validation"] as const) : (["validation", "validation"] as const);
	return { held, further: quantized && !compared ? ["heldOut"] : [], wished: metric === "loss" && onSelfGenerated(options) ? raced : [] };
}

function noteTruncated(questions: Record<SplitName, PreparedQuestions> | undefined, log: ReturnType<typeof logger>): void {
	const cut = splitNames.reduce((sum, split) => sum + (questions?.[split].truncated ?? 0), 0);
	if (cut > 0)
		log("warning", `${cut} choices do not fit into the model's context with their question: the beginning of the question was cut off`);
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

/** What identifies a model's bytes, with progress where that takes a while. @throws FileError if the file changed since its header was read */
export function modelIdentity(file: GgufFile, options: JobOptions): Promise<string> {
	return hashAsRead(file, options);
}

/** Measures one coalition of a game. */
export async function measureOne(game: Game, coalition: Coalition, phase: string, signal: AbortSignal | undefined): Promise<Float64Array> {
	const [measurement] = await game.measure([coalition], { phase, signal });
	return measurement!.losses;
}

/** Says what is wrong with a calibration text before minutes of reading and loading the model. */
async function checkTexts({ calibration = [], signal }: Pick<SessionSettings, "calibration" | "signal">): Promise<void> {
	const texts = weightedFiles(calibration).map(({ path }) => path);
	for (const text of texts) await readDocuments(text);
	await refuseRepeated(texts, signal);
}
