import type { GgufEntry } from "../gguf/types.js";
import { encodeEntry } from "../gguf/value.js";
import { usesDefaultIndexers } from "./facts.js";
import { INDEXER_KEY, RECURRENT_KEY, SLIDING_KEY } from "./keys.js";
import type { Model } from "./rules.js";

/**
 * Values that llama.cpp would derive anew from the new block numbers, stated so that the kept blocks keep theirs.
 * An entry of a key that the file holds replaces it.
 */
export function explicitEntries(model: Model, removed: readonly number[]): GgufEntry[] {
	const gone = new Set(removed);
	const kept = Array.from({ length: model.facts.trunk + model.facts.tail }, (_, i) => i).filter((block) => !gone.has(block));
	return [...patterns(model, kept), ...headSizes(model, kept), ...derived(model, removed)];
}

function patterns({ keys, entry, facts }: Model, kept: readonly number[]): GgufEntry[] {
	const array = (key: string, values: readonly boolean[], blocks: readonly number[]) =>
		encodeEntry(
			keys.full(key),
			"array",
			blocks.map((block) => values[block]!),
			"bool",
		);
	const absent = (key: string) => keys.file.entry(keys.full(key)) === undefined;
	const stated: GgufEntry[] = [];
	// A scalar is a period, which would be counted anew; llama.cpp reads the array instead (llama-model.cpp:3308).
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

/** Sizes that llama.cpp derives from the heads of the first block (llama-model.cpp:1367-1376), where the new first has others. */
function headSizes({ keys, facts }: Model, kept: readonly number[]): GgufEntry[] {
	const [before, after] = [facts.heads[0]!, facts.heads[kept[0]!]!];
	if (before === after || before === 0 || after === 0) return [];
	const size = keys.number("attention.key_length") ?? keys.widthPerHead();
	const sizes = { "attention.key_length": size, "attention.value_length": keys.widthPerHead(), "rope.dimension_count": size };
	return Object.entries(sizes)
		.filter(([key]) => keys.number(key) === undefined)
		.map(([key, value]) => encodeEntry(keys.full(key), "uint32", value));
}

function derived({ keys, entry, facts }: Model, removed: readonly number[]): GgufEntry[] {
	if (entry.derived === "residual-scale") return residualScale(keys.full("residual_scale"), keys.number("residual_scale"), facts.trunk);
	if (entry.derived === "deepseek2") return deepseek2(keys, facts.trunk, facts.trunk - removed.length);
	return [];
}

/** 1.4 / sqrt(blocks), in single precision as llama.cpp computes it (models/minicpm.cpp:6). */
function residualScale(key: string, stated: number | undefined, blocks: number): GgufEntry[] {
	if (stated !== undefined) return [];
	return [encodeEntry(key, "float32", Math.fround(Math.fround(1.4) / Math.fround(Math.sqrt(blocks))))];
}

const SOFTMAX = 1;
const SIGMOID = 2;

/** Low-rank queries and the gate of the experts, which llama.cpp guesses from the number of blocks (models/deepseek2.cpp:8, 26). */
function deepseek2(keys: Model["keys"], before: number, after: number): GgufEntry[] {
	const tokens = keys.vocabulary();
	const lite = (blocks: number) => blocks === 26 || blocks === 27 || (blocks === 48 && tokens === 128256);
	const gate = (blocks: number) => ((blocks === 47 || blocks === 48) && tokens === 154880 ? SIGMOID : SOFTMAX);
	const stated: GgufEntry[] = [];
	if (lite(before) && !lite(after)) stated.push(encodeEntry(keys.full("attention.q_lora_rank"), "uint32", 0));
	if (!keys.number("expert_gating_func") && gate(before) !== gate(after)) {
		stated.push(encodeEntry(keys.full("expert_gating_func"), "uint32", gate(before)));
	}
	return stated;
}
