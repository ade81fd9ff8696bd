// What a removal saves at the context that the model is used at. Pure: reads what was measured.
import { removedParts } from "../../game/parts.js";
import type { PlanContext } from "../../storage/plan-speed.js";
import type { AtContext } from "../speed/at-context.js";
import { speedupWithout } from "../speed/part-times.js";

/** @param removed positions */
export function contextOfPlan({ context, times, kv, seen }: AtContext, removed: readonly number[]): PlanContext {
	const { attention, feedForward } = removedParts(removed);
	const gone = new Set(attention);
	const before = kv.reduce((sum, bytes) => sum + bytes, 0);
	const after = kv.reduce((sum, bytes, block) => sum + (gone.has(block) ? 0 : bytes), 0);
	const counts = { attention: attention.filter((block) => kv[block]! > 0).length, feedForward: feedForward.length };
	const ratio = times && speedupWithout(times, counts);
	return {
		context,
		...(times ? { times, milliseconds: { before: 1000 * times.model, after: (1000 * times.model) / ratio! } } : {}),
		kvCache: { before, after },
		...(seen ? { seen: { windows: seen.windows, windowLength: seen.windowLength, scoreFrom: seen.scoreFrom } } : {}),
	};
}

/** Milliseconds per generated token, if times are known, and bytes of the KV cache of what is left, at the context. */
export function costAt(at: AtContext, removed: readonly number[]): { readonly milliseconds?: number; readonly kvCache: number } {
	const { milliseconds, kvCache } = contextOfPlan(at, removed);
	return { ...(milliseconds ? { milliseconds: milliseconds.after } : {}), kvCache: kvCache.after };
}
