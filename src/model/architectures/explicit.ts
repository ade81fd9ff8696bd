import type { GgufEntry } from "../gguf/types.js";
import { originOf, type StackedBlock } from "../../game/parts.js";
import { encodeEntry } from "../gguf/value.js";
import { usesDefaultIndexers } from "./facts.js";
import { HEAD_SIZE_KEYS, headSizesOf } from "./head-sizes.js";
import { INDEXER_KEY, RECURRENT_KEY, SLIDING_KEY } from "./keys.js";
import type { RuledModel } from "./rules.js";

/**
 * Values that llama.cpp would derive again from the new block numbers, stated so that the kept blocks keep theirs.
 * An entry of a key that the file holds replaces it. All of them are of the attention parts, or of the model.
 * @param stack the blocks of what is left, with the tail
 */
export function explicitEntries(model: RuledModel, stack: readonly StackedBlock[]): GgufEntry[] {
	const kept = stack.map(originOf);
	return [...patterns(model, kept), ...headSizes(model, kept), ...derived(model, stack.length - model.facts.tail)];
}

function patterns({ keys, entry, facts }: RuledModel, kept: readonly number[]): GgufEntry[] {
	const array = (key: string, values: readonly boolean[], blocks: readonly number[]) =>
		encodeEntry(
			keys.full(key),
			"array",
			blocks.map((block) => values[block]!),
			"bool",
		);
	const absent = (key: string) => keys.file.entry(keys.full(key)) === undefined;
	const stated: GgufEntry[] = [];
	// A scalar is a period, which llama.cpp would count with the new indices; it reads the array instead (llama-model.cpp:3308).
	if (facts.windows && keys.numbers(SLIDING_KEY) === undefined) stated.push(array(SLIDING_KEY, facts.sliding, kept));
	if (entry.recurrent?.by === "interval" && absent(RECURRENT_KEY)) stated.push(array(RECURRENT_KEY, facts.recurrent, kept));
	if (facts.indexer && absent(INDEXER_KEY) && usesDefaultIndexers(keys, entry)) {
		stated.push(
			array(
				INDEXER_KEY,
				facts.indexer,
				kept.filter((block) => block < facts.trunk),
			),
		);
	}
	return stated;
}

function headSizes({ keys, facts }: RuledModel, kept: readonly number[]): GgufEntry[] {
	const [before, after] = [facts.heads[0]!, facts.heads[kept[0]!]!];
	if (before === after || before === 0 || after === 0) return [];
	const sizes = headSizesOf(keys);
	return HEAD_SIZE_KEYS.filter((key) => keys.number(key) === undefined).map((key) => encodeEntry(keys.full(key), "uint32", sizes[key]));
}

/** Stated if llama.cpp would derive another value from the new number of blocks. */
export const DERIVED_KEYS = {
	"residual-scale": ["residual_scale"],
	deepseek2: ["attention.q_lora_rank", "expert_gating_func"],
} as const satisfies Record<NonNullable<RuledModel["entry"]["derived"]>, readonly string[]>;

function derived({ keys, entry, facts }: RuledModel, left: number): GgufEntry[] {
	if (entry.derived === "residual-scale") return residualScale(keys, facts.trunk);
	if (entry.derived === "deepseek2") return deepseek2(keys, facts.trunk, left);
	return [];
}

function residualScale(keys: RuledModel["keys"], blocks: number): GgufEntry[] {
	if (keys.number("residual_scale") !== undefined) return [];
	return [encodeEntry(keys.full("residual_scale"), "float32", residualScaleOf(keys, blocks))];
}

/** As stated, or 1.4 / sqrt(blocks), in single precision as llama.cpp computes it (models/minicpm.cpp:6). */
export function residualScaleOf(keys: RuledModel["keys"], blocks: number): number {
	return keys.number("residual_scale") ?? Math.fround(Math.fround(1.4) / Math.fround(Math.sqrt(blocks)));
}

const SOFTMAX = 1;
const SIGMOID = 2;

function deepseek2(keys: RuledModel["keys"], before: number, after: number): GgufEntry[] {
	const [was, would] = [guessesOf(keys, before), guessesOf(keys, after)];
	return Object.entries(was)
		.filter(([key, value]) => value !== undefined && value !== would[key as keyof typeof would])
		.map(([key, value]) => encodeEntry(keys.full(key), "uint32", value!));
}

/**
 * Rank of the queries (0: they have none; undefined: not stated but needed) and gate of the experts, as llama.cpp takes them for this
 * number of blocks (models/deepseek2.cpp:8, 26).
 */
export function guessesOf(keys: RuledModel["keys"], blocks: number): Record<(typeof DERIVED_KEYS.deepseek2)[number], number | undefined> {
	const tokens = keys.vocabulary();
	const lite = blocks === 26 || blocks === 27 || (blocks === 48 && tokens === 128256);
	const gate = (blocks === 47 || blocks === 48) && tokens === 154880 ? SIGMOID : SOFTMAX;
	return {
		"attention.q_lora_rank": lite ? 0 : keys.number("attention.q_lora_rank"),
		expert_gating_func: keys.number("expert_gating_func") || gate,
	};
}
