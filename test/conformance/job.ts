// Messages to the child process and back.

/** One thing to measure; `key` is its name within the job. */
export interface Step {
	key: string;
	step: "original" | "resumes" | "shared" | "empty" | "view" | "oracle" | "written" | "forced" | "foreign";
	removed?: readonly number[];
	/** A model that another program wrote. */
	path?: string;
}

export interface Job {
	model: string;
	/** Folder for temporary files. */
	folder: string;
	/** Windows of random tokens, and tokens in each. */
	windows: number;
	length: number;
	seed: number;
	threads: number;
	ubatch: number;
	/** The program with llama.cpp's reader of GGUF. */
	reader?: string;
	/** Sets for the step `shared`. */
	allowed: readonly (readonly number[])[];
	steps: readonly Step[];
	/** Keys of steps that an earlier process has done, or died of. */
	done: readonly string[];
}

/** Result of one measurement. */
export interface Print {
	/** Equal if and only if all logits (or, without `logits`, the losses of all tokens) have the same bits. */
	bits: string;
	/** Nats a token, for people; null if it is not finite. */
	loss: number | null;
	/** Whether the addon hashed the logits. */
	logits: boolean;
	/** For a written file: the faults that each foreign reader finds in it. */
	readers?: Readonly<Record<string, readonly string[]>>;
}

export interface StepError {
	code: string;
	message: string;
	cause?: string;
}

/** Result of a step; `crash` if the process ended in it. */
export type Outcome = { result: unknown } | { error: StepError } | { crash: string };
