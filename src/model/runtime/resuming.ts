import { type StackedBlock, stackWithout } from "../../game/parts.js";
import type { LoadedModel } from "./loaded-model.js";

// Depths at which a mask can resume from hidden states that another mask left there.

/**
 * Why these kept blocks cannot run from the hidden state before them, renumbered from 0; undefined if they can. After a removed last block
 * the LM head runs alone, through a block made the identity.
 */
export function problemOfResuming({ blocks }: LoadedModel, kept: readonly StackedBlock[]): string | undefined {
	if (!blocks.resumable) return blocks.resumeReason;
	if (kept.length === 0 && blocks.view.empty.length === 0) return "no block can be made the identity";
	return blocks.checkView(kept);
}

/**
 * For each depth from 1 on, whether the original model can resume there; the LM head alone comes last. The head is not checked if no other
 * depth can resume. If all can, every mask can at every depth: what a mask keeps behind a depth is a rest of the original model without
 * some blocks. A rule that such a set breaks is also broken by a rest of another length. The same holds for the attention parts that a mask
 * keeps, and for its feed-forward parts.
 */
export function resumableDepths(model: LoadedModel): boolean[] {
	const all = stackWithout(model.facts.blocks, []);
	const depths = all.slice(1).map((_, i) => problemOfResuming(model, all.slice(i + 1)) === undefined);
	const head = problemOfResuming(model, []) === undefined;
	return depths.includes(true) ? [...depths, head] : depths;
}
