import type { BlockPlan } from "../architectures/index.js";
import { InvalidGgufError, UnsupportedArchitectureError } from "../errors.js";
import type { GgufFile } from "../gguf/index.js";

/** Limits of the pinned llama.cpp (llama-hparams.h). */
const maxLayers = 512;
const maxExperts = 1024;
const ropeScalings = ["none", "linear", "yarn", "longrope"];

/**
 * Refuses what llama.cpp asserts instead of reporting while it loads: an assertion ends the process.
 * @throws InvalidGgufError
 */
export function checkLoadable(file: GgufFile): void {
	const problem = blocksProblem(file) ?? expertsProblem(file) ?? ropeProblem(file) ?? vocabularyProblem(file);
	if (problem) throw new InvalidGgufError(`${file.paths[0]}: ${problem}; llama.cpp cannot load it`);
}

/**
 * Refuses to run what llama.cpp asserts instead of reporting while it computes, or computes without logits.
 * @throws UnsupportedArchitectureError
 */
export function checkMeasurable(path: string, { architecture, unmeasurable }: Pick<BlockPlan, "architecture" | "unmeasurable">): void {
	if (unmeasurable !== undefined) {
		throw new UnsupportedArchitectureError(
			`${path} (architecture ${architecture}) cannot be measured, whole or without blocks: ${unmeasurable}`,
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
	if (blocks < 1 || blocks > maxLayers) return `expected 1 to ${maxLayers} blocks (block_count), found ${blocks}`;
	return tail > blocks ? `nextn_predict_layers is ${tail}, more than the ${blocks} blocks` : undefined;
}

function expertsProblem(file: GgufFile): string | undefined {
	// Of these llama.cpp ignores a lone expert.
	if (file.architecture.startsWith("hunyuan")) return undefined;
	const [experts = 0] = numbers(file, "expert_count");
	const [groups = 0] = numbers(file, "expert_group_count");
	const [groupsUsed = 0] = numbers(file, "expert_group_used_count");
	const used = Math.max(0, ...numbers(file, "expert_used_count"));
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
		: `the numbers of experts (${experts}), experts used (${used}) and groups (${groups}, used ${groupsUsed}) contradict each other`;
}

function ropeProblem(file: GgufFile): string | undefined {
	const type = file.value(`${file.architecture}.rope.scaling.type`);
	return typeof type !== "string" || ropeScalings.includes(type) ? undefined : `unknown rope.scaling.type ${JSON.stringify(type)}`;
}

function vocabularyProblem(file: GgufFile): string | undefined {
	const tokens = file.value("tokenizer.ggml.tokens");
	if (!Array.isArray(tokens)) return undefined;
	// What llama.cpp makes of an empty token.
	const words = new Set(tokens.map((token, i) => (token === "" ? `[EMPTY_${i}]` : token)));
	return words.size === tokens.length
		? undefined
		: `the vocabulary holds ${tokens.length - words.size} tokens twice (tokenizer.ggml.tokens)`;
}
