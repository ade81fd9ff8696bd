import { InvalidGgufError } from "../../errors.js";
import type { GgufFile } from "../gguf/file.js";
import { arrayLength } from "../gguf/value.js";
import { shownText } from "../../storage/shown-text.js";

/** Most layers that llama.cpp runs (LLAMA_MAX_LAYERS of llama-hparams.h). */
const MAX_BLOCKS = 512;
/** llama.cpp keeps all counts in 32 bits. */
const MAX_COUNT = 2 ** 32 - 1;

/** Keys (after the architecture's name) of whole numbers from 0, one for the model or one per block, that this package computes with. */
const COUNTS = [
	"context_length",
	"embedding_length",
	"vocab_size",
	"feed_forward_length",
	"expert_count",
	"expert_used_count",
	"expert_feed_forward_length",
	"expert_group_count",
	"expert_group_used_count",
	"attention.head_count",
	"attention.head_count_kv",
	"attention.key_length",
	"attention.value_length",
	"attention.key_length_swa",
	"attention.value_length_swa",
	"attention.q_lora_rank",
	"attention.shared_kv_layers",
	"attention.sliding_window_pattern",
	"rope.dimension_count",
	"rope.dimension_count_swa",
	"ssm.conv_kernel",
	"ssm.inner_size",
	"ssm.state_size",
	"wkv.head_size",
	"leading_dense_block_count",
	"hash_layer_count",
	"n_deepstack_layers",
	"rescale_every_n_layers",
	"full_attention_interval",
	"interleave_moe_layer_step",
] as const;

/**
 * Compares the counts of a model with what llama.cpp runs, before anything is built from them. A file need not hold all blocks that it
 * states: a vocabulary has none, and a file of multi-token-prediction blocks alone states the blocks of its model.
 * @throws InvalidGgufError if one is not a whole number from 0, is too large, or is stated for more blocks than there can be
 */
export function checkCounts(file: GgufFile): void {
	const { architecture } = file;
	const blocks = count(file, `${architecture}.block_count`, MAX_BLOCKS, `llama.cpp runs ${MAX_BLOCKS} blocks`);
	count(file, `${architecture}.nextn_predict_layers`, blocks, `block_count is ${blocks}`);
	for (const key of COUNTS)
		for (const value of numbersOf(file, `${architecture}.${key}`)) checkCount(file, `${architecture}.${key}`, value, { most: MAX_COUNT });
}

/** A single count; 0 if the file states none. */
function count(file: GgufFile, key: string, most: number, why: string): number {
	const value = file.value(key) ?? 0;
	if (typeof value !== "number" && typeof value !== "bigint") {
		const found = typeof value === "object" ? "an array" : `a ${typeof value}`;
		throw new InvalidGgufError(`${file.paths[0]}: expected a whole number as ${shownText(key)}, found ${found}: convert the model again`);
	}
	checkCount(file, key, value, { most, why });
	return Number(value);
}

function numbersOf(file: GgufFile, key: string): (number | bigint)[] {
	const entry = file.entry(key);
	const length = (entry && arrayLength(entry)) ?? 1;
	if (length > MAX_BLOCKS) {
		throw new InvalidGgufError(
			`${file.paths[0]}: expected one number as ${shownText(key)}, or one per block (llama.cpp runs ${MAX_BLOCKS}), found ${length}: the file is damaged; convert the model again`,
		);
	}
	const value = file.value(key);
	const isNumber = (one: unknown) => typeof one === "number" || typeof one === "bigint";
	return [value].flat().filter(isNumber) as (number | bigint)[];
}

/** @param limit the largest allowed value, and why */
function checkCount(
	file: GgufFile,
	key: string,
	value: number | bigint,
	{ most, why }: { readonly most: number; readonly why?: string | undefined },
): void {
	if (Number.isInteger(Number(value)) && value >= 0 && value <= most) return;
	throw new InvalidGgufError(
		`${file.paths[0]}: expected a whole number from 0 to at most ${most} as ${shownText(key)}${why ? ` (${why})` : ""}, found ${value}: the file is damaged; convert the model again`,
	);
}
