// Options of every job, and what it reports while it runs.

export interface ProgressEvent {
	/** The current step, for people. */
	readonly phase: string;
	readonly done: number;
	readonly total: number;
	readonly unit: "masks" | "bytes" | "tokens" | "percent";
	readonly tokensPerSecond?: number | undefined;
	readonly secondsLeft?: number | undefined;
	readonly blocksDone?: number | undefined;
	readonly blocksSaved?: number | undefined;
}

export interface LogEvent {
	/** Notes and warnings are for people; debug lines are details of what was chosen and found. */
	readonly level: "note" | "warning" | "debug";
	readonly message: string;
	/**
	 * In the note of an aborted search: the best set so far of each size, and what it adds to the metric on the searched text, nats.
	 */
	readonly sets?: readonly { readonly removed: readonly number[]; readonly added: number }[] | undefined;
}

export interface JobOptions {
	/** Ends the job early, which then throws the signal's reason. @default never */
	readonly signal?: AbortSignal | undefined;
	/** Called while something takes long. @default nothing is reported */
	readonly onProgress?: ((event: ProgressEvent) => void) | undefined;
	/** Called with notes, warnings and details. @default nothing is reported */
	readonly onLog?: ((event: LogEvent) => void) | undefined;
}

export interface MachineOptions {
	/**
	 * Threads that compute, 1 to 512. They can change bits. @default the physical cores. A search takes those of an earlier run of the same
	 * search; a new one of at least 60 evaluations takes all logical processors if short measurements find them faster
	 */
	readonly threads?: number | undefined;
	/** Blocks put on the GPU, -1 to 9999, if a GPU backend was built; -1 for all. @default -1 */
	readonly gpuLayers?: number | undefined;
}

export interface UnknownOptions {
	/**
	 * Treat an architecture that the table lacks as one from which any set of blocks may be removed. A file is then kept only if it computes,
	 * bit for bit, the same as the original with the output tensors of these blocks set to zero. @default false
	 */
	readonly allowUnknownArchitecture?: boolean | undefined;
}
