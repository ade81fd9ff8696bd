// What every job is told, and what it tells while it runs.

export interface ProgressEvent {
	/** What is being done, for people. */
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
	 * Of the note that an aborted search leaves: the best set so far of each size, and what it adds to the metric on the text that is
	 * searched, nats.
	 */
	readonly sets?: readonly { readonly removed: readonly number[]; readonly added: number }[] | undefined;
}

export interface JobOptions {
	/** Ends the job early, which then throws the signal's reason. @default never */
	readonly signal?: AbortSignal | undefined;
	/** Called while something takes long. @default nobody is told */
	readonly onProgress?: ((event: ProgressEvent) => void) | undefined;
	/** Called with notes, warnings and details. @default nobody is told */
	readonly onLog?: ((event: LogEvent) => void) | undefined;
}

export interface MachineOptions {
	/**
	 * Threads that compute, 1 to 512. It can change bits. @default the physical cores; of a search those of an earlier run of the same search, of a
	 * new one of at least 60 masks all logical processors where short measurements find them faster
	 */
	readonly threads?: number | undefined;
	/** Blocks put on the GPU, -1 to 9999, where a GPU backend was built; -1 for all. @default -1 */
	readonly gpuLayers?: number | undefined;
}

export interface UnknownOptions {
	/**
	 * Take a model whose architecture the table lacks for one whose blocks may go in any set. A file is then kept only if it computes,
	 * bit for bit, what the original computes with the output tensors of these blocks set to zero. @default false
	 */
	readonly allowUnknownArchitecture?: boolean | undefined;
}
