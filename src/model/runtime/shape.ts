import { availableParallelism } from "node:os";
import { availableMemory } from "./memory.js";
import type { Model } from "./model.js";
import { defaultUbatch, logitsBytes } from "./ubatch.js";
import { firstWindows, type TokenWindows } from "./windows.js";
import type { BlockMask } from "./masks.js";

/** How the work of a sweep is divided. It can change bits, so a run keeps its first shape. */
export interface Shape {
	/** Tokens that run through a block at once. */
	ubatch: number;
	threads: number;
	/** Tokens of the original model per second, measured with this shape; 0 without a measurement. */
	tokensPerSecond: number;
}

/** Tokens of one probe. */
const probeTokens = 512;
/** Milliseconds: a shorter probe is repeated once. */
const shortCall = 3000;
/** A shape must be faster by this factor to be taken. */
const worthwhile = 1.03;

const firstTokens = (windows: TokenWindows, tokens: number) => firstWindows(windows, Math.max(1, Math.ceil(tokens / windows.length)));

/** Tokens per second of the original model with a shape, after one window that pages in the weights. @param usual its `ubatch` is the default for such a vocabulary */
export async function timeUsualShape(
	model: Model,
	full: BlockMask,
	windows: TokenWindows,
	usual: Pick<Shape, "threads"> & Partial<Pick<Shape, "ubatch">> & { readonly signal?: AbortSignal | undefined },
): Promise<Shape> {
	const { threads, ubatch = defaultUbatch(model.facts.vocabulary), signal } = usual;
	await model.createEvaluator({ ubatch, threads }).evaluate([full], firstWindows(windows, 1), { signal });
	return timed(model, full, firstTokens(windows, probeTokens), { ubatch, threads, signal });
}

export interface ShapeSearch {
	/** A shape with its speed, from {@link timeUsualShape}. */
	readonly start: Shape;
	/** Parts that stay fixed. @default nothing */
	readonly fixed?: { readonly ubatch?: boolean; readonly threads?: boolean };
	readonly signal?: AbortSignal | undefined;
}

/**
 * Looks for a faster shape by running a few windows through the original model: a half, a quarter and twice the ubatch, then all logical
 * processors. It takes a few probes of 512 tokens.
 */
export async function betterShape(
	model: Model,
	full: BlockMask,
	windows: TokenWindows,
	{ start, fixed = {}, signal }: ShapeSearch,
): Promise<Shape> {
	let best = start;
	const consider = async (ubatch: number, threads: number) => {
		const probe = firstTokens(windows, Math.max(probeTokens, ubatch));
		const shape = await timed(model, full, probe, { ubatch, threads, signal });
		if (shape.tokensPerSecond <= worthwhile * best.tokensPerSecond) return;
		// Once more, both on the same tokens: a single measurement depends on the state of the machine, and a long one hides the cost of a call.
		const before = await timed(model, full, probe, { ...best, signal });
		const again = await timed(model, full, probe, { ubatch, threads, signal });
		const speed = Math.max(shape.tokensPerSecond, again.tokensPerSecond);
		if (speed > worthwhile * Math.max(best.tokensPerSecond, before.tokensPerSecond)) best = { ...shape, tokensPerSecond: speed };
	};
	const others = fixed.ubatch ? [] : otherUbatches(start.ubatch, windows.length, model.facts.vocabulary);
	for (const ubatch of others) await consider(ubatch, start.threads);
	const logical = availableParallelism();
	if (!fixed.threads && logical > start.threads) await consider(best.ubatch, logical);
	return best;
}

async function timed(
	model: Model,
	full: BlockMask,
	probe: TokenWindows,
	{ ubatch, threads, signal }: Pick<Shape, "ubatch" | "threads"> & { readonly signal: AbortSignal | undefined },
): Promise<Shape> {
	const evaluator = model.createEvaluator({ ubatch, threads });
	const run = async () => {
		const started = performance.now();
		await evaluator.evaluate([full], probe, { signal });
		return performance.now() - started;
	};
	// The first call with a shape makes its context, as a sweep does once: a large part of short calls, a tiny one of long ones.
	const first = await run();
	const milliseconds = first < shortCall ? await run() : first;
	return { ubatch, threads, tokensPerSecond: (1000 * probe.tokens.length) / milliseconds };
}

/** A half, a quarter and twice the usual ubatch, if they cut the windows differently and their logits fit. */
function otherUbatches(usual: number, length: number, vocabulary: number): number[] {
	const windowsIn = (ubatch: number) => Math.max(1, Math.floor(ubatch / length));
	const cut = (ubatch: number) => (windowsIn(ubatch) === 1 ? Math.min(ubatch, length) : windowsIn(ubatch) * length);
	const seen = new Set([cut(usual)]);
	// Logits of more than the usual ubatch were not counted when the model was loaded, so there must be plenty of memory for them.
	const fits = (ubatch: number) => ubatch <= usual || 8 * 4 * vocabulary * ubatch < availableMemory();
	return [usual / 2, usual / 4, usual * 2].filter((ubatch) => {
		if (ubatch < 64 || 4 * vocabulary * ubatch > logitsBytes || !fits(ubatch) || seen.has(cut(ubatch))) return false;
		seen.add(cut(ubatch));
		return true;
	});
}
