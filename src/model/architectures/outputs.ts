import type { GgufFile } from "../gguf/file.js";
import { ARCHITECTURES } from "./table.js";
import type { ArchitectureEntry } from "./types.js";

/** Tensors through which a block adds to the residual stream, after `blk.N.`: attention, feed-forward, experts, state space, convolution. */
const OUTPUTS =
	/^(attn_output|attn_o|vis_attn_output|ssm_out|time_mix_output|shortconv\.out_proj|channel_mix_value|vis_down|ffn_down|ffn_down\.\d+|ffn_down_exps|ffn_down_shexp|ffn_down_chexps|ffn_latent_up|ffn_routed_up)\.(weight|bias)$/;

/** Id of the ggml type. */
const FLOAT32 = 0;

/** Whether zeroed outputs make a block the identity in the residual stream; a reason if they do not. */
export function oracleObstacle(entry: ArchitectureEntry): string | undefined {
	return entry.refused ?? entry.oracle?.none;
}

/**
 * Tensors of a block that, set to zero, make it the identity in the residual stream: the oracle of what removing it means.
 * Empty if that is impossible (see `oracleObstacle`), and for blocks that do not exist.
 */
export function outputTensors(file: GgufFile, block: number): string[] {
	const entry = ARCHITECTURES.get(file.architecture) ?? unknownEntry(file.architecture);
	if (oracleObstacle(entry)) return [];
	return namesOf(file, entry, block, (rest) => OUTPUTS.test(rest) || (entry.alsoZero ?? []).includes(rest));
}

/** Tensors of a block that must also be set to one, because they scale the residual stream itself. Usually none. */
export function unitTensors(file: GgufFile, block: number): string[] {
	const entry = ARCHITECTURES.get(file.architecture) ?? unknownEntry(file.architecture);
	return oracleObstacle(entry) ? [] : namesOf(file, entry, block, (rest) => (entry.setToOne ?? []).includes(rest));
}

/** Why these blocks of this file cannot be made the identity; undefined if they can. */
export function oracleProblem(file: GgufFile, blocks: readonly number[]): string | undefined {
	const obstacle = oracleObstacle(ARCHITECTURES.get(file.architecture) ?? unknownEntry(file.architecture));
	if (obstacle) return obstacle;
	const bare = blocks.find((block) => outputTensors(file, block).length === 0);
	if (bare !== undefined) return `no tensor of block ${bare} is known as its output`;
	const scaled = blocks.flatMap((block) => unitTensors(file, block)).find((name) => file.tensor(name)?.type !== FLOAT32);
	return scaled === undefined ? undefined : `${scaled} would have to be set to one, but does not hold 32-bit numbers`;
}

/** An architecture that the table lacks, treated as one without rules. */
export function unknownEntry(name: string): ArchitectureEntry {
	return { name, source: "-", proof: "source", resume: { no: "the architecture is unknown" } };
}

function namesOf(file: GgufFile, entry: ArchitectureEntry, block: number, wanted: (rest: string) => boolean): string[] {
	const prefix = `${entry.prefix ?? "blk."}${block}.`;
	return (namesByBlock(file).get(prefix) ?? []).filter((name) => wanted(name.slice(prefix.length)));
}

const grouped = new WeakMap<GgufFile, ReadonlyMap<string, readonly string[]>>();

/** Names of tensors by their prefix up to the block's number, `blk.N.`. Computed once, since every block is looked up several times. */
function namesByBlock(file: GgufFile): ReadonlyMap<string, readonly string[]> {
	const known = grouped.get(file);
	if (known) return known;
	const groups = new Map<string, string[]>();
	for (const { name } of file.tensors) {
		const prefix = /^\D*\d+\./.exec(name)?.[0] ?? "";
		const names = groups.get(prefix);
		if (names) names.push(name);
		else groups.set(prefix, [name]);
	}
	grouped.set(file, groups);
	return groups;
}
