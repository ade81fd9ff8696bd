import { describeBlocks } from "../architectures/describe.js";
import type { BlockPlan } from "../architectures/types.js";
import { DisposedError, InvalidOptionError, UnsupportedArchitectureError } from "../../errors.js";
import { GgufFile } from "../gguf/file.js";
import type { ChatMessage } from "./chat.js";
import { checkSampling, type SampleOptions, type TextModel } from "./text-model.js";
import type { AddonInfo, CancelToken, ModelFacts, NativeModel } from "./addon.js";
import type { Addon } from "./addon.js";
import { loadedBinary } from "./load-addon.js";
import type { BuildStep } from "./build.js";
import { fromNative, runNative, untilAborted } from "./cancel.js";
import { Evaluator, type EvaluatorOptions } from "./evaluator.js";
import { checkLoadable, checkMeasurable } from "./loadable.js";
import type { MemoryShape } from "./memory.js";
import type { GpuLayers, SplitMode } from "./devices.js";
import { type Placement, tooSmallAfterAll } from "./placement.js";
import { checkTensorValues, type TensorValues } from "./tensor-values.js";
import { infoNow } from "./remote-addon.js";
import type { OnRestart } from "./remote-model.js";
import { runnerFor } from "./runner.js";
import { defaultThreads } from "./threads.js";
import { tryModel } from "./trial.js";
import { type CheckText, textCheckOf } from "./vocabulary.js";
import { packMask } from "./masks.js";
import type { LoadedModel, StartJob } from "./loaded-model.js";

/** How to load a model. */
export interface ModelOptions {
	/** Blocks put on devices: a number as llama.cpp counts them, `"all"`, or `"auto"` for as many as fit. 0 is the CPU alone. @default "auto" */
	gpuLayers?: GpuLayers | undefined;
	/** Names of the devices to use, in the order of the blocks. @default those that llama.cpp uses by itself */
	devices?: readonly string[] | undefined;
	/** How several devices share the model. @default "layer" */
	splitMode?: SplitMode | undefined;
	/**
	 * RPC servers of llama.cpp, such as `192.168.1.7:50052`: blocks are put on their devices (`RPC0`, `RPC1` and so on, for `devices`), which
	 * come before local ones. For trusted networks only: neither side checks who the other one is, and nothing is encrypted. 1 to 16.
	 * @default none
	 */
	rpc?: readonly string[] | undefined;
	/** What is measured later, which must fit on the devices beside the blocks. @internal */
	shape?: MemoryShape | undefined;
	/** A model that shares measurements with this one: it is loaded in the same process. @internal */
	beside?: Model | undefined;
	/** Where the blocks go, if that is known: it is not looked for then. @internal */
	placement?: Placement | undefined;
	/** Map the file into memory instead of reading it; a file with an alignment of less than 32 bytes is always read. @default true */
	mmap?: boolean | undefined;
	/** Threads to compute with, 1 to 512. @default the physical cores */
	threads?: number | undefined;
	/**
	 * Treat an architecture that the table lacks as one from which any set of blocks may be removed. A measurement then counts only if the
	 * written file is proven against the original with zeroed outputs, as `applyPlan` and `pruneGguf` do. @default false
	 */
	allowUnknownArchitecture?: boolean | undefined;
	/** Stops loading; the promise rejects with `signal.reason`. */
	signal?: AbortSignal | undefined;
	/** Header of the file, if it has been read. @internal */
	file?: GgufFile | undefined;
	/** Called if the driver of a device ended the process that computes, and another one takes over. @internal */
	onRestart?: OnRestart | undefined;
	/** Called with 0..1 while loading. */
	onProgress?: ((fraction: number) => void) | undefined;
	/** Called while the addon is built, which happens at the first use. */
	onBuildProgress?: ((step: BuildStep) => void) | undefined;
}

/** Parts of a model once it is loaded. */
interface ModelParts extends Pick<LoadedModel, "path" | "file" | "blocks" | "threads" | "placement"> {
	readonly addon: Addon;
	readonly native: NativeModel;
}

/**
 * A loaded GGUF model. Made by {@link Model.load}; free it with `dispose()` or `await using`.
 * @example
 * await using model = await Model.load("model.gguf");
 * console.log(model.facts.blocks);
 */
export class Model implements TextModel {
	/** Which blocks run on which device. */
	readonly placement: Placement;
	/** Path given to {@link Model.load}. */
	readonly path: string;
	/** Header of the file: keys, tensors, shards. */
	readonly file: GgufFile;
	/** Facts from llama.cpp. */
	readonly facts: ModelFacts;
	/** Which of the model's blocks can be removed, and why not the others. */
	readonly blocks: BlockPlan;
	readonly threads: number;
	readonly #addon: Addon;
	#native: NativeModel | undefined;
	#checkText: CheckText | undefined;
	readonly #running = new Set<Promise<unknown>>();
	#last: Promise<unknown> = Promise.resolve();

	private constructor({ path, file, blocks, threads, placement, addon, native }: ModelParts) {
		this.path = path;
		this.file = file;
		this.blocks = blocks;
		this.#addon = addon;
		this.#native = native;
		this.threads = threads;
		this.placement = placement;
		this.facts = native.facts();
		const ofBlocks = (names: (block: number) => readonly string[]) =>
			Array.from({ length: this.facts.blocks }, (_, block) => [...names(block)]);
		native.setViewRules({
			leadingCounts: [...blocks.view.leadingCounts],
			outputs: ofBlocks((block) => blocks.view.outputs(block)),
			feedForward: ofBlocks((block) => blocks.view.feedForward(block)),
			empty: [...blocks.view.empty],
		});
	}

	/**
	 * Loads a model (a split one from any of its shards), building the addon first if it is missing. A file that was not seen before is first
	 * loaded and run in a separate process, since llama.cpp ends the process for many faults in a file.
	 * @throws InvalidGgufError, ModelLoadError, NotEnoughMemoryError, AddonNotFoundError, BuildError, InvalidOptionError, DeviceError
	 */
	static async load(path: string, options: ModelOptions = {}): Promise<Model> {
		const { signal } = options;
		signal?.throwIfAborted();
		const threads = options.threads ?? defaultThreads();
		if (!Number.isInteger(threads) || threads < 1 || threads > 512)
			throw new InvalidOptionError(`threads must be 1 to 512, got ${threads}`);
		const file = options.file ?? (await GgufFile.read(path, signal ? { signal } : {}));
		const blocks = describeBlocks(file, { allowUnknown: options.allowUnknownArchitecture ?? false });
		checkLoadable(file);
		const { addon, placement, load } = await runnerFor(file, options);
		// The trial is the first half of the progress: the file is read twice then.
		let tried = false;
		const onTrial = (fraction: number) => {
			tried = true;
			options.onProgress?.(fraction / 2);
		};
		const onProgress = (fraction: number) => options.onProgress?.(tried ? (1 + fraction) / 2 : fraction);
		await tryModel({ file, blocks, addon: loadedBinary().path, mmap: load.mmap, threads, signal, onProgress: onTrial });
		const native = await runNative(addon, signal, (cancel, guard) =>
			addon.NativeModel.load(file.paths[0]!, load, cancel, guard(onProgress)),
		).catch((error: unknown) => {
			throw tooSmallAfterAll(error, placement, path) ?? error;
		});
		// A model that allows no removal may run its blocks several times (nanbeige): the original can still be measured.
		if (native.facts().blocks !== blocks.blocks && blocks.support === "exact") {
			const seen = native.facts().blocks;
			native.dispose();
			throw new UnsupportedArchitectureError(
				`${path}: llama.cpp sees ${seen} blocks but the file's keys say ${blocks.blocks}: convert the model again`,
			);
		}
		return new Model({ path, file, blocks, threads, placement, addon, native });
	}

	/** Devices the addon was built for, and the processor's features in use. */
	get backend(): AddonInfo {
		return this.#addon.info();
	}

	/** The same as the process that computes sees it now: free memory, and bytes moved to devices. @internal */
	backendNow(): Promise<AddonInfo> {
		return infoNow(this.#addon);
	}

	/**
	 * Token ids of a text.
	 * @param options.addSpecial put the start and end tokens that the model wants (default true)
	 * @param options.parseSpecial read `<|...|>` and similar text as special tokens (default false)
	 * @throws InvalidGgufError if the model has no vocabulary, or one without a character of the text and without its bytes
	 */
	tokenize(text: string, options: { addSpecial?: boolean; parseSpecial?: boolean } = {}): Int32Array {
		this.#checkText ??= textCheckOf(this.file);
		this.#checkText(text, options.parseSpecial ?? false);
		return this.#call((native) => native.tokenize(text, options.addSpecial ?? true, options.parseSpecial ?? false));
	}

	/**
	 * Text of token ids; a character cut at either end becomes U+FFFD. Special tokens are shown if `special` is true (the default).
	 * @throws InvalidGgufError if the model has no vocabulary
	 */
	detokenize(tokens: Int32Array, options: { special?: boolean } = {}): string {
		this.#checkText ??= textCheckOf(this.file);
		this.#checkText("", false);
		return Buffer.from(this.#call((native) => native.detokenize(tokens, options.special ?? true))).toString("utf8");
	}

	/**
	 * A chat as the model's template writes it, or undefined if the file has no template or llama.cpp does not know it.
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
	 * Samples self-generated text, one sequence per prompt; each begins with its prompt.
	 * @throws UnsupportedArchitectureError if the model gives no logits
	 * @throws InvalidCandidateError, InvalidOptionError, EvaluationError, DisposedError, or `signal.reason`
	 */
	async sample(prompts: readonly Int32Array[], options: SampleOptions): Promise<Int32Array[]> {
		checkMeasurable(this.path, this.blocks);
		checkSampling(this.facts, prompts, options);
		const mask = options.mask && packMask(this, options.mask);
		return this.runJob(options.signal, (native, cancel, guard) =>
			native.sample(
				[...prompts],
				{
					length: options.length,
					stopAtEog: options.stopAtEog ?? false,
					temperature: options.temperature ?? 1,
					seed: options.seed ?? 0,
					threads: this.threads,
					mask,
				},
				cancel,
				guard((done, total) => options.onProgress?.(done, total)),
			),
		);
	}

	/**
	 * Replaces a matrix of a block, in memory only; without values the file's own returns.
	 * @param values bytes in ggml's layout of a type, in the matrix's shape
	 * @throws EvaluationError if the model has no such tensor, or the bytes are not of its size
	 */
	async replaceTensor(name: string, values?: TensorValues): Promise<void> {
		const tensor = this.file.tensor(name);
		if (tensor && values) checkTensorValues(tensor, values);
		return this.runJob(undefined, async (native) => native.replaceTensor(name, values?.type ?? 0, values?.bytes));
	}

	/** Runs a job of the addon that needs no model. @internal */
	runWithAddon<T>(signal: AbortSignal | undefined, start: (addon: Addon, cancel: CancelToken) => Promise<T>): Promise<T> {
		return runNative(this.#addon, signal, (cancel) => start(this.#addon, cancel));
	}

	/** An evaluator of sets of this model's blocks. */
	createEvaluator(options: EvaluatorOptions = {}): Evaluator {
		return new Evaluator(this, options);
	}

	/**
	 * Frees the model. Idempotent. Running work on the model stops and rejects with DisposedError, and the returned promise settles after it.
	 */
	async dispose(): Promise<void> {
		this.#native?.dispose();
		this.#native = undefined;
		await Promise.allSettled([...this.#running]);
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.dispose();
	}

	/** The addon that runs the model. @internal */
	get addon(): Addon {
		return this.#addon;
	}

	/**
	 * Runs jobs on the model one after another, since a view changes what the original model is. A waiting job can be aborted too.
	 * @internal
	 */
	runJob<T>(signal: AbortSignal | undefined, start: StartJob<T>): Promise<T> {
		this.#alive();
		const before = this.#last;
		const job = this.#runAfter(before, signal, start).finally(() => this.#running.delete(job));
		this.#running.add(job);
		// Waits for their end only: a result kept here would live as long as the model.
		this.#last = Promise.allSettled([before, job]).then(() => {});
		return job;
	}

	async #runAfter<T>(before: Promise<unknown>, signal: AbortSignal | undefined, start: StartJob<T>): Promise<T> {
		await untilAborted(before, signal);
		return runNative(this.#addon, signal, (cancel, guard) => start(this.#alive(), cancel, guard)).catch((error: unknown) => {
			throw tooSmallAfterAll(error, this.placement, this.path) ?? error;
		});
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
