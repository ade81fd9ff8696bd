import type { BlockPlan } from "../architectures/types.js";
import { InvalidGgufError, UnsupportedArchitectureError } from "../../errors.js";
import type { GgufFile } from "../gguf/file.js";
import { quotedText, shownText } from "../../storage/shown-text.js";

/** Limits of the pinned llama.cpp (llama-hparams.h). */
const maxLayers = 512;
const maxExperts = 1024;
/** Highest number of an expert gate, and architectures that read it from an optional key without a default. */
const maxGating = 4;
const gatingNeeded = ["dots1", "hy_v4", "minimax-m2", "smallthinker"];
/**
 * If the first block has no norm, the loader of these architectures assumes a file of multi-token-prediction blocks alone (`mtp_only` in
 * models/). All other tensors may then be missing, and the first decode reads a null pointer.
 */
export const TAIL_ALONE = [
	"bailingmoe3",
	"cohere2moe",
	"deepseek2",
	"deepseek32",
	"deepseek4",
	"glm-dsa",
	"glm4moe",
	"hy_v3",
	"mistral4",
	"nemotron_h",
	"nemotron_h_moe",
	"qwen35",
	"qwen35moe",
	"qwen3next",
	"step35",
];
/** Keys (after the architecture's name) of values added under a square root: ggml asserts that they are at least zero. */
const epsilons = [
	"attention.layer_norm_epsilon",
	"attention.layer_norm_rms_epsilon",
	"attention.group_norm_epsilon",
	"hyper_connection.epsilon",
];
/** Bytes: llama.cpp asserts that the start of a mapped part is a multiple of them (TENSOR_ALIGNMENT of ggml-impl.h). */
const mappedAlignment = 32;
const ropeScalings = ["none", "linear", "yarn", "longrope"];

/**
 * Refuses files that llama.cpp asserts against instead of reporting, while it loads or on the first token: an assertion ends the process.
 * @throws InvalidGgufError
 */
export function checkLoadable(file: GgufFile): void {
	const problem =
		blocksProblem(file) ??
		tailProblem(file) ??
		expertsProblem(file) ??
		gatingProblem(file) ??
		epsilonProblem(file) ??
		ropeProblem(file) ??
		vocabularyProblem(file);
	if (problem) throw new InvalidGgufError(`${file.paths[0]}: ${problem}; llama.cpp cannot load or run it`);
}

/** Whether llama.cpp can map the file into memory; a file with a smaller alignment (which GGUF allows) must be read. */
export function isMappable(file: GgufFile): boolean {
	return file.tensors.every(({ source }) => source.offset % mappedAlignment === 0);
}

/**
 * Refuses to run models that llama.cpp asserts against while it computes, or that it computes without logits.
 * @throws UnsupportedArchitectureError
 */
export function checkMeasurable(path: string, { architecture, unmeasurable }: Pick<BlockPlan, "architecture" | "unmeasurable">): void {
	if (unmeasurable !== undefined) {
		throw new UnsupportedArchitectureError(
			`${path} (architecture ${shownText(architecture)}) cannot be measured, neither as the original nor without blocks: ${unmeasurable}`,
		);
	}
}

/** The values of a number that may be stated once or block by block. */
function numbers(file: GgufFile, name: string): number[] {
	const value = file.value(`${file.architecture}.${name}`);
	return (Array.isArray(value) ? value : value === undefined ? [] : [value]).map(Number);
}

function blocksProblem(file: GgufFile): string | undefined {
	const [blocks = 1] = numbers(file, "block_count");
	const [tail = 0] = numbers(file, "nextn_predict_layers");
	if (blocks < 1 || blocks > maxLayers) return `expected 1 to ${maxLayers} blocks (block_count), found ${blocks}: ${mend}`;
	return tail > blocks ? `expected nextn_predict_layers of at most the ${blocks} blocks (block_count), found ${tail}: ${mend}` : undefined;
}

function tailProblem(file: GgufFile): string | undefined {
	const [tail = 0] = numbers(file, "nextn_predict_layers");
	if (tail < 1 || !TAIL_ALONE.includes(file.architecture) || file.tensor("blk.0.attn_norm.weight")) return undefined;
	return "it holds only the multi-token-prediction blocks of a model (no blk.0.attn_norm.weight): give the model itself";
}

function expertsProblem(file: GgufFile): string | undefined {
	// For these llama.cpp ignores a single expert.
	if (file.architecture.startsWith("hunyuan")) return undefined;
	const [experts = 0] = numbers(file, "expert_count");
	const [groups = 0] = numbers(file, "expert_group_count");
	const [groupsUsed = 0] = numbers(file, "expert_group_used_count");
	const used = numbers(file, "expert_used_count").reduce((most, one) => Math.max(most, one), 0);
	const sound =
		experts === 0
			? used === 0 && groups === 0
			: experts <= maxExperts &&
				used > 0 &&
				used <= experts &&
				groups < experts &&
				(groups <= 1 || (experts % groups === 0 && groupsUsed > 0 && groupsUsed < groups));
	return sound
		? undefined
		: `the numbers of experts (expert_count ${experts}), experts used (expert_used_count ${used}) and groups (expert_group_count ${groups}, expert_group_used_count ${groupsUsed}) contradict each other. Expected at most ${maxExperts} experts, at least 1 and at most all of them used, and groups that divide them, of which fewer are used: ${mend}`;
}

const mend = "correct the key, or convert the model again";
const gates = `expected 1 (softmax), 2 (sigmoid), 3 (softmax of the chosen) or 4 (square root of softplus): ${mend}`;

/** The gate by which experts are chosen (llama-graph.cpp:2058). */
function gatingProblem(file: GgufFile): string | undefined {
	const [experts = 0] = numbers(file, "expert_count");
	const [gating = 0] = numbers(file, "expert_gating_func");
	if (gating > maxGating) return `unknown expert_gating_func ${gating}, ${gates}`;
	if (experts === 0 || gating > 0 || !gatingNeeded.includes(file.architecture)) return undefined;
	return `expert_gating_func is not stated, which ${file.architecture} needs, ${gates}`;
}

function epsilonProblem(file: GgufFile): string | undefined {
	for (const key of epsilons) {
		const found = numbers(file, key).find((value) => !(value >= 0 && value < Number.POSITIVE_INFINITY));
		if (found !== undefined) return `expected a number of at least 0 as ${key}, found ${found} (${mend})`;
	}
	return undefined;
}

function ropeProblem(file: GgufFile): string | undefined {
	const type = file.value(`${file.architecture}.rope.scaling.type`);
	return typeof type !== "string" || ropeScalings.includes(type)
		? undefined
		: `unknown rope.scaling.type ${quotedText(type)}: expected ${ropeScalings.join(", ")} (${mend})`;
}

function vocabularyProblem(file: GgufFile): string | undefined {
	const tokens = file.value("tokenizer.ggml.tokens");
	if (!Array.isArray(tokens)) return undefined;
	// What llama.cpp turns an empty token into.
	const words = new Set(tokens.map((token, i) => (token === "" ? `[EMPTY_${i}]` : token)));
	return words.size === tokens.length
		? undefined
		: `the vocabulary holds ${tokens.length - words.size} tokens twice (tokenizer.ggml.tokens): expected each once (convert the model again)`;
}
