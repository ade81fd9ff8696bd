import type { GgufFile } from "../gguf/file.js";
import { isAttention, isWhole } from "../../game/parts.js";
import { type Owner, ownerOfTensor } from "./owners.js";
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
 * @param owner those of this half of the block. @default all
 */
export function outputTensors(file: GgufFile, block: number, owner?: Owner): string[] {
	const entry = entryOf(file);
	if (oracleObstacle(entry)) return [];
	return namesOf(file, entry, block, (rest) => isOf(entry, rest, owner) && (OUTPUTS.test(rest) || (entry.alsoZero ?? []).includes(rest)));
}

/**
 * Tensors of a block that must also be set to one, because they scale the residual stream itself. Usually none.
 * @param owner those of this half of the block. @default all
 */
export function unitTensors(file: GgufFile, block: number, owner?: Owner): string[] {
	const entry = entryOf(file);
	return oracleObstacle(entry)
		? []
		: namesOf(file, entry, block, (rest) => isOf(entry, rest, owner) && (entry.setToOne ?? []).includes(rest));
}

/** Tensors that a view sets to zero to hold a block as the identity: none if the block also has a scale that would have to be one. */
export function viewOutputs(file: GgufFile, block: number): string[] {
	return unitTensors(file, block).length > 0 ? [] : outputTensors(file, block);
}

/** Tensors of the feed-forward part of a block; none if it is not known which they are. */
export function feedForwardTensors(file: GgufFile, block: number): string[] {
	const entry = entryOf(file);
	return namesOf(file, entry, block, (rest) => ownerOfTensor(entry, rest) === "feedForward");
}

/** Tensors of a file by what becomes of them if parts are made the identity: all others stay. */
export interface IdentityTensors {
	readonly zero: readonly string[];
	readonly one: readonly string[];
}

/** @param positions removed ones: i for block i, i + 0.25 for its attention part, i + 0.5 for the feed-forward part of block i and the attention part of block i + 1 */
export function identityTensors(file: GgufFile, positions: readonly number[]): IdentityTensors {
	const of = (names: typeof outputTensors) => halves(positions).flatMap(([block, owner]) => names(file, block, owner));
	return { zero: of(outputTensors), one: of(unitTensors) };
}

/**
 * Why these parts of this file cannot be made the identity; undefined if they can. @param positions as {@link identityTensors}
 */
export function oracleProblem(file: GgufFile, positions: readonly number[]): string | undefined {
	const entry = entryOf(file);
	const obstacle = oracleObstacle(entry);
	if (obstacle) return obstacle;
	for (const [block, owner] of halves(positions)) {
		if (outputTensors(file, block, owner).length > 0) continue;
		if (owner === undefined) return `no tensor of block ${block} is known as its output`;
		// A block may lack a part, such as the attention: then there is nothing to make the identity.
		const has = namesOf(file, entry, block, (rest) => isOf(entry, rest, owner)).length > 0;
		if (has) return `no tensor of the ${owner === "attention" ? "attention" : "feed-forward"} of block ${block} is known as its output`;
	}
	const scaled = identityTensors(file, positions).one.find((name) => file.tensor(name)?.type !== FLOAT32);
	return scaled === undefined ? undefined : `${scaled} would have to be set to one, but does not hold 32-bit numbers`;
}

/** Whole blocks, attention parts alone, and the halves of the pairs. */
function halves(positions: readonly number[]): (readonly [block: number, owner?: Owner])[] {
	return positions.flatMap((position): (readonly [number, Owner?])[] => {
		if (isWhole([position])) return [[position]];
		if (isAttention(position)) return [[Math.floor(position), "attention"]];
		return [
			[position - 0.5, "feedForward"],
			[position + 0.5, "attention"],
		];
	});
}

function isOf(entry: ArchitectureEntry, rest: string, owner: Owner | undefined): boolean {
	return owner === undefined || ownerOfTensor(entry, rest) === owner;
}

function entryOf(file: GgufFile): ArchitectureEntry {
	return ARCHITECTURES.get(file.architecture) ?? unknownEntry(file.architecture);
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
