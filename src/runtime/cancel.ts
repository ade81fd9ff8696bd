import { DisposedError, EvaluationError, ModelLoadError } from "../errors.js";
import type { Addon, CancelToken } from "./addon.js";

/**
 * Runs a native job that an AbortSignal can cancel. Rejects with `signal.reason` where it was aborted.
 * @throws DisposedError, ModelLoadError or EvaluationError; llama.cpp's own log lines are the cause
 */
export async function runNative<T>(addon: Addon, signal: AbortSignal | undefined, start: (cancel: CancelToken) => Promise<T>): Promise<T> {
	signal?.throwIfAborted();
	const token = new addon.CancelToken();
	const abort = () => token.cancel();
	signal?.addEventListener("abort", abort, { once: true });
	try {
		return await start(token);
	} catch (error) {
		if (signal?.aborted) throw signal.reason;
		throw fromNative(error);
	} finally {
		signal?.removeEventListener("abort", abort);
	}
}

/** Turns an error of the addon into one of this package. */
export function fromNative(error: unknown): unknown {
	if (!(error instanceof Error)) return error;
	const { code, log } = error as Error & { code?: string; log?: string };
	const options = log ? { cause: new Error(log) } : { cause: error };
	const lastLine = log?.split("\n").at(-1);
	const message = lastLine ? `${error.message}: ${lastLine}` : error.message;
	// A job is cancelled without its caller's signal only where the model was disposed of under it.
	if (code === "DISPOSED" || code === "CANCELLED") return new DisposedError("the model was disposed of", { cause: error });
	if (code === "MODEL_LOAD_FAILED") return new ModelLoadError(message, options);
	if (code === "EVALUATION_FAILED") return new EvaluationError(message, options);
	return error;
}
