import type { GgufFile } from "../gguf/file.js";
import { checkCounts } from "./sound.js";
import type { ArchitectureEntry, Condition } from "./types.js";

/** Keys of every architecture whose arrays hold one entry per block (src/llama-model.cpp:1265-1336, and every loader of experts). */
export const BASE_PER_BLOCK_KEYS = [
	"attention.head_count",
	"attention.head_count_kv",
	"feed_forward_length",
	"expert_used_count",
	"expert_feed_forward_length",
] as const;

export const SLIDING_KEY = "attention.sliding_window_pattern";
export const RECURRENT_KEY = "attention.recurrent_layers";
export const INDEXER_KEY = "attention.indexer.types";
export const INTERVAL_KEY = "full_attention_interval";
export const DEFAULT_INTERVAL = 4;
export const PER_LAYER_EMBEDDING_KEY = "ple.layers";
export const SHARED_KV_KEY = "attention.shared_kv_layers";
export const DEEPSTACK_KEY = "deepstack_mapping";
export const OWN_KEYS = "prune_gguf.";

/** A model's metadata, read by keys without the architecture's name. */
export class ModelKeys {
	readonly architecture: string;

	/** @throws InvalidGgufError if the file names no architecture, or states counts that it cannot hold */
	constructor(readonly file: GgufFile) {
		checkCounts(file);
		this.architecture = file.architecture;
	}

	full(key: string): string {
		return `${this.architecture}.${key}`;
	}

	/** A number; undefined if the key is absent or holds something else. */
	number(key: string): number | undefined {
		const value = this.file.value(this.full(key));
		if (typeof value === "bigint") return Number(value);
		return typeof value === "number" ? value : undefined;
	}

	/** An array as numbers (true is 1); undefined if the key is absent or not an array of numbers. */
	numbers(key: string): number[] | undefined {
		const value = this.file.value(this.full(key));
		if (typeof value !== "object") return undefined;
		return value.map(Number);
	}

	/** One number per block: a scalar counts for every block, an array as far as it reaches. */
	perBlock(key: string, blocks: number, absent = 0): number[] {
		const scalar = this.number(key);
		const array = this.numbers(key) ?? [];
		return Array.from({ length: blocks }, (_, i) => scalar ?? array[i] ?? absent);
	}

	/** Blocks without the multi-token-prediction tail, and those of the tail. */
	blocks(entry: ArchitectureEntry | undefined): { trunk: number; tail: number } {
		const all = this.number("block_count") ?? 0;
		const stated = Math.min(this.number("nextn_predict_layers") ?? 0, all);
		const probe = `blk.${all - stated}.nextn.eh_proj.weight`;
		const tail = entry?.tailNeedsTensors && !this.file.tensor(probe) ? 0 : stated;
		return { trunk: all - tail, tail };
	}

	holds(condition: Condition | readonly Condition[] | undefined, entry: ArchitectureEntry): boolean {
		if (condition === undefined) return true;
		return [condition].flat().every((one: Condition) => this.#holds(one, entry));
	}

	#holds(condition: Condition, entry: ArchitectureEntry): boolean {
		if ("not" in condition) return !this.#holds(condition.not, entry);
		if ("notMultipleOf" in condition) return (this.number(condition.key) ?? 0) % condition.notMultipleOf !== 0;
		if ("key" in condition) return (this.number(condition.key) ?? condition.absent) > condition.above;
		if ("blocks" in condition) return this.blocks(entry).trunk === condition.blocks;
		if ("vocabulary" in condition) return this.vocabulary() === condition.vocabulary;
		if ("firstBlock" in condition) return this.perBlock("attention.head_count", 1)[0] === 0;
		if ("tensor" in condition) return this.file.tensor(condition.tensor) !== undefined;
		if ("everyNumber" in condition)
			return this.perBlock(condition.everyNumber, this.blocks(entry).trunk).every((number) => number > condition.above);
		if ("everyBlock" in condition) return this.#everyBlockHolds(condition.everyBlock, entry);
		if ("flag" in condition) return this.file.value(this.full(condition.flag)) === true;
		const headSize = this.number("attention.key_length");
		return headSize !== undefined && headSize !== this.widthPerHead();
	}

	#everyBlockHolds(part: string, entry: ArchitectureEntry): boolean {
		const { trunk } = this.blocks(entry);
		return Array.from({ length: trunk }, (_, block) => this.file.tensor(`${entry.prefix ?? "blk."}${block}.${part}`)).every(Boolean);
	}

	/** Number of tokens, as llama.cpp counts them (models/deepseek2.cpp:5). */
	vocabulary(): number {
		return this.number("vocab_size") ?? this.file.array("tokenizer.ggml.tokens")?.length ?? 0;
	}

	/** Size of an attention head if no key states it (llama-model.cpp:1369): the width shared among the heads of the first block. */
	widthPerHead(): number {
		const heads = this.perBlock("attention.head_count", 1)[0]!;
		return heads > 0 ? Math.floor((this.number("embedding_length") ?? 0) / heads) : 0;
	}
}
