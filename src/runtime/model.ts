import { type BlockPlan, describeBlocks } from "../architectures/index.js";
import { DisposedError, InvalidOptionError, UnsupportedArchitectureError } from "../errors.js";
import { GgufFile } from "../gguf/index.js";
import type { AddonInfo, ModelFacts, NativeModel } from "./addon.js";
import { type Addon, loadAddon } from "./addon.js";
import type { BuildOptions } from "./build.js";
import { fromNative, runNative } from "./cancel.js";
import { Evaluator, type EvaluatorOptions } from "./evaluator.js";
import { checkMemory } from "./memory.js";
import { defaultThreads } from "./threads.js";

/** How to load a model. */
export interface ModelOptions {
	/** Blocks to keep on the GPU where a GPU back end was built; -1 for all. @default -1 */
	gpuLayers?: number | undefined;
	/** Map the file into memory instead of reading it. @default true */
	mmap?: boolean | undefined;
	/** Threads to compute with, 1 to 512. @default the physical cores */
	threads?: number | undefined;
	/** Stops loading; the promise rejects with `signal.reason`. */
	signal?: AbortSignal | undefined;
	/** Called with 0..1 while loading. */
	onProgress?: ((fraction: number) => void) | undefined;
	/** Called while the addon is built, which happens at the first use. */
	onBuildProgress?: BuildOptions["onProgress"];
}

/** One message of a chat. */
export interface ChatMessage {
	role: "system" | "user" | "assistant" | (string & {});
	content: string;
}

/** How to sample text from a model. */
export interface SampleOptions {
	/** Tokens of a finished sequence, its prompt included. */
	length: number;
	/** Ends a sequence after its first end-of-generation token. @default false */
	stopAtEog?: boolean | undefined;
	/** @default 1 */
	temperature?: number | undefined;
	/** Sequence i draws from its own stream, made of (seed, i). @default 0 */
	seed?: number | undefined;
	signal?: AbortSignal | undefined;
	/** Called with tokens done and in total. */
	onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * A loaded GGUF model. Made by {@link Model.load}; free it with `dispose()` or `await using`.
 * @example
 * await using model = await Model.load("model.gguf");
 * console.log(model.facts.blocks);
 */
export class Model {
	/** Path given to {@link Model.load}. */
	readonly path: string;
	/** Header of the file: keys, tensors, shards. */
	readonly file: GgufFile;
	/** Facts as llama.cpp sees them. */
	readonly facts: ModelFacts;
	/** Which of the model's blocks can be removed, and why not the others. */
	readonly blocks: BlockPlan;
	readonly threads: number;
	readonly #addon: Addon;
	#native: NativeModel | undefined;
	readonly #running = new Set<Promise<unknown>>();

	private constructor(path: string, file: GgufFile, blocks: BlockPlan, addon: Addon, native: NativeModel, threads: number) {
		this.path = path;
		this.file = file;
		this.blocks = blocks;
		this.#addon = addon;
		this.#native = native;
		this.threads = threads;
		this.facts = native.facts();
		native.setViewRules({
			leadingCounts: [...blocks.view.leadingCounts],
			outputs: Array.from({ length: this.facts.blocks }, (_, block) => [...blocks.view.outputs(block)]),
		});
	}

	/**
	 * Loads a model (a split one from any of its shards), building the addon first where it is missing.
	 * @throws InvalidGgufError, ModelLoadError, NotEnoughMemoryError, AddonNotFoundError, BuildError, InvalidOptionError
	 */
	static async load(path: string, options: ModelOptions = {}): Promise<Model> {
		const threads = options.threads ?? defaultThreads();
		if (!Number.isInteger(threads) || threads < 1 || threads > 512)
			throw new InvalidOptionError(`threads must be 1 to 512, got ${threads}`);
		const file = await GgufFile.read(path);
		const blocks = describeBlocks(file);
		checkMemory(file);
		const addon = await loadAddon({ onBuildProgress: options.onBuildProgress, signal: options.signal });
		const native = await runNative(addon, options.signal, (cancel) =>
			addon.NativeModel.load(file.paths[0]!, { gpuLayers: options.gpuLayers ?? -1, mmap: options.mmap ?? true }, cancel, (fraction) =>
				options.onProgress?.(fraction),
			),
		);
		if (native.facts().blocks !== blocks.blocks) {
			const seen = native.facts().blocks;
			native.dispose();
			throw new UnsupportedArchitectureError(`${path}: llama.cpp sees ${seen} blocks where the file's keys say ${blocks.blocks}`);
		}
		return new Model(path, file, blocks, addon, native, threads);
	}

	/** Devices the addon was built for, and the processor's features in use. */
	get backEnd(): AddonInfo {
		return this.#addon.info();
	}

	/**
	 * Token ids of a text.
	 * @param options.addSpecial put the start and end tokens that the model wants (default true)
	 * @param options.parseSpecial read `<|...|>` and the like in the text as special tokens (default false)
	 */
	tokenize(text: string, options: { addSpecial?: boolean; parseSpecial?: boolean } = {}): Int32Array {
		return this.#call((native) => native.tokenize(text, options.addSpecial ?? true, options.parseSpecial ?? false));
	}

	/** Text of token ids; a character cut at either end becomes U+FFFD. Special tokens are shown where `special` is true (the default). */
	detokenize(tokens: Int32Array, options: { special?: boolean } = {}): string {
		return Buffer.from(this.#call((native) => native.detokenize(tokens, options.special ?? true))).toString("utf8");
	}

	/**
	 * A chat as the model's template writes it, or undefined where the file has no template or llama.cpp does not know it.
	 * @param addAssistant end with the opening of the assistant's turn
	 */
	applyChatTemplate(messages: readonly ChatMessage[], addAssistant = false): string | undefined {
		return this.#call((native) =>
			native.applyChatTemplate(
				messages.map((message) => message.role),
				messages.map((message) => message.content),
				addAssistant,
			),
		);
	}

	/**
	 * Samples text of the model's own, one sequence a prompt; each begins with its prompt.
	 * @throws EvaluationError, DisposedError, or `signal.reason`
	 */
	async sample(prompts: readonly Int32Array[], options: SampleOptions): Promise<Int32Array[]> {
		if (prompts.some((prompt) => prompt.length === 0))
			throw new InvalidOptionError("a prompt needs at least one token (for example the start token)");
		return this.runJob(options.signal, (native, cancel) =>
			native.sample(
				[...prompts],
				{
					length: options.length,
					stopAtEog: options.stopAtEog ?? false,
					temperature: options.temperature ?? 1,
					seed: options.seed ?? 0,
					threads: this.threads,
				},
				cancel,
				(done, total) => options.onProgress?.(done, total),
			),
		);
	}

	/** An evaluator of sets of this model's blocks. */
	createEvaluator(options: EvaluatorOptions = {}): Evaluator {
		return new Evaluator(this, options);
	}

	/**
	 * Frees the model. Idempotent; what still runs on the model stops and rejects with DisposedError, and the returned
	 * promise settles after it.
	 */
	async dispose(): Promise<void> {
		this.#native?.dispose();
		this.#native = undefined;
		await Promise.allSettled([...this.#running]);
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.dispose();
	}

	/** @internal */
	runJob<T>(
		signal: AbortSignal | undefined,
		start: (native: NativeModel, cancel: InstanceType<Addon["CancelToken"]>) => Promise<T>,
	): Promise<T> {
		const native = this.#alive();
		const job = runNative(this.#addon, signal, (cancel) => start(native, cancel)).finally(() => this.#running.delete(job));
		this.#running.add(job);
		return job;
	}

	#alive(): NativeModel {
		if (!this.#native) throw new DisposedError(`the model ${this.path} was disposed of`);
		return this.#native;
	}

	#call<T>(use: (native: NativeModel) => T): T {
		try {
			return use(this.#alive());
		} catch (error) {
			throw fromNative(error);
		}
	}
}
