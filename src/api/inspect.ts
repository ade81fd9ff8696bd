// The result of `inspectModel`.
import type { ModelSummary } from "./measure.js";

export interface InspectResult extends ModelSummary {
	readonly files: readonly string[];
	readonly support: "exact" | "refused";
	readonly reason?: string | undefined;
	/** `bits`: removals were compared bit for bit; `source`: the rule was read and never run; `unknown`: there is no rule. */
	readonly proof: "bits" | "source" | "unknown";
	readonly maxRemovable: number;
	readonly frozen: readonly { readonly block: number; readonly reason: string }[];
	/** Blocks that a rule ties together: these groups go, as a whole. Missing if each block can be removed alone. */
	readonly units?: readonly (readonly number[])[] | undefined;
	/** Whether half-block cuts can be made, which searches then try by default; if not, why. */
	readonly halfBlockCuts: { readonly allowed: boolean; readonly reason?: string | undefined };
	/** Whether the attention part of a block can be removed alone, such as `6-9a`; if not, why. */
	readonly attentionParts: { readonly allowed: boolean; readonly reason?: string | undefined };
	/** Blocks that have a feed-forward part only. Missing if there is none. */
	readonly withoutAttention?: readonly number[] | undefined;
	/** What this file lost already, if it says so. */
	readonly pruned?: string | undefined;
	/** Tensors by type name. */
	readonly types: Readonly<Record<string, number>>;
}
