import { formatBlocks } from "../notation.js";
import type { Report } from "./report-data.js";

/** What a run measured one by one, in words, and how the one of a block is named. */
export interface MeasuredPart {
	readonly what: "block" | "attention part";
	/** `7`, or `7a`. */
	readonly name: (block: number) => string;
}

/** What the run of a report measured: blocks, or their attention parts alone. */
export function measuredPart({ reproduce: { granularity } }: Pick<Report, "reproduce">): MeasuredPart {
	return granularity?.used === "attention"
		? { what: "attention part", name: (block) => formatBlocks([block + 0.25]) }
		: { what: "block", name: String };
}

/** Which LoRA adapters a file without some attention parts does not take, as the beginning of a sentence. @param architecture of the original */
export const adaptersText = (architecture: string): string =>
	architecture === "deci"
		? "LoRA adapters that change a removed attention part do not load with the file"
		: `LoRA adapters made for the architecture ${architecture} do not load with the file, which is of llama.cpp's architecture deci`;

/**
 * What half-block cuts and attention parts alone are, with the first of each as the example, and what losing attention parts means for the
 * file; undefined if blocks are removed as a whole only.
 * @param architecture of the original
 */
export function halvesNote(removed: readonly number[], architecture: string): string | undefined {
	const text = formatBlocks(removed);
	const notes = [attentionNote(text, architecture), cutNote(text)].filter((note) => note !== undefined);
	return notes.length > 0 ? notes.join(" ") : undefined;
}

function attentionNote(text: string, architecture: string): string | undefined {
	const [, range, from, to] = /(?:^|, )((\d+)(?:-(\d+))?a)/.exec(text) ?? [];
	if (range === undefined) return undefined;
	const blocks = to === undefined ? `block ${from}` : `blocks ${from} to ${to}`;
	return `${range} is the attention part of ${blocks} alone: the feed-forward part stays. ${adaptersText(architecture)}. Its KV cache is smaller; without flash attention it saves only half as much.`;
}

function cutNote(text: string): string | undefined {
	const [range, from, to] = /(\d+)f-(\d+)a/.exec(text) ?? [];
	if (range === undefined) return undefined;
	return `${range} is a half-block cut: from the feed-forward part of block ${from} to the attention part of block ${to}. What is left of these two blocks is one block.`;
}
