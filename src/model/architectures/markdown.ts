import { loweredKeys, renumberedKeys } from "./entries.js";
import { DERIVED_KEYS } from "./explicit.js";
import { HEAD_SIZE_KEYS } from "./head-sizes.js";
import { BASE_PER_BLOCK_KEYS, INDEXER_KEY, RECURRENT_KEY, SLIDING_KEY } from "./keys.js";
import { ARCHITECTURES, TABLE_PIN } from "./table.js";
import { WITHOUT_ATTENTION } from "./table/attention.js";
import { FEED_FORWARD_KEYS, USUAL_FEED_FORWARD } from "./table/parts.js";
import type { ArchitectureEntry, Condition, Frozen, Parts, Rule } from "./types.js";

/** The text of docs/research/architectures.md: the table as people read it. */
export function architectureTableMarkdown(): string {
	const entries = [...ARCHITECTURES.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
	const refused = entries.filter((entry) => entry.refused);
	const constrained = entries.filter((entry) => !entry.refused && entry.rules);
	const free = entries.filter((entry) => !entry.refused && !entry.rules);
	return `${[
		"# Architectures",
		`This page lists all ${entries.length} architectures of llama.cpp ${TABLE_PIN}. An architecture that is not here is refused. The page is made from \`src/model/architectures/table/\`; change it there.`,
		"Removing a block (a transformer layer) means that the others compute what they did, as if the removed one added nothing. The measure of this is the original file with the removed blocks' output tensors set to zero. Its results are compared bit for bit.",
		[
			"- *Proven*: **bits** means compared with that measure. **source** means read in llama.cpp's source and not run.",
			"- *Source only*, after a constraint: it was read in llama.cpp's source, and no test model breaks it and shows a difference. For all other constraints the tests wrote candidates that break them. These gave another model, or a file that does not load or ends the process ([conformance](conformance.md#rules-and-what-happens-without-them)).",
			"- *Resumes*: whether the hidden state between two blocks can be fed back in, so that candidates with the same beginning share work. What follows then counts from block 0. Some constraints are on the numbers of blocks, or on which blocks run together. Then work is shared only before blocks that meet the constraint by themselves.",
			`- *Half-block cuts*: whether the feed-forward part of a block can be removed with the attention part of a later one, and what is between them. Then the attention part of the one and the feed-forward part of the other become one block. The column gives the line of llama.cpp that adds the attention part to the residual stream. The tensors of the feed-forward part are ${USUAL_FEED_FORWARD.map(code).join(", ")}, and those that the column names. All others of a block are of the attention part. The blocks without attention part and the blocks without feed-forward part must both meet the constraints; a shared indexer is of the attention parts alone. These keys with a value per block go with the feed-forward part: ${FEED_FORWARD_KEYS.map(code).join(", ")}.`,
			`- *Attention alone*: the attention part of a block can be removed by itself only from ${[...WITHOUT_ATTENTION].map(([name, { source }]) => `${code(name)} (${source})`).join(" and ")}, under [conditions](attention-parts.md#which-files-allow-it).`,
			"- Blocks of `nextn_predict_layers` (multi-token prediction) stay last and are never removed, in every architecture.",
			"- llama.cpp takes some numbers of a model from its first block (heads, rotation, widths, experts in use). If blocks differ in one, a candidate that gives the model another first block may be refused.",
			`- *Rewritten* in every architecture: ${["block_count", ...BASE_PER_BLOCK_KEYS].map(code).join(", ")} (those that are arrays). ${HEAD_SIZE_KEYS.map(code).join(", ")} are stated if they were not and the new first block has another number of heads. The column shows what else is rewritten ([how](gguf.md#what-is-written)).`,
		].join("\n"),
		`## Any set of blocks (${free.length})`,
		table(["architecture", "source", "also rewritten", "half-block cuts", "resumes", "proven"], free.map(freeRow)),
		`## Sets under a constraint (${constrained.length})`,
		table(
			["architecture", "source", "constraint", "also rewritten", "half-block cuts", "resumes", "proven"],
			constrained.map(constrainedRow),
		),
		`## Refused (${refused.length})`,
		table(
			["architecture", "source", "why"],
			refused.map((entry) => [code(entry.name), entry.source, entry.refused!]),
		),
	].join("\n\n")}\n`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
	const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
	return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function freeRow(entry: ArchitectureEntry): string[] {
	return [code(entry.name), entry.source, rewritten(entry), halfCuts(entry), resumes(entry), proven(entry)];
}

function constrainedRow(entry: ArchitectureEntry): string[] {
	const rules = entry.rules!.map((rule) => `${ruleText(rule)} (${rule.source}${rule.proof === "source" ? "; source only" : ""})`);
	return [code(entry.name), entry.source, rules.join("; "), rewritten(entry), halfCuts(entry), resumes(entry), proven(entry)];
}

function rewritten(entry: ArchitectureEntry): string {
	const { sliding, recurrent, indexer, derived } = entry;
	const counted: readonly string[] = derived ? DERIVED_KEYS[derived] : [];
	const parts = [
		...(sliding
			? [`${code(SLIDING_KEY)} (${sliding.period ? `every ${ordinal(sliding.period)} block full when absent; ` : ""}${sliding.source})`]
			: []),
		...(recurrent?.by === "interval" ? [`${code(RECURRENT_KEY)} (${recurrent.source})`] : []),
		...(indexer ? [`${code(INDEXER_KEY)} (${indexer.source})`] : []),
		...[...(entry.perBlock ?? []), ...(entry.perBlockPlain ?? [])].map(code),
		...loweredKeys(entry).map((key) => `${code(key)} lowered`),
		...renumberedKeys(entry).map((key) => `${code(key)} renumbered`),
		...(derived ? [`${counted.map(code).join(", ")} stated if derived from the number of blocks`] : []),
	];
	return [...parts, ...(entry.notes ? [entry.notes] : [])].join("; ") || "-";
}

function ordinal(value: number): string {
	return value === 2 ? "2nd" : value === 3 ? "3rd" : `${value}th`;
}

function halfCuts({ parts }: ArchitectureEntry): string {
	if (!parts) return "no";
	const { whole, feedForward = [], unless, join, source } = parts;
	if (whole !== undefined) return `no: ${whole} (${source})`;
	return [
		`yes (${source})`,
		...(feedForward.length > 0 ? [`the feed-forward part has ${feedForward.map(code).join(", ")}`] : []),
		...(unless ? [`not if ${conditionText(unless.when)}: ${unless.why} (${unless.source})`] : []),
		...(join ? [`${joinText(join)}: ${join.why} (${join.source})`] : []),
	].join("; ");
}

function joinText(join: NonNullable<Parts["join"]>): string {
	return "alike" in join
		? `both blocks whose parts become one are ${join.alike}, or neither is`
		: `both blocks whose parts become one have a ${join.both} part`;
}

function resumes({ resume = "yes" }: ArchitectureEntry): string {
	if (resume === "yes") return "yes";
	return resume.when ? `no if ${conditionText(resume.when)}: ${resume.no}` : `no: ${resume.no}`;
}

function proven(entry: ArchitectureEntry): string {
	return entry.oracle ? `${entry.proof}; no zeroed original: ${entry.oracle.none}` : entry.proof;
}

function ruleText(rule: Rule): string {
	const when = rule.when === undefined ? "" : `if ${[rule.when].flat().map(conditionText).join(" and ")}, `;
	return `${when}${demand(rule)}: ${rule.why}`;
}

const FROZEN: Readonly<Record<Frozen, string>> = {
	first: "the first block stays",
	deepstack: "a deepstack block stays",
	"deepstack-mapped": "a block of the deepstack mapping stays",
	"per-layer-embedding": "a block with a per-layer embedding stays",
	"kv-donors": "a donor of keys and values stays",
	"all-but-last-group": "all blocks up to the end of the last whole group stay",
};

function demand(rule: Rule): string {
	switch (rule.rule) {
		case "refuse":
			return "nothing can be removed";
		case "freeze":
			return FROZEN[rule.blocks];
		case "position":
			return `each block keeps its place in a period of ${typeof rule.period === "number" ? rule.period : code(rule.period)}`;
		case "count":
			return rule.equals
				? `the number of blocks does not change to or from ${rule.equals.join(" or ")}`
				: `the number of blocks does not fall below ${rule.atLeast}`;
		case "need":
			return `at least one ${rule.kinds.join(" block and one ")} block ${rule.kinds.length > 1 ? "stay" : "stays"}`;
		case "last-is":
			return `the last block has a ${rule.kind} part`;
		case "at-least":
			return `at least ${rule.blocks} blocks stay`;
		case "shared-indexer":
			return "a block that shares an indexer does not stay without the owner";
		case "widest-rotation":
			return "at least one block of the widest rotation stays";
	}
}

function conditionText(condition: Condition): string {
	if ("not" in condition) return `not (${conditionText(condition.not)})`;
	if ("notMultipleOf" in condition) return `${code(condition.key)} is not a multiple of ${condition.notMultipleOf}`;
	if ("key" in condition) return `${code(condition.key)} > ${condition.above}`;
	if ("blocks" in condition) return `there are ${condition.blocks} blocks`;
	if ("vocabulary" in condition) return `there are ${condition.vocabulary} tokens`;
	if ("firstBlock" in condition) return "the first block states no attention heads";
	if ("tensor" in condition) return `there is ${code(condition.tensor)}`;
	if ("everyNumber" in condition) return `${code(condition.everyNumber)} of each block > ${condition.above}`;
	if ("everyBlock" in condition) return `each block has ${code(condition.everyBlock)}`;
	if ("flag" in condition) return `${code(condition.flag)} is true`;
	return "the size of an attention head is not width / heads";
}

function code(text: string): string {
	return `\`${text}\``;
}
