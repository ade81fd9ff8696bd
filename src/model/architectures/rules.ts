import type { BlockFacts } from "./block-facts.js";
import { type ModelKeys, PER_LAYER_EMBEDDING_KEY, SHARED_KV_KEY } from "./keys.js";
import { viewOutputs } from "./outputs.js";
import type { ArchitectureEntry, BlockKind, Check, Frozen, Rule } from "./types.js";

/** A model as the rules see it. */
export interface RuledModel {
	readonly keys: ModelKeys;
	readonly entry: ArchitectureEntry;
	readonly facts: BlockFacts;
}

/** The rules of the entry that this model falls under. */
export function activeRules({ keys, entry }: RuledModel): Rule[] {
	return (entry.rules ?? []).filter((rule) => keys.holds(rule.when, entry));
}

/** The reason to refuse every removal from this model. */
export function refusal(model: RuledModel): string | undefined {
	return model.entry.refused ?? activeRules(model).find((rule) => rule.rule === "refuse")?.why;
}

/** The reason not to let llama.cpp run even the original model. */
export function obstacleToMeasuring(model: RuledModel): string | undefined {
	if (model.entry.unmeasurable) return model.entry.refused;
	const whole = Array.from({ length: model.facts.trunk }, (_, i) => i);
	const broken = (rule: Rule) => rule.rule === "refuse" || checkOf(rule, model)?.test(whole) !== undefined;
	return activeRules(model).find((rule) => (rule.aborts ?? ABORTING.includes(rule.rule)) && whole.length > 0 && broken(rule))?.why;
}

const ABORTING: readonly Rule["rule"][] = ["need", "at-least", "last-is"];

/** Blocks that are never removed. */
export function frozenBlocks(model: RuledModel): Map<number, string> {
	const frozen = new Map<number, string>();
	for (const rule of activeRules(model)) {
		if (rule.rule === "freeze") for (const block of blocksOfFreeze(rule.blocks, model)) frozen.set(block, rule.why);
	}
	return frozen;
}

/** The blocks that a freeze rule means. */
export function blocksOfFreeze(which: Frozen, { keys, facts }: RuledModel): number[] {
	const all = Array.from({ length: facts.trunk }, (_, i) => i);
	const firstShared = facts.trunk + facts.tail - (keys.number(SHARED_KV_KEY) ?? 0);
	const group = keys.number("rescale_every_n_layers") ?? 0;
	switch (which) {
		case "first":
			return [0];
		case "deepstack":
			return all.slice(0, keys.number("n_deepstack_layers"));
		case "deepstack-mapped":
			return all.filter((i) => facts.deepstack[i]);
		case "per-layer-embedding":
			return (keys.numbers(PER_LAYER_EMBEDDING_KEY) ?? []).filter((i) => i < facts.trunk);
		case "kv-donors":
			return [firstShared - 2, firstShared - 1].filter((i) => i >= 0);
		case "all-but-last-group":
			// After the last complete group nothing is halved any more; if the groups come out even, the last halving would be removed.
			return all.slice(0, group * Math.floor(facts.trunk / group));
	}
}

/** All conditions on a set besides the frozen blocks. */
export function checksOf(model: RuledModel): Check[] {
	return [...activeRules(model).flatMap((rule) => checkOf(rule, model) ?? []), ...firstBlockChecks(model)];
}

function checkOf(rule: Rule, model: RuledModel): Check | undefined {
	switch (rule.rule) {
		case "position":
			return positionCheck(rule, model);
		case "count":
			return countCheck(rule, model);
		case "need":
			return {
				view: rule.view ?? !canStandIn(rule.kinds, model),
				monotone: true,
				test: (kept) => (missing(rule.kinds, kept, model.facts) ? rule.why : undefined),
			};
		case "last-is":
			return {
				view: true,
				test: (kept) => (isKind(rule.kind, kept.at(-1)!, model.facts) ? undefined : `block ${kept.at(-1)} cannot be the last: ${rule.why}`),
			};
		case "at-least":
			return { view: true, monotone: true, test: (kept) => (countable(kept, rule.ownKeys, model) < rule.blocks ? rule.why : undefined) };
		case "shared-indexer":
			return sharedIndexerCheck(rule.why, model.facts.indexer);
		case "widest-rotation":
			return widestRotationCheck(rule.why, model);
		case "refuse":
		case "freeze":
			return undefined;
	}
}

/** The number that a position rule divides by; 0 if it does not apply. */
export function periodOf(rule: Extract<Rule, { rule: "position" }>, keys: ModelKeys): number {
	return typeof rule.period === "number" ? rule.period : (keys.number(rule.period) ?? 0);
}

function positionCheck(rule: Extract<Rule, { rule: "position" }>, { keys }: RuledModel): Check | undefined {
	const period = periodOf(rule, keys);
	if (period <= 1) return undefined;
	const special = (i: number) => (i + rule.offset) % period === (rule.remainder ?? 0);
	return {
		view: true,
		test: (kept) => {
			const at = kept.findIndex((block, i) => special(block) !== special(i));
			return at < 0 ? undefined : `block ${kept[at]} would become block ${at}, but ${rule.why}`;
		},
	};
}

function countCheck(rule: Extract<Rule, { rule: "count" }>, { facts }: RuledModel): Check {
	const classOf = (blocks: number) => {
		if (rule.atLeast !== undefined) return blocks >= rule.atLeast ? 1 : 0;
		const at = rule.equals!.indexOf(blocks) + 1;
		return rule.together ? Math.min(at, 1) : at;
	};
	const own = classOf(facts.trunk);
	return {
		view: rule.view ?? false,
		countOnly: true,
		test: (kept) => (classOf(kept.length) === own ? undefined : `${kept.length} blocks would be kept of ${facts.trunk}, but ${rule.why}`),
	};
}

function missing(kinds: readonly BlockKind[], kept: readonly number[], facts: BlockFacts): boolean {
	return kinds.some((kind) => !kept.some((block) => isKind(kind, block, facts)));
}

/** Whether a view can hold a block of each of these kinds as the identity, in the place of those that it lacks (native/layer_view.cpp). */
function canStandIn(kinds: readonly BlockKind[], { facts, keys: { file } }: RuledModel): boolean {
	const blocks = Array.from({ length: facts.trunk }, (_, block) => block);
	return kinds.every((kind) => blocks.some((block) => isKind(kind, block, facts) && viewOutputs(file, block).length > 0));
}

/** Whether a block is of this kind. */
export function isKind(kind: BlockKind, block: number, facts: BlockFacts): boolean {
	switch (kind) {
		case "sliding":
			return facts.sliding[block]!;
		case "full":
			return !facts.sliding[block];
		case "recurrent":
			return facts.recurrent[block]!;
		case "attention":
			return facts.attention[block]!;
		case "rope":
			return facts.rope[block]!;
		case "sparse":
			return block >= facts.denseLead;
		case "compressed-by-4":
			return facts.compressRatio[block] === 4;
		case "feed-forward":
			return facts.feedForward[block]! > 0;
	}
}

function countable(kept: readonly number[], ownKeys: boolean | undefined, { keys, facts }: RuledModel): number {
	const firstShared = facts.trunk + facts.tail - (keys.number(SHARED_KV_KEY) ?? 0);
	return ownKeys ? kept.filter((block) => block < firstShared).length : kept.length;
}

/** The blocks with an indexer before a block that shares it, or the block itself. */
export function indexerOf(block: number, indexer: readonly boolean[]): number {
	for (let i = block; i >= 0; i--) if (indexer[i]) return i;
	return block;
}

function sharedIndexerCheck(why: string, indexer: readonly boolean[] | undefined): Check | undefined {
	if (!indexer) return undefined;
	return {
		view: true,
		attentionOnly: true,
		test: (kept) => {
			const present = new Set(kept);
			const orphan = kept.find((block) => !present.has(indexerOf(block, indexer)));
			return orphan === undefined ? undefined : `block ${orphan} cannot stay without block ${indexerOf(orphan, indexer)}: ${why}`;
		},
	};
}

function widestRotationCheck(why: string, { keys, facts }: RuledModel): Check | undefined {
	if (!["rope_freqs", "rope_factors_long", "rope_factors_short"].some((name) => keys.file.tensor(`${name}.weight`))) return undefined;
	// Full blocks rotate half as many dimensions as the key says (models/step35.cpp:9).
	const full = Math.floor((keys.number("rope.dimension_count") ?? keys.number("attention.key_length") ?? keys.widthPerHead()) / 2);
	const sliding = keys.number("rope.dimension_count_swa") ?? 2 * full;
	const width = (block: number) => (facts.sliding[block] ? sliding : full);
	const widest = Math.max(...Array.from({ length: facts.trunk }, (_, i) => width(i)));
	return { view: false, monotone: true, test: (kept) => (kept.some((block) => width(block) === widest) ? undefined : why) };
}

/**
 * llama.cpp takes several numbers of the original model from its first block (`n_head()`, `n_rot()`, `n_expert_used()` with index
 * 0: llama-model.cpp:1366, llama-graph.cpp:1455). A new first block must give the same numbers.
 */
function firstBlockChecks(model: RuledModel): Check[] {
	const { entry, facts, keys } = model;
	const lends = (what: string, of: (block: number) => unknown): Check => ({
		view: true,
		test: (kept) =>
			of(kept[0]!) === of(0)
				? undefined
				: `block ${kept[0]} cannot be the first: llama.cpp takes ${what} of the model from its first block`,
	});
	const checks: Check[] = [];
	if (varies(facts.heads)) checks.push(lends("the presence of attention heads", (block) => facts.heads[block] === 0));
	if (varies(facts.feedForward) && !entry.widthsPerBlock) checks.push(lends("the feed-forward width", (block) => facts.feedForward[block]));
	if (!entry.expertsPerBlock) {
		if (varies(facts.expertsUsed)) checks.push(lends("the number of experts in use", (block) => facts.expertsUsed[block]));
		if (varies(facts.expertWidth)) checks.push(lends("the width of experts", (block) => facts.expertWidth[block]));
	}
	if (facts.windows && sizesDiffer(keys, entry)) checks.push(lends("head and rotation sizes", (block) => facts.sliding[block]));
	if (facts.deepstack.some(Boolean)) checks.push(deepstackFirst(facts));
	return checks;
}

function varies(values: readonly number[]): boolean {
	return values.some((value) => value !== values[0]);
}

/** Sliding-window blocks have heads or rotations of another size than the others (llama-model.cpp:1395). */
function sizesDiffer(keys: ModelKeys, entry: ArchitectureEntry): boolean {
	if (entry.sizesPerBlock === "all") return false;
	const head = keys.number("attention.key_length") ?? keys.widthPerHead();
	const value = keys.number("attention.value_length") ?? keys.widthPerHead();
	const heads =
		(keys.number("attention.key_length_swa") ?? head) !== head || (keys.number("attention.value_length_swa") ?? value) !== value;
	const rotation = keys.number("rope.dimension_count") ?? head;
	const rotations = (keys.number("rope.dimension_count_swa") ?? rotation) !== rotation;
	return heads || (rotations && entry.sizesPerBlock !== "rotation");
}

/** The first block takes no image embeddings (models/granite.cpp:153). */
function deepstackFirst(facts: BlockFacts): Check {
	return {
		view: true,
		test: (kept) =>
			facts.deepstack[kept[0]!] && kept[0] !== 0 ? `block ${kept[0]} cannot be the first: the first takes no image embeddings` : undefined,
	};
}
