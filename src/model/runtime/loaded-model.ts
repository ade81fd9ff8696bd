import type { BlockPlan } from "../architectures/types.js";
import type { GgufFile } from "../gguf/file.js";
import type { Addon, AddonInfo, CancelToken, ModelFacts, NativeModel } from "./addon.js";
import type { Guard } from "./cancel.js";
import type { Placement } from "./placement.js";
import type { TensorValues } from "./tensor-values.js";

/** Starts a job of the addon on a model. */
export type StartJob<T> = (native: NativeModel, cancel: CancelToken, guard: Guard) => Promise<T>;

/** A loaded model as its users see it: `Model` without its creation and disposal. */
export interface LoadedModel {
	readonly path: string;
	/** Header of the file: keys, tensors, shards. */
	readonly file: GgufFile;
	/** Facts from llama.cpp. */
	readonly facts: ModelFacts;
	/** Which of the model's blocks can be removed, and why not the others. */
	readonly blocks: BlockPlan;
	readonly threads: number;
	/** Which blocks run on which device. */
	readonly placement: Placement;
	/** Devices the addon was built for, and the processor's features in use. */
	readonly backend: AddonInfo;
	/** Replaces a matrix of a block, in memory only; without values the file's own returns. */
	replaceTensor(name: string, values?: TensorValues): Promise<void>;
	/** @internal */
	runJob<T>(signal: AbortSignal | undefined, start: StartJob<T>): Promise<T>;
	/** @internal */
	runWithAddon<T>(signal: AbortSignal | undefined, start: (addon: Addon, cancel: CancelToken) => Promise<T>): Promise<T>;
}
