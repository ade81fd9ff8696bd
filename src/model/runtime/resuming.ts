import type { LoadedModel } from "./loaded-model.js";

// At which depths a mask can go on from hidden states that another mask left there.

/**
 * Why these kept blocks cannot be run from the hidden state before them, renumbered from 0; undefined where they can. Behind a removed
 * last block the head runs alone, through a block made the identity.
 */
export function problemOfResuming({ blocks }: LoadedModel, kept: readonly number[]): string | undefined {
	if (!blocks.resumable) return blocks.resumeReason;
	if (kept.length === 0 && blocks.view.empty.length === 0) return "no block can be made the identity";
	return blocks.checkView(kept);
}

/**
 * For each depth from 1 on whether the original model can be resumed there, the head alone coming last; the head is not asked for where
 * no other depth can be. Where all can, every mask can at every depth: what is left of it behind one is one of the rests of the whole
 * model without some blocks, and a rule that such a set breaks is broken by a rest of another length as well.
 */
export function resumableDepths(model: LoadedModel): boolean[] {
	const all = [...Array(model.facts.blocks).keys()];
	const depths = all.slice(1).map((depth) => problemOfResuming(model, all.slice(depth)) === undefined);
	const head = problemOfResuming(model, []) === undefined;
	return depths.includes(true) ? [...depths, head] : depths;
}
