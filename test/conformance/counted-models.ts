import { EXPERTS, NARROW, only, u32 } from "./keys.js";
import type { OwnModel } from "./own-fixtures.js";

// Models with exactly the numbers of blocks that llama.cpp's code names, and with numbers from which a removal would reach one.

const ONE = [9];
const TWO = [1, 20];
const RUN = [1, 2, 3];
const SPREAD = [0, 5, 8, 11, 14, 17, 20, 23];

function counted(architecture: string, blocks: number, keys: OwnModel["keys"], ...sets: (readonly number[])[]): OwnModel {
	return { name: `${architecture}-${blocks}`, architecture, blocks, keys: { ...NARROW, ...keys }, options: only(...sets) };
}

const named = (model: OwnModel, name: string): OwnModel => ({ ...model, name });

/** With attention heads of another size than width / heads, on which the attention scale of 46 (gemma2) and 62 (gemma3) blocks depends. */
const APART = { "attention.key_length": u32(16), "attention.value_length": u32(16), "attention.sliding_window": u32(32) };
const EQUAL = { "attention.key_length": u32(32), "attention.value_length": u32(32), "attention.sliding_window": u32(32) };

/** Only a model of 64 blocks uses the windows. */
const EXAONE4 = { "attention.sliding_window": u32(32) };

const DEEPSEEK2 = {
	...EXPERTS,
	leading_dense_block_count: u32(1),
	expert_shared_count: u32(1),
	"attention.kv_lora_rank": u32(32),
	"attention.key_length": u32(48),
	"attention.value_length": u32(32),
	"attention.key_length_mla": u32(32),
	"attention.value_length_mla": u32(24),
	"rope.dimension_count": u32(16),
};
const LOW_RANK = { ...DEEPSEEK2, "attention.q_lora_rank": u32(40) };
/** The key that llama.cpp reads first; the vocabulary itself is small. */
const tokens = (count: number) => ({ vocab_size: u32(count) });

/** llama.cpp recognizes models without low-rank queries, and the gate of GLM 4.7 Lite, by the number of blocks. */
const deepseek2 = (architecture: string): OwnModel[] => [
	named(counted(architecture, 26, DEEPSEEK2, ONE, [0], [25], TWO, RUN), `${architecture}-lite-26`),
	named(counted(architecture, 27, DEEPSEEK2, ONE, [0], [26], [1, 25], RUN, [2, 5, 8, 11, 14, 17, 20]), `${architecture}-lite-27`),
	named(
		counted(architecture, 28, LOW_RANK, ONE, [1, 26], [0, 1, 2], RUN, [24, 25, 26, 27], [2, 5, 8, 11, 14, 17, 20]),
		`${architecture}-low-rank-28`,
	),
	named(counted(architecture, 48, { ...DEEPSEEK2, ...tokens(128256) }, ONE, TWO, RUN), `${architecture}-lite-48-128256`),
	named(counted(architecture, 49, { ...LOW_RANK, ...tokens(128256) }, ONE, TWO, RUN), `${architecture}-low-rank-49-128256`),
	named(counted(architecture, 48, { ...LOW_RANK, ...tokens(154880) }, ONE, TWO, RUN), `${architecture}-gate-48-154880`),
	named(counted(architecture, 49, { ...LOW_RANK, ...tokens(154880) }, ONE, TWO, RUN), `${architecture}-gate-49-154880`),
];

/** All four blocks are rotated. */
const SMALLTHINKER = { ...EXPERTS, expert_gating_func: u32(2), "attention.sliding_window": u32(32) };

export const COUNTED: readonly OwnModel[] = [
	counted("baichuan", 32, {}, ONE, TWO),
	counted("baichuan", 34, {}, ONE, TWO, RUN, SPREAD),
	counted("baichuan", 40, {}, ONE, TWO, SPREAD),
	counted("baichuan", 41, {}, ONE, TWO, RUN, SPREAD, [...SPREAD, 30]),
	counted("command-r", 64, { logit_scale: ["float32", 0.5] }, ONE),
	counted("command-r", 66, { logit_scale: ["float32", 0.5] }, ONE, [0], [65], TWO, RUN),
	counted("exaone4", 64, EXAONE4, ONE, TWO),
	counted("exaone4", 65, EXAONE4, ONE, TWO, RUN, SPREAD),
	counted("gemma2", 46, APART, ONE, TWO),
	counted("gemma2", 47, APART, ONE, TWO, RUN, SPREAD),
	named(counted("gemma2", 46, EQUAL, ONE, TWO, RUN, SPREAD), "gemma2-46-equal-heads"),
	counted("gemma3", 62, APART, ONE, TWO),
	counted("gemma3", 63, APART, ONE, TWO, RUN, SPREAD),
	named(counted("gemma3", 62, EQUAL, ONE, TWO, RUN, SPREAD), "gemma3-62-equal-heads"),
	...deepseek2("deepseek2"),
	...deepseek2("mistral4"),
	counted("smallthinker", 8, SMALLTHINKER, [4, 5, 6, 7], [0, 1, 2, 3], [7], [6, 7]),
	counted("smallthinker", 4, SMALLTHINKER, [3], [2, 3]),
];
