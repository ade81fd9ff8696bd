import { GgufFile } from "../../src/model/gguf/index.js";
import { changed, type Trap } from "./changed.js";
import { u32 } from "./keys.js";
import type { Rewrite } from "./rewrite.js";

// Hybrids with the keys of real files. The generator gives its hybrids no heads in recurrent blocks, and attention first. LFM2, Granite 4,
// Jamba, Nemotron-H and Kimi Linear state one head_count for all blocks, zeros only in head_count_kv, and mostly begin recurrent. Only
// then can another kind of block become the first, and hidden states be resumed.

/** Blocks 1 and 4 of the generator's six are recurrent. */
const RECURRENT_FIRST: Rewrite = { blocks: [1, 0, 2, 4, 3, 5] };
/** The same, with the generator's first block dense and experts in the others. */
const RECURRENT_FIRST_SPARSE: Rewrite = { blocks: [1, 2, 3, 4, 5], keys: { leading_dense_block_count: u32(0) } };
const NO_BANK: Rewrite = {
	keys: { "attn_res.block_size": u32(0) },
	tensor: (tensor) => (/res_score/.test(tensor.name) ? null : tensor),
};

export const hybrids: Trap[] = [
	...["jamba", "lfm2", "granitehybrid", "nemotron_h", "nemotron_h_moe", "plamo2"].flatMap((name) => [
		scalarHeads(`${name}-scalar-heads`, name, RECURRENT_FIRST),
		scalarHeads(`${name}-scalar-heads-attention-first`, name, {}),
	]),
	...["lfm2moe", "kimi-linear", "bailingmoe3"].flatMap((name) => [
		scalarHeads(`${name}-scalar-heads`, name, RECURRENT_FIRST_SPARSE),
		scalarHeads(`${name}-scalar-heads-attention-first`, name, {}),
	]),
	scalarHeads("kimi-k3-no-bank-scalar-heads", "kimi-k3", NO_BANK),
	// Original or pruned, llama.cpp hangs on it until the process is ended.
	{
		...changed("plamo2-no-heads-first", "plamo2", RECURRENT_FIRST),
		options: { sets: () => [{ kind: "one", removed: [2] }], timeout: 20_000 },
	},
];

function scalarHeads(name: string, architecture: string, change: Rewrite): Trap {
	return changed(name, architecture, async (source) => {
		const heads = (await GgufFile.read(source)).value(`${architecture}.attention.head_count`) as number[];
		return { ...change, keys: { ...change.keys, "attention.head_count": u32(Math.max(...heads.map(Number))) } };
	});
}
