import type { ModelKeys } from "./keys.js";

/** Head and rotation sizes of the original model, stated or from the heads of its first block (llama-model.cpp:1367-1376). */
export function headSizesOf(keys: ModelKeys): Readonly<Record<HeadSizeKey, number>> {
	const width = keys.widthPerHead();
	const heads = keys.perBlock("attention.head_count", 1)[0]!;
	if (heads === 0) return { "attention.key_length": 0, "attention.value_length": 0, "rope.dimension_count": 0 };
	const size = keys.number("attention.key_length") ?? width;
	return {
		"attention.key_length": size,
		"attention.value_length": keys.number("attention.value_length") ?? width,
		"rope.dimension_count": keys.number("rope.dimension_count") ?? size,
	};
}

/** Stated if the new first block has another number of heads. */
export const HEAD_SIZE_KEYS = ["attention.key_length", "attention.value_length", "rope.dimension_count"] as const;
type HeadSizeKey = (typeof HEAD_SIZE_KEYS)[number];
