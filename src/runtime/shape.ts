import { availableParallelism } from "node:os";
import { type BlockMask, defaultUbatch, logitsBytes } from "./evaluator.js";
import type { Model } from "./model.js";
import { firstWindows, type TokenWindows } from "./windows.js";

/** How the work of a sweep is cut up. It can change bits, so that a run keeps the one it began with. */
export interface Shape {
	/** Tokens that run through a block at once. */
	ubatch: number;
	threads: number;
	/** Tokens of the whole model a second, as measured with this shape; 0 where nothing was measured. */
	tokensPerSecond: number;
}

/** Tokens that one probe runs. */
const probeTokens = 1024;
/** A shape must be that much faster than the one before to be taken. */
const worthwhile = 1.03;

/**
 * Chooses ubatch and threads by running a few windows through the whole model: half, a quarter and twice the usual ubatch, then
 * all logical processors. About five probes of a thousand tokens.
 * @param fixed what is not to be varied
 */
export async function measureShape(
	model: Model,
	full: BlockMask,
	windows: TokenWindows,
	fixed: { ubatch?: number | undefined; threads?: number | undefined } = {},
	signal?: AbortSignal,
): Promise<Shape> {
	const usual = fixed.ubatch ?? defaultUbatch(model.facts.vocabulary);
	const probe = firstWindows(windows, Math.max(1, Math.ceil(probeTokens / windows.length)));
	const timed = async (ubatch: number, threads: number): Promise<Shape> => {
		const started = performance.now();
		await model.createEvaluator({ ubatch, threads }).evaluate([full], probe, { signal });
		return { ubatch, threads, tokensPerSecond: (1000 * probe.tokens.length) / (performance.now() - started) };
	};
	const start = fixed.threads ?? model.threads;
	await timed(usual, start); // pages in the weights
	let best = await timed(usual, start);
	const consider = async (ubatch: number, threads: number) => {
		const shape = await timed(ubatch, threads);
		if (shape.tokensPerSecond > worthwhile * best.tokensPerSecond) best = shape;
	};
	if (fixed.ubatch === undefined)
		for (const ubatch of otherUbatches(usual, windows.length, model.facts.vocabulary)) await consider(ubatch, start);
	const logical = availableParallelism();
	if (fixed.threads === undefined && logical > start) await consider(best.ubatch, logical);
	return best;
}

/** Half, a quarter and twice the usual, where they cut the windows differently and their logits fit. */
function otherUbatches(usual: number, length: number, vocabulary: number): number[] {
	const windowsIn = (ubatch: number) => Math.max(1, Math.floor(ubatch / length));
	const cut = (ubatch: number) => (windowsIn(ubatch) === 1 ? Math.min(ubatch, length) : windowsIn(ubatch) * length);
	const seen = new Set([cut(usual)]);
	return [usual / 2, usual / 4, usual * 2].filter((ubatch) => {
		if (ubatch < 64 || 4 * vocabulary * ubatch > logitsBytes || seen.has(cut(ubatch))) return false;
		seen.add(cut(ubatch));
		return true;
	});
}
