import type { GgufFile } from "../gguf/file.js";
import {
	isAttention,
	isWhole,
	isWholeBlock,
	keptParts,
	originOf,
	removedPositions,
	type StackedBlock,
	stackWithout,
} from "../../game/parts.js";
import { attentionOf, attentionProblem, blocksWithoutAttention } from "./attention.js";
import { countProblem } from "./counts.js";
import { blockFacts } from "./facts.js";
import { ModelKeys } from "./keys.js";
import { feedForwardTensors, oracleProblem, unknownEntry, viewOutputs } from "./outputs.js";
import { halvesOf, joinProblem, malformed, partsOf } from "./parts.js";
import { obstacleToWriting } from "./proof.js";
import { checksOf, frozenBlocks, type RuledModel, obstacleToMeasuring, refusal } from "./rules.js";
import { mostRemovable } from "./search.js";
import { ARCHITECTURES } from "./table.js";
import type { ArchitectureOptions, BlockPlan, Check, CheckOptions, PartsAllowed, ViewRules } from "./types.js";
import { tiedUnits } from "./units.js";
import { shownText } from "../../storage/shown-text.js";

/**
 * What the blocks of this model allow: which may go, in which sets, and what a layer view must know.
 * A model that nothing can be removed from is described too (`support: "refused"`, with the reason).
 * @throws InvalidGgufError when the file names no architecture, or states counts (of blocks, heads, ...) that it cannot hold
 */
export function describeBlocks(file: GgufFile, options: ArchitectureOptions = {}): BlockPlan {
	const keys = new ModelKeys(file);
	const known = ARCHITECTURES.get(keys.architecture);
	const entry = known ?? unknownEntry(keys.architecture);
	const model: RuledModel = { keys, entry, facts: blockFacts(keys, entry) };
	const unknown =
		known || options.allowUnknown
			? undefined
			: `prune-gguf does not know the architecture ${shownText(keys.architecture)} (--allow-unknown-architecture tries it, and keeps a file only if it is proven to compute the same)`;
	const refused = unknown ?? refusal(model) ?? (model.facts.trunk < 1 ? "the file states no blocks" : undefined);
	return planOf(model, known?.proof ?? "unknown", refused);
}

function planOf(model: RuledModel, proof: BlockPlan["proof"], refused: string | undefined): BlockPlan {
	const { facts, keys } = model;
	const frozen = refused ? new Map<number, string>() : frozenBlocks(model);
	const checks = refused ? [] : checksOf(model);
	const sets: Sets = { model, frozen, checks, parts: partsOf(model, refused), attention: attentionOf(model, refused) };
	const check = (removed: readonly number[], { emptyAllowed = false }: CheckOptions = {}) =>
		refused ?? (emptyAllowed && isEverything(removed, facts.trunk) ? undefined : checkRemoved(removed, sets));
	const max = refused ? { blocks: 0 } : mostRemovable(facts.trunk, frozen, checks);
	const reason = refused ?? (max.blocks === 0 ? `no block can be removed: ${max.reason ?? "the model has a single block"}` : undefined);
	const units = reason ? undefined : tiedUnits(model, check);
	const unmeasurable = obstacleToMeasuring(model);
	const provable = {
		architecture: keys.architecture,
		proof,
		oracleProblem: (removed: readonly number[]) => refused ?? oracleProblem(keys.file, removed),
	};
	const free = Array.from({ length: facts.trunk }, (_, block) => block).filter((block) => !frozen.has(block));
	return {
		...provable,
		blocks: facts.trunk,
		tailBlocks: facts.tail,
		support: reason ? "refused" : "exact",
		...(reason ? { reason } : {}),
		...(unmeasurable ? { unmeasurable } : {}),
		unwritable: (removed) => obstacleToWriting(provable, removed ? [removed] : free.map((block) => [block])),
		frozen,
		parts: reason === undefined ? sets.parts : { allowed: false, reason },
		attention: reason === undefined ? sets.attention : { allowed: false, reason },
		withoutAttention: blocksWithoutAttention(model),
		check,
		countProblem: (count, { tied = true } = {}) =>
			reason ?? countProblem({ blocks: facts.trunk, frozen, checks, units, maxRemovable: max.blocks }, count, tied),
		checkView: (kept) => refused ?? checkKept(kept, sets),
		...(units ? { units } : {}),
		maxRemovable: max.blocks,
		...resumption(model, refused),
		view: viewRules(sets, refused),
	};
}

/** What sets of removed blocks must satisfy. */
interface Sets {
	readonly model: RuledModel;
	readonly frozen: ReadonlyMap<number, string>;
	readonly checks: readonly Check[];
	readonly parts: PartsAllowed;
	readonly attention: PartsAllowed;
}

function isEverything(set: readonly number[], blocks: number): boolean {
	return set.length === blocks && new Set(set).size === blocks && set.every(Number.isInteger) && malformed(set, blocks) === undefined;
}

function checkRemoved(asked: readonly number[], sets: Sets): string | undefined {
	const { model, frozen, checks } = sets;
	const blocks = model.facts.trunk;
	const fault = malformed(asked, blocks);
	if (fault || asked.length === 0) return fault;
	// 3a, 3f-4a is block 3 and 4a: the same parts are judged in the same way.
	const removed = removedPositions(keptParts(blocks, asked));
	const impossible = notAllowed(
		{ attention: removed.some(isAttention), halves: !isWhole(removed.filter((one) => !isAttention(one))) },
		sets,
	);
	if (impossible) return impossible;
	const stack = stackWithout(blocks, removed);
	const misplaced = removed.some(isAttention) ? attentionProblem(model, removed, stack) : undefined;
	if (misplaced) return misplaced;
	for (const half of halvesOf(removed)) {
		const broken = checkWhole(half.removed, blocks, frozen, half.attention ? checks : checks.filter(ofBoth));
		if (broken) return `${half.what}${broken}`;
	}
	return joinProblem(model, stack);
}

/** Why a model cannot lose parts of blocks of these kinds. */
function notAllowed(wanted: { readonly attention: boolean; readonly halves: boolean }, { parts, attention }: Sets): string | undefined {
	if (wanted.attention && !attention.allowed)
		return `the attention part of a block cannot be removed alone: ${attention.reason}. Remove whole blocks${parts.allowed ? " or make half-block cuts such as 12f-13a" : ""} instead`;
	return wanted.halves && !parts.allowed ? `half-block cuts are not possible: ${parts.reason}` : undefined;
}

function checkWhole(
	removed: readonly number[],
	blocks: number,
	frozen: ReadonlyMap<number, string>,
	checks: readonly Check[],
): string | undefined {
	const gone = new Set(removed);
	const stays = removed.find((block) => frozen.has(block));
	if (stays !== undefined) return `block ${stays} must stay: ${frozen.get(stays)}`;
	const kept = Array.from({ length: blocks }, (_, i) => i).filter((block) => !gone.has(block));
	if (kept.length === 0) return "at least one block must be kept";
	return firstFault(kept, checks);
}

function checkKept(kept: readonly (number | StackedBlock)[], sets: Sets): string | undefined {
	const { model, checks } = sets;
	const blocks = model.facts.trunk;
	const stack = kept.map((one) => (typeof one === "number" ? { attention: one, feedForward: one } : one));
	const rows = [stack.flatMap(({ attention }) => attention ?? []), stack.map((block) => block.feedForward)] as const;
	for (const row of rows) {
		const fault = outOfRange(row, blocks) ?? (isAscending(row) ? undefined : "kept blocks must be ascending");
		if (fault) return fault;
	}
	const whole = stack.every(isWholeBlock);
	if (stack.some((block) => block.feedForward < originOf(block))) return "a feed-forward part comes after its attention part";
	const attention = stack.some((block) => block.attention === undefined);
	const halves = stack.some((block) => !isWholeBlock(block) && block.attention !== undefined);
	const impossible = notAllowed({ attention, halves }, sets);
	if (impossible) return impossible;
	if (stack.length === 0 || (whole && stack.length === blocks)) return undefined;
	const rules = checks.filter((check) => check.view);
	const attending = rows[0].length > 0 ? firstFault(rows[0], rules) : undefined;
	return attending ?? (whole ? undefined : (firstFault(rows[1], rules.filter(ofBoth)) ?? joinProblem(model, stack)));
}

const ofBoth = (check: Check) => !check.attentionOnly;

function isAscending(blocks: readonly number[]): boolean {
	return blocks.every((block, i) => i === 0 || block > blocks[i - 1]!);
}

function firstFault(kept: readonly number[], checks: readonly Check[]): string | undefined {
	for (const check of checks) {
		const fault = check.test(kept);
		if (fault) return fault;
	}
	return undefined;
}

function outOfRange(set: readonly number[], blocks: number): string | undefined {
	const stranger = set.find((block) => !Number.isInteger(block) || block < 0 || block >= blocks);
	return stranger === undefined ? undefined : `there is no block ${stranger}: the blocks are 0 to ${blocks - 1}`;
}

function resumption({ entry, keys }: RuledModel, refused: string | undefined): Pick<BlockPlan, "resumable" | "resumeReason"> {
	if (refused) return { resumable: false, resumeReason: refused };
	const resume = entry.resume ?? "yes";
	if (resume === "yes" || !keys.holds(resume.when, entry)) return { resumable: true };
	return { resumable: false, resumeReason: resume.no };
}

const MEMBERS = { leading_dense_block_count: "n_layer_dense_lead", hash_layer_count: "dsv4_hash_layer_count" } as const;

function viewRules({ model, checks, parts }: Sets, refused: string | undefined): ViewRules {
	const { entry, keys, facts } = model;
	if (refused) return { leadingCounts: [], outputs: () => [], feedForward: () => [], empty: [] };
	const outputs = (block: number) => viewOutputs(keys.file, block);
	const counts = (entry.viewCounts ?? []).filter((count) => keys.holds(count.when, entry)).map((count) => count.member);
	return {
		leadingCounts: [...(entry.leading ?? []).map((key) => MEMBERS[key]), ...counts],
		outputs,
		feedForward: (block) => (parts.allowed ? feedForwardTensors(keys.file, block) : []),
		empty: standingAlone(facts.trunk, outputs, checks),
	};
}

/** One block, two, or the shortest row from the first that satisfies the rules and can be made the identity. */
function standingAlone(blocks: number, outputs: (block: number) => readonly string[], checks: readonly Check[]): number[] {
	const rules = checks.filter((check) => check.view || !check.countOnly);
	const can = Array.from({ length: blocks }, (_, block) => outputs(block).length > 0);
	const stand = (set: readonly number[]) => set.every((block) => can[block]) && firstFault(set, rules) === undefined;
	for (let a = 0; a < blocks; a++) if (stand([a])) return [a];
	for (let a = 0; a < blocks; a++) for (let b = a + 1; b < blocks; b++) if (stand([a, b])) return [a, b];
	for (let size = 3; size <= blocks; size++) {
		const row = Array.from({ length: size }, (_, block) => block);
		if (stand(row)) return row;
	}
	return [];
}
