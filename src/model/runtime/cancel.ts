import { DisposedError, EvaluationError, ModelLoadError, NotEnoughMemoryError, QuantizeError } from "../../errors.js";
import type { Addon, CancelToken } from "./addon.js";

/** Makes a caller's callback safe to be called by the addon. */
export type Guard = <A extends unknown[]>(callback: (...args: A) => void) => (...args: A) => void;

/**
 * Runs a native job that an AbortSignal can cancel. Rejects with `signal.reason` if it was aborted. An error of a guarded callback stops
 * the job and becomes its error: thrown into the addon it would be lost.
 * @throws DisposedError, ModelLoadError, EvaluationError or QuantizeError; llama.cpp's own log lines are the cause
 */
export async function runNative<T>(
	addon: Addon,
	signal: AbortSignal | undefined,
	start: (cancel: CancelToken, guard: Guard) => Promise<T>,
): Promise<T> {
	signal?.throwIfAborted();
	const token = new addon.CancelToken();
	const abort = () => token.cancel();
	signal?.addEventListener("abort", abort, { once: true });
	let thrown: { error: unknown } | undefined;
	const guard: Guard =
		(callback) =>
		(...args) => {
			if (thrown) return;
			try {
				callback(...args);
			} catch (error) {
				thrown = { error };
				token.cancel();
			}
		};
	const failure = () => thrown;
	try {
		const result = await start(token, guard);
		if (failure()) throw failure()!.error;
		return result;
	} catch (error) {
		if (failure()) throw failure()!.error;
		if (signal?.aborted) throw signal.reason;
		throw fromNative(error);
	} finally {
		signal?.removeEventListener("abort", abort);
	}
}

/** Waits for something that cannot be stopped, but no longer than until the signal aborts. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
	if (!signal) return work;
	return new Promise((resolve, reject) => {
		const abort = () => reject(signal.reason);
		if (signal.aborted) abort();
		signal.addEventListener("abort", abort, { once: true });
		work.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
	});
}

/** Turns an error of the addon into one of this package. */
export function fromNative(error: unknown): unknown {
	if (!(error instanceof Error)) return error;
	const { code, log } = error as Error & { code?: string; log?: string };
	const options = log ? { cause: new Error(log) } : { cause: error };
	const lastLine = log?.split("\n").at(-1);
	const message = lastLine ? `${error.message}: ${lastLine}` : error.message;
	// A job is cancelled without its caller's signal only if the model was disposed of meanwhile.
	if (code === "DISPOSED" || code === "CANCELLED") return new DisposedError("the model was disposed of", { cause: error });
	if (code === "MODEL_LOAD_FAILED") return new ModelLoadError(message, options);
	if (code === "EVALUATION_FAILED") return new EvaluationError(message, options);
	if (code === "NOT_ENOUGH_MEMORY") return new NotEnoughMemoryError(message, options);
	if (code === "QUANTIZE_FAILED") return new QuantizeError(message, options);
	return error;
}
