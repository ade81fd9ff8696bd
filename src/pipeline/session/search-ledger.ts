// What the search split is measured with, kept in its ledger and read back by a run that goes on.
import { existsSync } from "node:fs";
import { logger } from "../../api/logger.js";
import type { WorkingWeights } from "../../api/index.js";
import { DisposedError } from "../../errors.js";
import { keepTrial, type SearchTrial, trialSeconds } from "./kept-trial.js";
import { Once } from "./once.js";
import { timed } from "./timings.js";
import { checkAsRead } from "../../model/gguf/index.js";
import type { Evaluator } from "../../model/runtime/evaluator.js";
import type { Model } from "../../model/runtime/model.js";
import { memoryBesideWeights } from "../../model/runtime/memory.js";
import type { FileType } from "../../model/runtime/quantize.js";
import type { TokenWindows } from "../../model/runtime/windows.js";
import { Ledger, ledgerKey } from "../../storage/ledger.js";
import { ledgerPath } from "../../storage/runs.js";
import {
	chooseSweep,
	isLong,
	makeCopy,
	ownSweep,
	searchMemory,
	type SweepChoice,
	type SearchWeights,
	weightsOption,
} from "./working-weights.js";
import type { SessionSettings } from "../../api/options/settings.js";

/** What a search will do, as far as it decides what to measure it with. */
export interface SearchPlan {
	/** Masks at most. */
	readonly masks: number;
	/** Tokens that a mask runs, as a share of the search windows' tokens: questions are not as long as they are. @default 1 */
	readonly work?: number;
	/** Where no option says it: `auto` to choose a set, `own` where the losses themselves are reported. */
	readonly weights: "auto" | "own";
	/** Nothing but an estimate is wanted: no copy is made, and no ledger of the search begun on disk. @default false */
	readonly dry?: boolean;
	/** Whether the splits that decide and report are compared with the original model's distributions, whatever the metric is. @default false */
	readonly compared?: boolean;
	/** When the run must be over, milliseconds since 1970: self-generated text must be drawn by then. @default no limit */
	readonly until?: number | undefined;
	/** Seconds that drawing that text may take; beyond them it is not drawn (SlowTextError). @default no limit */
	readonly textSeconds?: number | undefined;
	/** Whether a quantized file is at last compared with them on the held-out split. @default false */
	readonly quantized?: boolean;
}

export interface SearchSetup {
	readonly ledger: Ledger;
	/** Settings of the ledger: all that can change bits. */
	readonly settings: Readonly<Record<string, string | number | boolean | null>>;
	/**
	 * The evaluator of the search: of the model, or of a copy that is made when first something must be measured.
	 * @throws DisposedError after it was closed for good
	 */
	evaluator(): Promise<Evaluator>;
	/** Seconds in which an earlier run tried ways, if a dry run tells of one that is to try them; undefined if nobody knows. */
	readonly trial?: number | undefined;
	/** What that evaluator runs. */
	model(): Promise<Model>;
	/** Whether there is a copy in memory, or one is being made. */
	hasCopy(): boolean;
	/**
	 * Frees the copy; one that is still being made is stopped, and who waits for it is told with DisposedError. Idempotent.
	 * @param forGood no copy is made any more: nobody would free it @default false
	 */
	close(forGood?: boolean): Promise<void>;
}

/** Of the masks that are planned. */
const goodPart = 0.2;

type Settings = Record<string, string | number | boolean | null>;

/** Where the ledgers of a search lie, by the settings that are part of their keys. */
interface Shelf {
	keyOf(settings: Settings): string;
	pathOf(key: string): string;
}

/** What a search is to be begun with. */
interface WantedSearch {
	readonly wanted: WorkingWeights;
	/** Whether ways are tried first. */
	readonly tries: boolean;
	readonly plan: SearchPlan;
}

/** Settings that the options name: a search goes on with what was measured with these, and with nothing else. */
function namedSettings({ threads, ubatch }: SessionSettings): Settings {
	return { ...(threads === undefined ? {} : { threads }), ...(ubatch === undefined ? {} : { ubatch }) };
}

/** None of the (at most two) settings, all, then each alone: a ledger may have been begun by a command that named fewer. */
function subsetsOf(settings: Settings): Settings[] {
	return [{}, settings, ...Object.entries(settings).map(([name, value]) => ({ [name]: value }))];
}

/**
 * The key of the ledger that a search goes on with, or begins. A few masks, and those of a run that must soon be over, are measured
 * without trying ways first, in a ledger of their own: what they began with binds a long search only where they are a good part of it.
 * @returns with the settings of another ledger where it is the options that keep the search from going on with that
 */
async function keyFor({ keyOf, pathOf }: Shelf, { wanted, tries, plan }: WantedSearch, options: SessionSettings) {
	const named = namedSettings(options);
	const areOf = (weights: Settings[string], to: WorkingWeights) => to === "auto" || weights === to;
	const suits = ({ weights, ...settings }: Settings) =>
		areOf(weights!, wanted) && Object.entries(named).every(([name, value]) => settings[name] === value);
	// Weights that no option names are left as they are, whatever is left out.
	const barred = (settings: Settings) => !suits(settings) && (areOf(settings.weights!, wanted) || areOf(settings.weights!, plan.weights));
	const kept = async (more: Settings) => {
		// Where `auto` came to what is wanted now, its ledger holds the same: a plan's command names what it came to.
		const begun = [...new Set([wanted, "auto" as const])].flatMap((weights) => subsetsOf(named).map((some) => ({ weights, ...some })));
		const keys = [...new Set(begun.map((settings) => keyOf({ ...settings, ...more })))];
		// One that is not there, or torn in its header, can be begun.
		const read = keys.map(async (key) => ({ key, ...(await Ledger.read(pathOf(key)).catch(() => undefined)) }));
		const ledgers = await Promise.all(read);
		const found = ledgers.find(({ header }) => header && suits(header.settings));
		const other = ledgers.find(({ header }) => header && barred(header.settings))?.header?.settings;
		return { found, other, free: ledgers.find(({ header }) => !header)?.key ?? keys[0]! };
	};
	const long = await kept({});
	if (long.found) return { key: long.found.key };
	const short = await kept({ short: true });
	const goesOn = plan.masks > 0 && (short.found?.measurements?.length ?? 0) >= goodPart * plan.masks;
	const { found, other = long.other, free } = !tries || goesOn ? short : long;
	return found ? { key: found.key } : { key: free, other };
}

/** A search that is set up. */
export interface SearchJob {
	readonly model: Model;
	/** Text to try ways on. */
	readonly windows: TokenWindows;
	/** Of what the ledger will hold. */
	readonly shape: { readonly count: number; readonly length: number };
	/** Names of the figures that it will hold beside the losses. */
	readonly figures: readonly string[];
	readonly plan: SearchPlan;
	/** Of the model's runs. */
	readonly folder: string;
	readonly backend: string;
	readonly key: Parameters<typeof ledgerKey>[0];
	readonly settings: Settings;
	/** Memory for hidden states kept between masks, at most. */
	readonly stateBytes: number;
	/** Whether sets are compared with the original model's distributions although the metric is the loss. @default false */
	readonly byDivergence?: boolean | undefined;
}

/** Opens the ledger of the search split; a new one is begun with what short measurements choose. */
export async function setUpSearch(job: SearchJob, options: SessionSettings): Promise<SearchSetup> {
	const { model, windows, shape, figures, plan, folder, backend } = job;
	const log = logger(options);
	const wanted = weightsOption(options.workingWeights ?? plan.weights);
	const keyOf = (more: Settings) => ledgerKey({ ...job.key, settings: { ...job.key.settings, ...more } });
	const pathOf = (key: string) => ledgerPath(folder, key);
	const load = Math.ceil(plan.masks * (plan.work ?? 1));
	const tries = isLong(load, wanted, plan.until);
	const { key, other } = await keyFor({ keyOf, pathOf }, { wanted, tries, plan }, options);
	if (other && !plan.dry) log("note", anewText(other, options));
	const header = { key, players: model.blocks.blocks, windows: shape };
	const settingsFor = ({ threads, ubatch, weights }: SweepChoice) => ({ ...job.settings, threads, ubatch, weights });
	const evaluators = new SearchEvaluators(job, options);
	const fixed = { ubatch: options.ubatch !== undefined, threads: options.threads !== undefined };
	const tokens = windows.tokens.length;
	const trial: SearchTrial = { folder, backend, wanted, threads: model.threads, tokens, load: load * tokens, fixed };
	try {
		const begin = async () => {
			const sweep = { model, windows, masks: load, folder, backend, wanted, log, byDivergence: job.byDivergence, long: tries };
			const [made, seconds] = await timed(() => chooseSweep(sweep, options));
			if (made.copy) await evaluators.take(made.copy);
			if (tries) await keepTrial(trial, seconds);
			return settingsFor(made.choice);
		};
		const isBegun = existsSync(pathOf(key));
		const ledger =
			plan.dry && !isBegun
				? Ledger.inMemory({ ...header, settings: settingsFor(ownSweep(model, options)) })
				: await Ledger.open(pathOf(key), { ...header, settings: begin }, { figures, check: () => checkAsRead(model) });
		const settings: SearchSetup["settings"] = { ...ledger.header.settings, backend };
		const { threads, ubatch } = settings;
		log("debug", `the search runs on ${settings.weights} weights, ubatch ${ubatch}, ${threads} threads`);
		const note = threadsNote(model.threads, Number(threads));
		if (note !== undefined) log("note", note);
		const sweep = { threads: Number(threads), ubatch: Number(ubatch) };
		return {
			ledger,
			settings,
			trial: plan.dry && tries && !isBegun ? await trialSeconds(trial) : undefined,
			evaluator: () => evaluators.evaluator(settings.weights as SearchWeights, sweep),
			model: () => evaluators.model(settings.weights as SearchWeights),
			hasCopy: () => evaluators.hasCopy,
			close: (forGood = false) => evaluators.close(forGood),
		};
	} catch (error) {
		await evaluators.free();
		throw error;
	}
}

/** What a search measures with: the model, or a copy of it that is made when first something must be measured. */
class SearchEvaluators {
	readonly #job: SearchJob;
	readonly #options: SessionSettings;
	readonly #copies = new Once<"copy", Model>();
	#stop = new AbortController();
	#stateBytes: number | undefined;
	#ended = false;

	constructor(job: SearchJob, options: SessionSettings) {
		this.#job = job;
		this.#options = options;
	}

	/** A copy that is there already. */
	async take(copy: Model): Promise<void> {
		await this.#copies.get("copy", async () => copy);
	}

	get hasCopy(): boolean {
		return this.#copies.has("copy");
	}

	async evaluator(weights: SearchWeights, sweep: { readonly threads: number; readonly ubatch: number }): Promise<Evaluator> {
		const { windows, shape, stateBytes } = this.#job;
		const { stateType } = this.#options;
		const model = await this.model(weights);
		if (weights === "own") return model.createEvaluator({ ...sweep, stateBytes, stateType });
		// What the copy has left, while the distributions that its sets are compared with are still to be made.
		const { referencePositions } = searchMemory(windows, this.#options, this.#job.byDivergence);
		const work = { ubatch: sweep.ubatch, windows: shape.count, windowLength: shape.length, referencePositions };
		this.#stateBytes ??= memoryBesideWeights(model.file, work, stateBytes);
		return model.createEvaluator({ ...sweep, stateBytes: this.#stateBytes, stateType });
	}

	/** The model, or its copy of these weights. */
	async model(weights: SearchWeights): Promise<Model> {
		const { model, folder } = this.#job;
		if (this.#ended) throw new DisposedError("the session is closed: nothing can be measured in its search any more");
		if (weights === "own") return model;
		return this.#copies.get("copy", () => {
			this.#stop = new AbortController();
			const signal = AbortSignal.any([this.#stop.signal, ...(this.#options.signal ? [this.#options.signal] : [])]);
			return copyAgain(model, weights, folder, { ...this.#options, signal });
		});
	}

	/** @param forGood no copy is made any more: nobody would free it */
	async close(forGood: boolean): Promise<void> {
		this.#ended ||= forGood;
		this.#stop.abort(new DisposedError("the search was closed while its copy of the model was being made"));
		await this.free();
	}

	/** Frees the copy, where there is one. */
	async free(): Promise<void> {
		await this.#copies.forget("copy")?.then(
			(copy) => copy.dispose(),
			() => {},
		);
	}
}

/** What a search says that settled on other threads than those that the job began with. @internal */
export function threadsNote(begun: number, threads: number): string | undefined {
	return threads === begun ? undefined : `The search runs on ${threads} ${threads === 1 ? "thread" : "threads"}`;
}

/** Why an earlier search does not go on: the given options that differ from its settings. */
function anewText({ threads, ubatch, weights }: Settings, options: SessionSettings): string {
	const given = [
		["threads", options.threads, threads],
		["ubatch", options.ubatch, ubatch],
		["working-weights", options.workingWeights, weights],
	] as const;
	const asked = given
		.filter(([, value, kept]) => value !== undefined && value !== "auto" && value !== kept)
		.map(([name, value]) => `--${name} ${value}`);
	return `an earlier search of this text used --threads ${threads} --ubatch ${ubatch} --working-weights ${weights}. With ${asked.join(" ")} the last bits can differ, so the search starts over: leave that out to continue`;
}

/** The copy that a search was begun with, for a run that goes on: its masks are measured with nothing else. */
async function copyAgain(model: Model, weights: FileType, folder: string, options: SessionSettings): Promise<Model> {
	try {
		return await makeCopy(model, weights, folder, options);
	} catch (error) {
		if (!options.signal?.aborted)
			logger(options)(
				"warning",
				`this search uses a ${weights} copy of the model in memory, which cannot be made now; --working-weights own starts over with the model itself`,
			);
		throw error;
	}
}
