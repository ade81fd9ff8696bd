import type { GgufFile } from "../gguf/file.js";
import { loweredKeys } from "./entries.js";
import { guessesOf, headSizesOf, residualScaleOf } from "./explicit.js";
import { blockFacts } from "./facts.js";
import { ModelKeys, PER_LAYER_EMBEDDING_KEY, SHARED_KV_KEY } from "./keys.js";
import { unknownEntry } from "./outputs.js";
import { activeRules, blocksOfFreeze, type RuledModel, periodOf } from "./rules.js";
import { ARCHITECTURES } from "./table.js";
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

/** A fact from a header, by its name for people: of the original model, or of every block in order. */
type Facts<T> = ReadonlyMap<string, T>;

/**
 * How the blocks of a written file differ, by its header alone, from the original's kept blocks; undefined if they are the same, in order.
 * Finds what short prompts do not show, such as a wrong pattern of sliding windows.
 * @param removed blocks of the original, in any order
 */
export function keptProblem(
	original: GgufFile,
	removed: readonly number[],
	written: GgufFile,
	{ quantized = false, changed = [] }: HeaderDifferences = {},
): string | undefined {
	if (written.architecture !== original.architecture)
		return `its architecture is ${shownText(written.architecture)}, not ${shownText(original.architecture)}`;
	const [before, after] = [modelOf(original), modelOf(written)];
	const gone = new Set(removed);
	const kept = Array.from({ length: before.facts.trunk + before.facts.tail }, (_, i) => i).filter((block) => !gone.has(block));
	const sizes = ({ trunk, tail }: { trunk: number; tail: number }) => `${trunk} blocks and ${tail} of a tail`;
	const expected = sizes({ trunk: before.facts.trunk - gone.size, tail: before.facts.tail });
	if (sizes(after.facts) !== expected) return `it has ${sizes(after.facts)}, expected ${expected}`;
	return (
		wholeProblem(before, after, quantized) ??
		blockProblem(
			{ ...before, free: new Set(changed) },
			{ ...after, free: renamed(changed, kept, before.entry.prefix ?? "blk.") },
			kept,
			quantized,
		)
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
function renamed(names: readonly string[], kept: readonly number[], prefix: string): ReadonlySet<string> {
	const place = (block: string) => `${prefix}${kept.indexOf(Number(block))}.`;
	return new Set(
		names.map((name) => name.replace(new RegExp(`^${prefix.replaceAll(".", "\\.")}(\\d+)\\.`), (_, block: string) => place(block))),
	);
}

function blockProblem(before: Compared, after: Compared, kept: readonly number[], quantized: boolean): string | undefined {
	const found = perBlockFacts(after, quantized);
	for (const [name, expected] of perBlockFacts(before, quantized)) {
		const at = kept.findIndex((block, i) => !Object.is(found.get(name)?.[i], expected[block]));
		if (at >= 0)
			return `block ${at} (block ${kept[at]} of the original): ${name} ${found.get(name)?.[at]}, expected ${expected[kept[at]!]}`;
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

function perBlockFacts(model: Compared, quantized: boolean): Facts<readonly unknown[]> {
	const { keys, entry, facts } = model;
	const all = facts.trunk + facts.tail;
	const every = (of: (block: number) => unknown) => Array.from({ length: all }, (_, block) => of(block));
	const below = (count: number) => every((block) => block < count);
	const layers = keys.numbers(PER_LAYER_EMBEDDING_KEY) ?? [];
	return new Map<string, readonly unknown[]>([
		["sliding window", facts.sliding],
		["recurrent", facts.recurrent],
		["attention heads", facts.heads],
		["key/value heads", facts.kvHeads],
		["feed-forward width", facts.feedForward],
		["experts in use", facts.expertsUsed],
		["width of experts", facts.expertWidth],
		["rotary positions", facts.rope],
		["own indexer", facts.indexer ?? []],
		["compress ratio", facts.compressRatio],
		["image embeddings", facts.deepstack],
		// A block beyond the end of a short list has no value, which is a fact too.
		...(entry.perBlock ?? []).map((key) => [key, keys.perBlock(key, all, Number.NaN)] as const),
		...(entry.perBlockPlain ?? []).map((key) => [key, plainValues(keys, key, all)] as const),
		...(entry.leading ?? []).map((key) => [`counted by ${key}`, below(keys.number(key) ?? 0)] as const),
		["per-layer embedding", every((block) => layers.includes(block))],
		...ruleFacts(model, every),
		["tensors", tensorsOf(model, quantized).blocks],
	]);
}

/** What a graph decides by the block's number. Tails run in graphs of their own. */
function ruleFacts(model: RuledModel, every: (of: (block: number) => unknown) => unknown[]): [string, readonly unknown[]][] {
	const { keys, entry, facts } = model;
	const places = activeRules(model).flatMap((rule): [string, readonly unknown[]][] => {
		if (rule.rule === "position") {
			const period = periodOf(rule, keys);
			const special = (block: number) => block < facts.trunk && period > 1 && (block + rule.offset) % period === (rule.remainder ?? 0);
			return [[`special in the period of ${rule.period}`, every(special)]];
		}
		if (rule.rule !== "freeze" || rule.blocks === "kv-donors") return [];
		const fixed = new Set(blocksOfFreeze(rule.blocks, model));
		return [[`place (${rule.why})`, every((block) => fixed.has(block))]];
	});
	if (!loweredKeys(entry).includes(SHARED_KV_KEY)) return places;
	// The rule is off in a model without any block that shares; each of the others still has its own.
	const own = facts.trunk + facts.tail - (keys.number(SHARED_KV_KEY) ?? 0);
	return [...places, ["keys and values of its own", every((block) => block < own)]];
}

/** Values under a key without the architecture's name. */
function plainValues({ file }: ModelKeys, key: string, all: number): unknown[] {
	const value = file.value(key);
	return Array.from({ length: all }, (_, block) => (Array.isArray(value) ? value[block] : value));
}

/** Names, types and sizes of tensors, as one text for each block and one for the others; without types and sorted where quantized. */
function tensorsOf({ keys, entry, facts, free }: Compared, quantized: boolean): { outside: string; blocks: string[] } {
	const prefix = entry.prefix ?? "blk.";
	const blocks = Array.from({ length: facts.trunk + facts.tail }, (): string[] => []);
	const outside: string[] = [];
	for (const { name, type, dims } of keys.file.tensors) {
		const number = name.startsWith(prefix) ? /^(\d+)\.(.*)$/.exec(name.slice(prefix.length)) : null;
		const text = `${number?.[2] ?? name} ${dims.join("x")}${quantized || free?.has(name) ? "" : ` of type ${type}`}`;
		(blocks[Number(number?.[1] ?? Number.NaN)] ?? outside).push(text);
	}
	const joined = (texts: string[]) => (quantized ? texts.sort() : texts).join("; ");
	return { outside: joined(outside), blocks: blocks.map(joined) };
}
