import { InvalidOptionError } from "../../errors.js";
import type { CancelToken, NativeModel, SpeedFigures } from "./addon.js";
import type { Guard } from "./cancel.js";
import { checkMeasurable } from "./loadable.js";
import type { Model } from "./model.js";
import { type BlockMask, packMask } from "./masks.js";

/** A model, or a mask of it. */
export interface SpeedSide {
	readonly model: Model;
	/** @default all blocks */
	readonly mask?: BlockMask | undefined;
}

/** Size of one repetition, and how many there are. */
export interface SpeedShape {
	/** Tokens of the prompt, run at once; at least 1. */
	readonly promptTokens: number;
	/** Tokens after it, one by one; at least 1. */
	readonly generatedTokens: number;
	/** Repetitions that count, 1 to 1000. One more before them is discarded. */
	readonly repetitions: number;
}

export interface SpeedSetting extends SpeedShape {
	/** Tokens of context that the memory is for. */
	readonly context: number;
	/** Threads to compute with. */
	readonly threads: number;
	/** @default 512, as in llama.cpp's programs */
	readonly ubatch?: number | undefined;
	readonly signal?: AbortSignal | undefined;
	/** Called with runs done and in total. */
	readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Runs prompts and single tokens through several models, or views of one, in turns, in a separate thread. Tokens are drawn from the whole
 * vocabulary, as llama-bench draws them, the same for every side.
 * @throws InvalidCandidateError, InvalidOptionError, UnsupportedArchitectureError, EvaluationError, DisposedError, or `signal.reason`
 */
export async function runSpeed(sides: readonly SpeedSide[], setting: SpeedSetting): Promise<SpeedFigures[]> {
	const { signal, onProgress, promptTokens, generatedTokens, repetitions, context, threads, ubatch = 512 } = setting;
	for (const { model } of sides) checkMeasurable(model.path, model.blocks);
	checkSetting(sides, setting);
	const models = [...new Set(sides.map(({ model }) => model))];
	const masks = sides.map(({ model, mask }) => (mask ? packMask(model, mask) : new Uint8Array(model.facts.blocks).fill(1)));
	const options = { promptTokens, generatedTokens, repetitions, context, threads, ubatch };
	// Every model is busy until the last of them is: each waits for its running work, then the job begins.
	const hold = (
		waiting: readonly Model[],
		natives: ReadonlyMap<Model, NativeModel>,
		job?: [CancelToken, Guard],
	): Promise<SpeedFigures[]> => {
		const [first, ...rest] = waiting;
		if (first) return first.runJob(signal, (native, cancel, guard) => hold(rest, new Map(natives).set(first, native), [cancel, guard]));
		const [cancel, guard] = job!;
		const native = sides.map(({ model }, i) => ({ model: natives.get(model)!, mask: masks[i]! }));
		return models[0]!.addon.measureSpeed(
			native,
			options,
			cancel,
			guard((done, total) => onProgress?.(done, total)),
		);
	};
	return hold(models, new Map());
}

function checkSetting(sides: readonly SpeedSide[], { promptTokens, generatedTokens, repetitions, context, threads }: SpeedSetting): void {
	const whole = (name: string, value: number, min: number, max: number) => {
		if (!Number.isInteger(value) || value < min || value > max)
			throw new InvalidOptionError(`${name} must be a whole number from ${min} to ${max}, got ${value}`);
	};
	const most = Math.min(...sides.map(({ model }) => model.facts.contextLength));
	whole("prompt-tokens", promptTokens, 1, most);
	whole("generated-tokens", generatedTokens, 1, most);
	whole("repetitions", repetitions, 1, 1000);
	whole("context", context, 1, 2 ** 22);
	whole("threads", threads, 1, 512);
	if (promptTokens + generatedTokens > most) {
		throw new InvalidOptionError(
			`a prompt of ${promptTokens} tokens and ${generatedTokens} after it exceed the context of ${most} tokens: measure fewer (--prompt-tokens, --generated-tokens)`,
		);
	}
}
