// Why blocks and attention parts are critical, in words.
import type { Metric } from "../../api/index.js";
import type { CriticalBlock } from "../../game/search/search.js";
import { removedText } from "../../notation.js";

/** Where attention parts were searched: the blocks that go beside them. */
export interface AttentionsSearched {
	readonly beside: readonly number[];
}

/**
 * Critical blocks with their reasons, one by one.
 * @param attentions where it is their attention parts that are critical
 * @param metric that was searched by
 */
export function reasonedBlocks(
	critical: readonly CriticalBlock[],
	attentions?: AttentionsSearched,
	metric: Metric = "loss",
): { readonly block: number; readonly reason: string }[] {
	return critical.flatMap((one) => {
		const reason = reasonOf(one, attentions, metric === "accuracy" ? "nats per question" : "nats per token");
		return one.blocks.map((block) => ({ block, reason }));
	});
}

function reasonOf({ addedLoss, limit, frozen }: CriticalBlock, attentions: AttentionsSearched | undefined, unit: string): string {
	const [added, most] = [addedLoss.toFixed(3), limit.toFixed(3)];
	const freed = frozen ? "" : "; set free to reach the size";
	// Blocks that go only together share what they add.
	if (!attentions) return `removed alone it adds ${added} ${unit}, more than ${most} a block${freed}`;
	return `its attention part, removed ${howRemoved(attentions.beside)}, adds ${added} ${unit}, more than ${most}${freed}`;
}

/** How something is removed beside these blocks. */
export const howRemoved = (beside: readonly number[]): string => (beside.length === 0 ? "alone" : `beside ${removedText(beside)}`);
