import type { GgufFile } from "../gguf/file.js";
import type { StackedBlock } from "../../game/parts.js";
import { architectureWithout } from "./attention.js";
import { loweredKeys } from "./entries.js";
import { guessesOf, residualScaleOf } from "./explicit.js";
import { blockFacts } from "./facts.js";
import { headSizesOf } from "./head-sizes.js";
import { ModelKeys, PER_LAYER_EMBEDDING_KEY, SHARED_KV_KEY } from "./keys.js";
import { unknownEntry } from "./outputs.js";
import { type Owner, ownerOfKey, ownerOfTensor, type Places, placesWithout } from "./owners.js";
import { activeRules, blocksOfFreeze, type RuledModel, periodOf } from "./rules.js";
import { ARCHITECTURES } from "./table.js";
import type { ArchitectureEntry } from "./types.js";
import { shownText } from "../../storage/shown-text.js";

/** Intended differences. */
export interface HeaderDifferences {
	/** The written file was quantized afterwards: its tensors may have other types, and another order. @default false */
	readonly quantized?: boolean | undefined;
	/** Tensors, under their names in the original, that may have another type. @default none */
	readonly changed?: readonly string[] | undefined;
}

/** A model, and its tensors whose types are not compared. */
type Compared = RuledModel & { readonly free?: ReadonlySet<string> };

/** A fact from a header, by its name for people. */
type Facts<T> = ReadonlyMap<string, T>;

/** A fact of every block in order, and the halves of a block that it is of. */
interface BlockFact {
	readonly values: readonly unknown[];
	readonly of: readonly Owner[];
}

const BOTH: readonly Owner[] = ["attention", "feedForward"];

/**
 * How the blocks of a written file differ, by its header alone, from the original's kept blocks; undefined if they are the same, in order.
 * Finds what short prompts do not show, such as a wrong pattern of sliding windows. A block of two halves is compared with both blocks.
 * @param removed blocks of the original, in any order; i + 0.25 is the attention part of block i alone, i + 0.5 the feed-forward part of
 * block i with the attention part of block i + 1
 */
export function keptProblem(
	original: GgufFile,
	removed: readonly number[],
	written: GgufFile,
	{ quantized = false, changed = [] }: HeaderDifferences = {},
): string | undefined {
	const architecture = architectureWithout(original.architecture, removed);
	if (written.architecture !== architecture)
		return `its architecture is ${shownText(written.architecture)}, not ${shownText(architecture)}`;
	const [before, after] = [modelOf(original), modelOf(written)];
	const places = placesWithout(before.facts.trunk + before.facts.tail, [...new Set(removed)]);
	const sizes = ({ trunk, tail }: { trunk: number; tail: number }) => `${trunk} blocks and ${tail} of a tail`;
	const expected = sizes({ trunk: places.stack.length - before.facts.tail, tail: before.facts.tail });
	if (sizes(after.facts) !== expected) return `it has ${sizes(after.facts)}, expected ${expected}`;
	return (
		wholeProblem(before, after, quantized) ??
		blockProblem({ ...before, free: new Set(changed) }, { ...after, free: renamed(changed, places, before.entry) }, places.stack, quantized)
	);
}

function modelOf(file: GgufFile): RuledModel {
	const keys = new ModelKeys(file);
	const entry = ARCHITECTURES.get(keys.architecture) ?? unknownEntry(keys.architecture);
	return { keys, entry, facts: blockFacts(keys, entry) };
}

function wholeProblem(before: RuledModel, after: RuledModel, quantized: boolean): string | undefined {
	const found = wholeFacts(after);
	for (const [name, expected] of wholeFacts(before)) {
		if (!Object.is(found.get(name), expected)) return `${name}: ${found.get(name)}, expected ${expected}`;
	}
	return tensorsOf(before, quantized).outside === tensorsOf(after, quantized).outside ? undefined : "the tensors outside the blocks differ";
}

/** Names of tensors in the written file. */
function renamed(names: readonly string[], places: Places, entry: ArchitectureEntry): ReadonlySet<string> {
	const prefix = entry.prefix ?? "blk.";
	return new Set(
		names.map((name) => {
			const [, block, rest] = (name.startsWith(prefix) && /^(\d+)\.(.*)$/s.exec(name.slice(prefix.length))) || [];
			return rest === undefined ? name : `${prefix}${places.of(ownerOfTensor(entry, rest), Number(block))}.${rest}`;
		}),
	);
}

/** Facts of a block without attention. */
const absent: Facts<unknown> = new Map<string, unknown>([
	["attention heads", 0],
	["key/value heads", 0],
	["tensors", ""],
]);

function blockProblem(before: Compared, after: Compared, stack: readonly StackedBlock[], quantized: boolean): string | undefined {
	const found = perBlockFacts(after, quantized);
	for (const [name, { values: expected, of }] of perBlockFacts(before, quantized)) {
		const values = found.get(name)?.values;
		for (const owner of of) {
			for (const [at, { [owner]: source }] of stack.entries()) {
				const wanted = source === undefined ? absent.get(name) : expected[source];
				if (Object.is(values?.[at], wanted) || (source === undefined && !absent.has(name))) continue;
				return `block ${at} (block ${source ?? stack[at]!.feedForward} of the original): ${name} ${values?.[at]}, expected ${wanted}`;
			}
		}
	}
	return undefined;
}

/** What llama.cpp derives from the first block or from the number of blocks. */
function wholeFacts({ keys, entry, facts }: RuledModel): Facts<number | boolean | undefined> {
	return new Map<string, number | boolean | undefined>([
		["sliding windows in use", facts.windows],
		...Object.entries(headSizesOf(keys)),
		...(entry.derived === "residual-scale" ? [["residual_scale", residualScaleOf(keys, facts.trunk)] as const] : []),
		...(entry.derived === "deepseek2" ? Object.entries(guessesOf(keys, facts.trunk)) : []),
	]);
}

function perBlockFacts(model: Compared, quantized: boolean): Facts<BlockFact> {
	const { keys, entry, facts } = model;
	const all = facts.trunk + facts.tail;
	const every = (of: (block: number) => unknown) => Array.from({ length: all }, (_, block) => of(block));
	const below = (count: number) => every((block) => block < count);
	const layers = keys.numbers(PER_LAYER_EMBEDDING_KEY) ?? [];
	const tensors = tensorsOf(model, quantized);
	const of = (owner: Owner, rows: readonly (readonly [string, readonly unknown[]])[]) =>
		rows.map(([name, values]) => [name, { values, of: [owner] }] as const);
	// A block beyond the end of a short list has no value, which is a fact too.
	const arrays = [
		...(entry.perBlock ?? []).map((key) => [key, keys.perBlock(key, all, Number.NaN)] as const),
		...(entry.perBlockPlain ?? []).map((key) => [key, plainValues(keys, key, all)] as const),
	];
	return new Map<string, BlockFact>([
		...of("attention", [
			["sliding window", facts.sliding],
			["recurrent", facts.recurrent],
			["attention heads", facts.heads],
			["key/value heads", facts.kvHeads],
			["rotary positions", facts.rope],
			["own indexer", facts.indexer ?? []],
			["compress ratio", facts.compressRatio],
			["image embeddings", facts.deepstack],
		]),
		...of("feedForward", [
			["feed-forward width", facts.feedForward],
			["experts in use", facts.expertsUsed],
			["width of experts", facts.expertWidth],
		]),
		...arrays.flatMap((row) => of(ownerOfKey(row[0]), [row])),
		...of(
			"feedForward",
			(entry.leading ?? []).map((key) => [`counted by ${key}`, below(keys.number(key) ?? 0)]),
		),
		...of("attention", [["per-layer embedding", every((block) => layers.includes(block))]]),
		...ruleFacts(model, every),
		...of("attention", [["tensors", tensors.attention]]),
		...of("feedForward", [["tensors of the feed-forward part", tensors.feedForward]]),
	]);
}

/** What a graph decides by the block's number. Tails run in graphs of their own. */
function ruleFacts(model: RuledModel, every: (of: (block: number) => unknown) => unknown[]): [string, BlockFact][] {
	const { keys, entry, facts } = model;
	const places = activeRules(model).flatMap((rule): [string, BlockFact][] => {
		if (rule.rule === "position") {
			const period = periodOf(rule, keys);
			const special = (block: number) => block < facts.trunk && period > 1 && (block + rule.offset) % period === (rule.remainder ?? 0);
			return [[`special in the period of ${rule.period}`, { values: every(special), of: BOTH }]];
		}
		if (rule.rule !== "freeze" || rule.blocks === "kv-donors") return [];
		const fixed = new Set(blocksOfFreeze(rule.blocks, model));
		return [[`place (${rule.why})`, { values: every((block) => fixed.has(block)), of: BOTH }]];
	});
	if (!loweredKeys(entry).includes(SHARED_KV_KEY)) return places;
	// The rule is off in a model without any block that shares; each of the others still has its own.
	const own = facts.trunk + facts.tail - (keys.number(SHARED_KV_KEY) ?? 0);
	return [...places, ["keys and values of its own", { values: every((block) => block < own), of: ["attention"] }]];
}

/** Values under a key without the architecture's name. */
function plainValues({ file }: ModelKeys, key: string, all: number): unknown[] {
	const value = file.value(key);
	return Array.from({ length: all }, (_, block) => (Array.isArray(value) ? value[block] : value));
}

/** The tensors of every block, by half, and those outside blocks. */
interface TensorTexts extends Readonly<Record<Owner, readonly string[]>> {
	readonly outside: string;
}

/** Names, types and sizes of tensors, as one text for each half of a block and one for the others; without types and sorted where quantized. */
function tensorsOf({ keys, entry, facts, free }: Compared, quantized: boolean): TensorTexts {
	const prefix = entry.prefix ?? "blk.";
	const blocks = () => Array.from({ length: facts.trunk + facts.tail }, (): string[] => []);
	const texts = { attention: blocks(), feedForward: blocks() };
	const outside: string[] = [];
	for (const { name, type, dims } of keys.file.tensors) {
		const [, number, rest] = (name.startsWith(prefix) && /^(\d+)\.(.*)$/s.exec(name.slice(prefix.length))) || [];
		const text = `${rest ?? name} ${dims.join("x")}${quantized || free?.has(name) ? "" : ` of type ${type}`}`;
		const half = texts[ownerOfTensor(entry, rest ?? "")];
		(half[Number(number ?? Number.NaN)] ?? outside).push(text);
	}
	const joined = (names: string[]) => (quantized ? names.sort() : names).join("; ");
	return { outside: joined(outside), attention: texts.attention.map(joined), feedForward: texts.feedForward.map(joined) };
}
