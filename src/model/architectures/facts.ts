import type { BlockFacts } from "./block-facts.js";
import { DEEPSTACK_KEY, DEFAULT_INTERVAL, INDEXER_KEY, INTERVAL_KEY, type ModelKeys, RECURRENT_KEY, SLIDING_KEY } from "./keys.js";
import type { ArchitectureEntry } from "./types.js";

/** Every `period`-th block is not sliding (llama-hparams.cpp, set_swa_pattern); 0: all slide, 1: none. */
export function slidingByPeriod(period: number, denseFirst: boolean, trunk: number, tail: number): boolean[] {
	const slides = (i: number) => period === 0 || (denseFirst ? i % period !== 0 : i % period < period - 1);
	return Array.from({ length: trunk + tail }, (_, i) => i < trunk && slides(i));
}

/** Every `interval`-th block is attention (for example models/qwen35.cpp:21). */
export function recurrentByInterval(interval: number, trunk: number, tail: number): boolean[] {
	return Array.from({ length: trunk + tail }, (_, i) => i < trunk && (i + 1) % interval !== 0);
}

/** The blocks that own an indexer when the key is absent (models/glm-dsa.cpp:6). */
export function defaultIndexers(trunk: number): boolean[] {
	return Array.from({ length: trunk }, (_, i) => i < 2 || (i < 78 && (i - 2) % 4 === 0));
}

export function blockFacts(keys: ModelKeys, entry: ArchitectureEntry): BlockFacts {
	const { trunk, tail } = keys.blocks(entry);
	const all = trunk + tail;
	const kvHeads = kvHeadsOf(keys, all);
	const feedForward = keys.perBlock("feed_forward_length", all);
	const windows = entry.sliding !== undefined && keys.holds(entry.sliding.when, entry);
	const recurrent = recurrentPattern(keys, entry, { trunk, tail, kvHeads, feedForward });
	const either = entry.recurrent?.by === "no-kv-heads-no-ffn";
	return {
		trunk,
		tail,
		windows,
		sliding: windows ? slidingPattern(keys, entry, trunk, tail) : new Array<boolean>(all).fill(false),
		recurrent,
		attention: kvHeads.map((heads, i) => !recurrent[i] && heads > 0 && !(either && feedForward[i]! > 0)),
		heads: keys.perBlock("attention.head_count", all),
		kvHeads,
		feedForward,
		expertsUsed: keys.perBlock("expert_used_count", all),
		expertWidth: keys.perBlock("expert_feed_forward_length", all),
		rope: ropePattern(keys, entry, all),
		indexer: indexerPattern(keys, entry, trunk),
		compressRatio: keys.perBlock("attention.compress_ratios", all),
		deepstack: entry.perBlock?.includes(DEEPSTACK_KEY)
			? keys.perBlock(DEEPSTACK_KEY, all, -1).map((index) => index >= 0)
			: new Array<boolean>(all).fill(false),
		denseLead: entry.leading?.includes("leading_dense_block_count") ? (keys.number("leading_dense_block_count") ?? 0) : 0,
	};
}

/** Key/value heads of each block: those of the queries where the file states none. */
export function kvHeadsOf(keys: ModelKeys, all: number): number[] {
	const stated = keys.file.entry(keys.full("attention.head_count_kv")) !== undefined;
	return keys.perBlock(stated ? "attention.head_count_kv" : "attention.head_count", all);
}

function slidingPattern(keys: ModelKeys, entry: ArchitectureEntry, trunk: number, tail: number): boolean[] {
	const pattern = entry.sliding!;
	const array = keys.numbers(SLIDING_KEY);
	if (array) return Array.from({ length: trunk + tail }, (_, i) => (array[i] ?? 0) !== 0);
	const period = keys.number(SLIDING_KEY) ?? pattern.period ?? 1;
	return slidingByPeriod(period, pattern.denseFirst ?? false, trunk, tail);
}

type Sizes = Pick<BlockFacts, "trunk" | "tail" | "kvHeads" | "feedForward">;

function recurrentPattern(keys: ModelKeys, entry: ArchitectureEntry, sizes: Sizes): boolean[] {
	const { trunk, tail, kvHeads, feedForward } = sizes;
	const by = entry.recurrent?.by;
	if (by === "no-kv-heads") return kvHeads.map((heads, i) => i < trunk && heads === 0);
	if (by === "no-kv-heads-no-ffn") return kvHeads.map((heads, i) => i < trunk && heads === 0 && feedForward[i] === 0);
	if (by !== "interval") return new Array<boolean>(trunk + tail).fill(false);
	if (keys.file.entry(keys.full(RECURRENT_KEY))) return keys.perBlock(RECURRENT_KEY, trunk + tail).map(Boolean);
	return recurrentByInterval(keys.number(INTERVAL_KEY) ?? DEFAULT_INTERVAL, trunk, tail);
}

function ropePattern(keys: ModelKeys, entry: ArchitectureEntry, all: number): boolean[] {
	if (!entry.perBlock?.includes("attention.rope_pattern")) return new Array<boolean>(all).fill(true);
	return keys.perBlock("attention.rope_pattern", all, 1).map(Boolean);
}

function indexerPattern(keys: ModelKeys, entry: ArchitectureEntry, trunk: number): boolean[] | undefined {
	const pattern = entry.indexer;
	if (!pattern || !keys.holds(pattern.when, entry)) return undefined;
	if (keys.file.entry(keys.full(INDEXER_KEY))) return keys.perBlock(INDEXER_KEY, trunk).map(Boolean);
	if (pattern.absent === "none") return new Array<boolean>(trunk).fill(false);
	return usesDefaultIndexers(keys, entry) ? defaultIndexers(trunk) : new Array<boolean>(trunk).fill(true);
}

/** GLM 5.2 is recognized by its context length (models/glm-dsa.cpp:60). */
export function usesDefaultIndexers(keys: ModelKeys, entry: ArchitectureEntry): boolean {
	return entry.indexer?.absent === "glm-5.2" && (keys.number("context_length") ?? 0) >= 1048576;
}
