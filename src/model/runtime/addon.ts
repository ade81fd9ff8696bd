/**
 * Everything that crosses to C++, which reads arguments by their position: a signature changes here and in native/ together. A test
 * compares the names with the addon's exports.
 */
export interface Addon {
	NativeModel: {
		load(path: string, options: NativeLoadOptions, cancel: CancelToken, onProgress: (fraction: number) => void): Promise<NativeModel>;
	};
	CancelToken: new () => CancelToken;
	info(): AddonInfo;
	/** Lists the devices of a server (host:port) among those of `info()`, for good. It must have answered before. */
	addRpcServer(endpoint: string): void;
	/** Frees the context that an idle model keeps for its next measurement. */
	giveUpContexts(): void;
	/** Cancels the jobs of this thread and waits until none computes any more, for a few seconds at most. */
	stopJobs(): void;
	measureSpeed(
		sides: { model: NativeModel; mask: Uint8Array }[],
		options: { promptTokens: number; generatedTokens: number; repetitions: number; ubatch: number; threads: number; context: number },
		cancel: CancelToken,
		onProgress: (done: number, total: number) => void,
	): Promise<SpeedFigures[]>;
	quantize(
		input: string,
		output: string,
		options: { fileType: number; threads: number; pure: boolean },
		cancel: CancelToken,
		onProgress: (done: number, total: number) => void,
	): Promise<void>;
	/** Frees their memory now; they can no longer be solved. */
	freeEquations(equations: NativeEquations): void;
	/**
	 * `explained`: share of the targets' squares that the update explains. `through`: a matrix that the update is multiplied with; it has as
	 * many rows as the update has columns.
	 */
	solveEquations(
		equations: NativeEquations,
		options: { ridge: number; threads: number },
		through: Float32Array | undefined,
		cancel: CancelToken,
	): Promise<{ update: Float32Array; explained: number }>;
	/** Seconds that normal equations of this size and their solution take, with made-up numbers. */
	timeLeastSquares(
		size: { inputs: number; outputs: number; rows: number; threads: number; onOutputs: boolean },
		cancel: CancelToken,
	): Promise<{ accumulate: number; solve: number }>;
	/** One row of the model's width for each token. */
	stateValues(states: NativeStates): Float32Array | Promise<Float32Array>;
	/** Rows of a ggml type; complete rows only. */
	quantizeValues(values: Float32Array, type: number, rowLength: number, cancel: CancelToken): Promise<Uint8Array>;
	dequantizeBytes(bytes: Uint8Array, type: number, rowLength: number, cancel: CancelToken): Promise<Float32Array>;
}

export interface CancelToken {
	cancel(): void;
}

/** How a model is loaded. */
export interface NativeLoadOptions {
	/** As llama.cpp counts: blocks from the end, with the LM head as one more. */
	gpuLayers: number;
	mmap: boolean;
	/** Names of devices; none for the CPU alone. @default those that llama.cpp chooses */
	devices?: string[];
	/** How many of the layers on devices each of them takes. @default by free memory */
	tensorSplit?: Float32Array;
	splitMode?: "none" | "layer" | "row";
	/** Without weights: facts, and tokens of a text. */
	vocabularyOnly?: boolean;
}

/** How the addon was built, and its devices. */
export interface AddonInfo {
	build: AddonBuild;
	devices: AddonDevice[];
	/** What llama.cpp said while it looked for devices. */
	deviceLog: string;
	systemInfo: string;
	/** Backends for graphics devices that it was built with, such as "CUDA". */
	graphics: string[];
	/** Whether it can use RPC servers. */
	rpc: boolean;
	/** Contexts of llama.cpp that this process has made for measuring, and how many of them it still holds. */
	contextsMade: number;
	contextsLive: number;
	/**
	 * Bytes that measuring took to devices and back in this process, if blocks run there: tokens or hidden states, logits, states that are
	 * kept, and weights on the CPU that a backend copies to compute with them. What llama.cpp copies besides is not counted.
	 */
	bytesMoved: number;
}

/** A device of llama.cpp: the CPU, or one that blocks can be put on. */
export interface AddonDevice {
	/** As llama.cpp lists it, for example "CUDA0". */
	name: string;
	description: string;
	/** Name of the backend that it belongs to, for example "CUDA". */
	backend: string;
	/** Whether blocks can be put on it. */
	gpu: boolean;
	/** Whether its memory is that of the computer. */
	sharesMemory: boolean;
	/** Identity of the card, if the backend tells it: several backends may see the same card. */
	id: string | null;
	/** host:port of the RPC server that has it. */
	server?: string | undefined;
	freeBytes: number;
	totalBytes: number;
}

/** Results of two builds may differ in their last bits. */
export interface AddonBuild {
	/** Name and version, for example "GNU 12.2.0" or "zig 0.17.1 (clang 22.1.8)". */
	compiler: string;
	/** Instructions of the CPU that it uses: "native" (those of the machine that compiled it), "default", or the level of a prebuilt binary. */
	level: string;
}

/** Facts about a loaded model, from llama.cpp. */
export interface ModelFacts {
	architecture: string;
	name: string | undefined;
	/** llama.cpp's own description, for example "llama 135M Q4_1". */
	description: string;
	/** Blocks that can be masked (without the multi-token-prediction tail). */
	blocks: number;
	/** Number of multi-token-prediction blocks, which stay last. */
	tailBlocks: number;
	/** Tokens in the vocabulary. */
	vocabulary: number;
	/** Tokens of context the model was trained on. */
	contextLength: number;
	/** Width of the residual stream. */
	width: number;
	/** Tokens of the sliding window, 0 for none. */
	slidingWindow: number;
	parameters: number;
	/** Bytes of all tensors. */
	tensorBytes: number;
	recurrent: boolean;
	hybrid: boolean;
	/** Whether the tokenizer puts a start token first / an end token last. */
	addBos: boolean;
	addEos: boolean;
	bos: number | undefined;
	eos: number | undefined;
	eot: number | undefined;
	/** Jinja text of the chat template, if the file has one. */
	chatTemplate: string | undefined;
}

/** Cost of a sweep so far; a block execution is one block over all windows. */
export interface SweepStats {
	blocksDone: number;
	/** Compared with measuring each mask alone. */
	blocksSaved: number;
	/** Tokens of finished masks. */
	tokensDone: number;
}

/** A block with other values in some of its matrices, to be measured besides the block as it is. */
export interface BlockVersion {
	readonly block: number;
	/** Name of the tensor, id of a ggml type, and values in ggml's layout of that type. */
	readonly matrices: readonly { readonly name: string; readonly type: number; readonly bytes: Uint8Array }[];
}

/** Results for one mask: entries that were not requested are missing. */
export interface MaskFigures {
	losses: Float64Array;
	tokenLosses?: Float32Array;
	divergences?: Float64Array;
	agreements?: Float64Array;
	tokenDivergences?: Float32Array;
	tokenAgreements?: Uint8Array;
	digests?: string[];
}

/** Results for one side: seconds, one per repetition, and bytes for the requested context. */
export interface SpeedFigures {
	promptSeconds: Float64Array;
	generationSeconds: Float64Array;
	weights: number;
	kvCache: number;
	compute: number;
}

/** An opaque handle to distributions that the native side keeps. */
export interface NativeReference {
	readonly nativeReference: unique symbol;
}

/** An opaque handle to hidden states of windows. */
export interface NativeStates {
	readonly nativeStates: unique symbol;
}

/** An opaque handle to normal equations. */
export interface NativeEquations {
	readonly nativeEquations: unique symbol;
}

/** Which blocks run over windows. */
export interface NativeRun {
	windowLength: number;
	ubatch: number;
	threads: number;
	/** Two numbers for each block, ascending: the blocks of its attention part and of its feed-forward part. */
	kept: Int32Array;
	/** The state before the first of them; without it they run from the tokens. */
	from?: NativeStates | undefined;
}

/** Which matrix is fitted to what; see native/healing.h. */
export interface NativeEquationSettings {
	weight: string;
	after: number;
	relative: number;
	scale: number;
	/** Fit to the inputs of the matrix, to its outputs, or to each separately. */
	onInputs: boolean;
	onOutputs: boolean;
	norm?: Float32Array | undefined;
	/** The norm's epsilon, which it adds to the mean square. */
	normEpsilon: number;
}

export interface NativeModel {
	facts(): ModelFacts;
	setViewRules(rules: { leadingCounts: string[]; outputs: string[][]; feedForward: string[][]; empty: number[] }): void;
	/** Names of the devices of the blocks that a mask shows, and of the LM head's; for tests. */
	blockDevices(mask: Uint8Array): string[] | Promise<string[]>;
	tokenize(text: string, addSpecial: boolean, parseSpecial: boolean): Int32Array;
	detokenize(tokens: Int32Array, special: boolean): Uint8Array;
	applyChatTemplate(roles: string[], contents: string[], addAssistant: boolean): string | undefined;
	evaluate(
		/** One byte per mask and block; see `BlockMask` in masks.ts. */
		masks: Uint8Array,
		tokens: Int32Array,
		options: {
			windowLength: number;
			ubatch: number;
			threads: number;
			sharePrefixes: boolean;
			/** masks x (blocks + 1) flags: 1 if the kept blocks from a depth on can run from a hidden state; without it all can. */
			resumable?: Uint8Array | undefined;
			stateBytes: number;
			stateType: "F32" | "F16";
			scoreFrom: number;
			batchWindows: number;
			outputLast: boolean;
			perToken: boolean;
			digest: boolean;
			/** Versions of blocks that masks name by 2 + index. */
			versions?: readonly BlockVersion[] | undefined;
			/** Windows x length flags of the positions to score. */
			scored?: Uint8Array | undefined;
			reference?: NativeReference | undefined;
			keepReference: boolean;
		},
		cancel: CancelToken,
		onMask: (mask: number, figures: MaskFigures, stats: SweepStats) => void,
	): Promise<{ stats: SweepStats; reference?: NativeReference }>;
	similarities(
		tokens: Int32Array,
		options: { windowLength: number; ubatch: number; threads: number },
		cancel: CancelToken,
	): Promise<{ cosine: Float64Array; angular: Float64Array }>;
	/** The states after these kept blocks, windows x length rows each. */
	hiddenStates(tokens: Int32Array, run: NativeRun, after: Int32Array, cancel: CancelToken): Promise<NativeStates[]>;
	normalEquations(
		tokens: Int32Array,
		run: NativeRun,
		settings: NativeEquationSettings,
		target: NativeStates,
		cancel: CancelToken,
	): Promise<{ features: number; targets: number; rows: number; equations: NativeEquations }[]>;
	normSums(
		tokens: Int32Array,
		run: NativeRun,
		settings: NativeEquationSettings,
		target: NativeStates,
		cancel: CancelToken,
	): Promise<{ products: Float64Array; squares: Float64Array }>;
	outputPath(
		tokens: Int32Array,
		run: NativeRun,
		settings: NativeEquationSettings,
		cancel: CancelToken,
	): Promise<{ scale: number; unexplained: number }>;
	/** Other values for a matrix of a block, in every view; without bytes, the file's own again. */
	replaceTensor(name: string, type: number, bytes: Uint8Array | undefined): void | Promise<void>;
	sample(
		prompts: Int32Array[],
		options: { length: number; stopAtEog: boolean; temperature: number; seed: number; threads: number; mask?: Uint8Array | undefined },
		cancel: CancelToken,
		onProgress: (done: number, total: number) => void,
	): Promise<Int32Array[]>;
	dispose(): void;
}
