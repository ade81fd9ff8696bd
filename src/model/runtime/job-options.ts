// Options of every job, and what it reports while it runs.
import type { GpuLayers, SplitMode } from "./devices.js";

/** What `done` and `total` count. `candidates` are sets of blocks that are measured, the original model among them. */
export type ProgressUnit = "candidates" | "questions" | "tokens" | "bytes" | "percent";

/** The steps of jobs, for people. A job has at most five of them. */
export type StepName =
	| "Preparing text"
	| "Searching"
	| "Comparing finalists"
	| "Comparing with the original"
	| "Healing"
	| "Writing and verifying"
	| "Measuring"
	| "Measuring blocks"
	| "Scoring"
	| "Loading the model"
	| "Building";

/**
 * How far a job is. Steps never go backwards, and `done` is never more than `total`. `done` starts again with each phase; candidates and
 * questions are counted over the whole step.
 */
export interface ProgressEvent {
	/** Number of the step, from 1. */
	readonly step: number;
	/** Steps of this job, 1 to 5. */
	readonly steps: number;
	/** Of the step. */
	readonly name: StepName;
	/** What is being done within the step, more precisely. The name of the step when it begins, or if there is no more to say. */
	readonly phase: string;
	readonly done: number;
	/** 0 if nothing is counted. It can grow while a step goes on: what has to be measured follows from what was. */
	readonly total: number;
	readonly unit: ProgressUnit;
	readonly tokensPerSecond?: number | undefined;
	/** Of what `done` and `total` count, about. Missing as long as nothing is known. */
	readonly secondsLeft?: number | undefined;
	/** Of the whole job, about. Missing as long as a step that is still to come cannot be estimated. */
	readonly secondsLeftInAll?: number | undefined;
}

/** What a part of a job does within the step that the job is at. @internal */
export interface Work {
	/** What is being done, for people. */
	readonly phase: string;
	readonly done: number;
	/** 0 if nothing is counted. */
	readonly total: number;
	readonly unit: ProgressUnit;
	readonly tokensPerSecond?: number | undefined;
}

/** How long a step takes, seconds: a part that changes with the speed of evaluations, and a part that does not. @internal */
export interface StepTime {
	readonly evaluations?: number | undefined;
	readonly other?: number | undefined;
	/** What `other` is the sum of, in its order, where that is known. */
	readonly phases?: readonly PhaseTime[] | undefined;
}

/** How long one phase of a step takes. @internal */
export interface PhaseTime {
	readonly phase: string;
	readonly seconds: number;
	/** Whether it counts from 0 to its total several times: what is left of one of them is not what is left of the phase. */
	readonly repeated?: boolean | undefined;
}

/** What is known of a step when it begins. @internal */
export interface StepWork {
	/** Candidates (or questions) of the step, at most. */
	readonly total?: number | undefined;
	/** Those of them that are known already. */
	readonly done?: number | undefined;
	/** Seconds after which the step ends in any case. */
	readonly limit?: number | undefined;
}

/** Where the parts of a job tell what they do. @internal */
export interface JobProgress {
	/** Says the steps of the job, in their order. */
	plan(steps: readonly StepName[]): void;
	/** Begins a step. Nothing happens for one that is over, or that this job does not have. */
	begin(step: StepName, work?: StepWork): void;
	/** Says how long a step takes. */
	expect(step: StepName, time: StepTime): void;
	/** Tells what is done within the step. */
	work(work: Work): void;
	/** Tells, once a job, what it runs on. @param details said before it */
	runsOn(machine: string, details?: readonly LogEvent[]): void;
}

/** A set of blocks that an aborted job knows. */
export interface ProposedRemoval {
	readonly removed: readonly number[];
	/** To the metric, nats. */
	readonly added: number;
	/** Whether the final comparison chose it. */
	readonly chosen?: true | undefined;
}

export interface LogEvent {
	/** Notes and warnings are for people; debug lines are details of what was chosen and found. */
	readonly level: "note" | "warning" | "debug";
	readonly message: string;
	/**
	 * In the note of an aborted job: the best set so far of each size, and what it adds to the metric on the searched text, nats. Once the
	 * final comparison has chosen a set, that set alone, with what it adds on the validation split. Missing where only some of the single
	 * removals were measured, which name no good candidate.
	 */
	readonly sets?: readonly ProposedRemoval[] | undefined;
}

export interface JobOptions {
	/**
	 * Ends the job early: the promise rejects with the signal's reason. What was measured is in the cache, and the same call goes on from
	 * there. Once `pruneGguf` has written and verified the model, it resolves instead, and `interrupted` of its result says so. @default never
	 */
	readonly signal?: AbortSignal | undefined;
	/** Called while something takes long. @default nothing is reported */
	readonly onProgress?: ((event: ProgressEvent) => void) | undefined;
	/** Called with notes, warnings and details. @default nothing is reported */
	readonly onLog?: ((event: LogEvent) => void) | undefined;
	/** Progress of the job that is going on: made by it, and given to its parts. @internal */
	readonly progress?: JobProgress | undefined;
}

export interface MachineOptions {
	/**
	 * Threads that compute, 1 to 512. It can change bits. @default the physical cores; of a search those of an earlier run of the same search, of a
	 * new one of at least 60 candidates all logical processors where short measurements find them faster
	 */
	readonly threads?: number | undefined;
	/**
	 * Blocks put on devices: a number from 0 as llama.cpp counts them (the last blocks, with the LM head as one more), `"all"`, or `"auto"` for
	 * as many as fit into their free memory. 0 is the CPU alone; -1 is `"auto"`, as in llama.cpp. @default "auto"
	 * @throws NotEnoughMemoryError before loading, if the devices are too small for it
	 */
	readonly gpuLayers?: GpuLayers | undefined;
	/** Names of the devices to use, as `doctor` lists them, in the order of the blocks. @default those that llama.cpp uses by itself */
	readonly devices?: readonly string[] | undefined;
	/** How several devices share a model: `none` takes the first one, `layer` gives each some blocks, `row` (CUDA) some rows of every matrix. @default "layer" */
	readonly splitMode?: SplitMode | undefined;
	/**
	 * RPC servers of llama.cpp, such as `["192.168.1.7:50052"]`, 1 to 16, with a build for them: blocks are put on their devices (`RPC0`, `RPC1`
	 * and so on, for `devices`), which come before local ones. For trusted networks only: neither side checks who the other one is, and nothing
	 * is encrypted. @default none
	 */
	readonly rpc?: readonly string[] | undefined;
}

export interface UnknownOptions {
	/**
	 * Treat an architecture that the table lacks as one from which any set of blocks may be removed. A file is then kept only if it computes,
	 * bit for bit, the same as the original with the output tensors of these blocks set to zero. @default false
	 */
	readonly allowUnknownArchitecture?: boolean | undefined;
}
