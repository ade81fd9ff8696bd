// Options resolved once: what a function was asked for becomes a job that nothing changes afterwards. Steps read slices of it.
import type { JobOptions } from "../../api/job.js";
import { defaultMethod, type Method, type RankMethod } from "../../api/methods.js";
import type { Metric } from "../../api/measure.js";
import type { CommandOptions, OptionCommand } from "../../api/options/row.js";
import type { HealSettings, MachineSettings, ScoredSettings, Settings } from "../../api/options/settings.js";
import { deviceChoice } from "../../model/runtime/devices.js";
import { RunProgress } from "../progress/run-progress.js";
import { callbacksOf, defined, settingsFrom } from "../../api/options/shape.js";
import { checkKeys } from "./option-keys.js";

/** What is filled in where nothing was said, of the options that a command has. */
interface Defaults {
	readonly method: Method;
	readonly metric: Metric;
	readonly seed: number;
	readonly overwrite: boolean;
	readonly allowUnknownArchitecture: boolean;
	readonly dryRun: boolean;
	readonly quantizedAlternatives: boolean;
}

const defaults: Defaults = {
	method: defaultMethod,
	metric: "loss",
	seed: 0,
	overwrite: false,
	allowUnknownArchitecture: false,
	dryRun: false,
	quantizedAlternatives: false,
};

/** A job: every setting, defaults among them, and who is told of it. */
export type Job<Command extends OptionCommand> = Omit<Settings<Command>, keyof Defaults> &
	Pick<Defaults, keyof Defaults & keyof Settings<Command>> &
	JobOptions & {
		/** What was given, without what is filled in: for what is written down and printed. */
		readonly asked: Settings<Command>;
	};

export type PruneJob = Job<"prune"> & ScoredSettings;
export type ApplyJob = Job<"apply">;
export type FrontierJob = Job<"frontier"> & ScoredSettings;
export type CompareJob = Job<"compare">;
export type RankJob = Omit<Job<"rank">, "method"> & ScoredSettings & { readonly method: RankMethod };

/**
 * Resolves the options of a function.
 * @throws InvalidOptionError for names that the function does not read, and for what no option can be
 */
export function resolveJob<Command extends OptionCommand>(command: Command, options: CommandOptions[Command] & JobOptions): Job<Command> {
	checkKeys(command, options);
	return jobOf<Command>(settingsFrom(command, options), options);
}

/** A job by its settings. */
export function jobOf<Command extends OptionCommand>(settings: Settings<Command>, told: JobOptions): Job<Command> {
	const asked = Object.freeze({ ...settings });
	const progress = told.progress ?? new RunProgress(told);
	return Object.freeze({ ...defaults, ...defined(asked), ...callbacksOf(told), progress, asked }) as unknown as Job<Command>;
}

/** Settings found for what was asked: a number of blocks for a speed-up, the windows of a context, tokens for a time, the kind of healing that fits in memory. */
export type FoundSettings = Pick<
	Settings<"prune">,
	"removeBlocks" | "removeAttention" | "context" | "windows" | "windowLength" | "speedupOf" | "healTokens" | "healTime" | "healKind"
>;

/** The job that goes on with what was found, which is also written down and printed. The first one stays as it is. */
export function settledJob<Command extends "prune" | "frontier">(job: Job<Command>, found: FoundSettings): Job<Command> {
	return Object.freeze({ ...job, ...found, asked: Object.freeze({ ...job.asked, ...found }) }) as unknown as Job<Command>;
}

/** A job with some settings found, which are neither written down nor printed. The first one stays as it is. */
export function jobWith<J extends object>(job: J, found: Partial<J>): J {
	return Object.freeze({ ...job, ...found });
}

/** How a job heals: what may still be settled of it, and who is told. */
export function healingOf(job: HealSettings & MachineSettings & JobOptions): HealSettings & MachineSettings & JobOptions {
	const { heal, healTokens, healTime, healKind, healType, healHeads, threads } = job;
	const machine = { threads, ...deviceChoice(job) };
	return { heal, healTokens, healTime, healKind, healType, healHeads, ...machine, ...callbacksOf(job), progress: job.progress };
}

/** What of settled healing a job goes on with. */
export const foundHealing = ({ healTokens, healTime, healKind }: HealSettings): FoundSettings => ({ healTokens, healTime, healKind });

/** The same of `rankBlocks`, which judges blocks and chooses no set. @throws InvalidOptionError */
export function resolveRank(options: CommandOptions["rank"]): RankJob {
	return Object.freeze({ ...resolveJob("rank", options), method: options.search?.method ?? "leave-one-out" });
}
