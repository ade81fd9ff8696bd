// States between the attention part and the feed-forward part of a block, which graphs have no common name for.
import type { Model } from "../runtime/model.js";
import { whileHealed } from "./standing.js";

/**
 * Does work while the feed-forward part of a block adds nothing to the residual stream: the state after the block is then that after the
 * attention part before it. The file's own values return in any case, so none of these tensors may be replaced at the time.
 */
export function withoutFeedForward<T>(model: Model, block: number, work: () => Promise<T>): Promise<T> {
	const { view } = model.blocks;
	const own = new Set(view.feedForward(block));
	const zeros = view.outputs(block).flatMap((name) => {
		const { type, source } = model.file.tensor(name)!;
		return own.has(name) ? [{ name, type, bytes: new Uint8Array(source.size) }] : [];
	});
	return whileHealed(model, zeros, work);
}
