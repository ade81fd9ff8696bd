// What goes to the child process and comes back.

/** One thing to measure; `key` names it among all of the job. */
export interface Step {
	key: string;
	step: "original" | "resumes" | "shared" | "empty" | "view" | "oracle" | "written" | "forced" | "foreign";
	removed?: readonly number[];
	/** A model that another program wrote. */
	path?: string;
}

export interface Job {
	model: string;
	/** For files made on the way. */
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

/** What one measurement gave. */
export interface Print {
	/** Equal exactly where all logits (or, without `logits`, the losses of all tokens) are the same bits. */
	bits: string;
	/** Nats a token, for people; null if it is not finite. */
	loss: number | null;
	/** The addon hashed the logits. */
	logits: boolean;
	/** Of a written file: what each reader that is not ours finds wrong in it. */
	readers?: Readonly<Record<string, readonly string[]>>;
}

export interface StepError {
	code: string;
	message: string;
	cause?: string;
}

/** What became of a step; `crash` where the process ended in it. */
export type Outcome = { result: unknown } | { error: StepError } | { crash: string };
