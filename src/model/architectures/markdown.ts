import { loweredKeys, renumberedKeys } from "./entries.js";
import { DERIVED_KEYS, HEAD_SIZE_KEYS } from "./explicit.js";
import { BASE_PER_BLOCK_KEYS, INDEXER_KEY, RECURRENT_KEY, SLIDING_KEY } from "./keys.js";
import { ARCHITECTURES, TABLE_PIN } from "./table.js";
import type { ArchitectureEntry, Condition, Rule } from "./types.js";

/** The table for people: the text of docs/architectures.md. */
export function architectureTableMarkdown(): string {
	const entries = [...ARCHITECTURES.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
	const refused = entries.filter((entry) => entry.refused);
	const constrained = entries.filter((entry) => !entry.refused && entry.rules);
	const free = entries.filter((entry) => !entry.refused && !entry.rules);
	return `${[
		"# Architectures",
		`All ${entries.length} architectures of llama.cpp ${TABLE_PIN}. Made from \`src/model/architectures/table/\`; change it there.`,
		"Removing a block means that the other blocks compute the same as before, as if the removed one added nothing. The reference is the original file with the removed blocks' output tensors set to zero, compared bit for bit.",
		[
			"- *Proven*: **bits**, compared with that reference; **source**, read in llama.cpp's source and not run.",
			"- *Source only*, behind a constraint: it was read in llama.cpp's source, and no model was made that breaks it and shows a difference. For the other constraints, the tests wrote sets that break them. These gave another model, or a file that does not load or ends the process ([conformance](conformance.md#rules-and-what-happens-without-them)).",
			"- *Resumes*: whether the hidden state between two blocks can be fed back in, so that sets of blocks that begin alike share work. The blocks after it then count from block 0. If a constraint depends on the numbers of blocks, or on which blocks run together, work is shared only before blocks that satisfy it by themselves.",
			"- Blocks of `nextn_predict_layers` (multi-token prediction) stay last and are never removed, in every architecture.",
			"- llama.cpp takes some numbers of a model from its first block (heads, rotation, widths, experts in use). If blocks differ in one of them, a set that gives the model another first block may be refused.",
			`- *Rewritten* in every architecture: ${["block_count", ...BASE_PER_BLOCK_KEYS].map(code).join(", ")} (those that are arrays); ${HEAD_SIZE_KEYS.map(code).join(", ")} are stated if they were not and the new first block has another number of heads. The column names everything else that is rewritten; [how](gguf.md#what-is-written).`,
			"- An architecture that is not listed here is refused.",
		].join("\n"),
		`## Any set of blocks (${free.length})`,
		table(["architecture", "source", "also rewritten", "resumes", "proven"], free.map(freeRow)),
		`## Sets under a constraint (${constrained.length})`,
		table(["architecture", "source", "constraint", "also rewritten", "resumes", "proven"], constrained.map(constrainedRow)),
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
	return [code(entry.name), entry.source, rewritten(entry), resumes(entry), proven(entry)];
}

function constrainedRow(entry: ArchitectureEntry): string[] {
	const rules = entry.rules!.map((rule) => `${ruleText(rule)} (${rule.source}${rule.proof === "source" ? "; source only" : ""})`);
	return [code(entry.name), entry.source, rules.join("; "), rewritten(entry), resumes(entry), proven(entry)];
}

function rewritten(entry: ArchitectureEntry): string {
	const { sliding, recurrent, indexer, derived } = entry;
	const counted: readonly string[] = derived ? DERIVED_KEYS[derived] : [];
	const parts = [
		...(sliding
			? [`${code(SLIDING_KEY)} (${sliding.period ? `every ${ordinal(sliding.period)} block full if absent; ` : ""}${sliding.source})`]
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

function resumes({ resume = "yes" }: ArchitectureEntry): string {
	if (resume === "yes") return "yes";
	return resume.when ? `no if ${conditionText(resume.when)}: ${resume.no}` : `no: ${resume.no}`;
}

function proven(entry: ArchitectureEntry): string {
	return entry.oracle ? `${entry.proof}; no zeroed measure: ${entry.oracle.none}` : entry.proof;
}

function ruleText(rule: Rule): string {
	const when = rule.when === undefined ? "" : `where ${[rule.when].flat().map(conditionText).join(" and ")}: `;
	return `${when}${demand(rule)}: ${rule.why}`;
}

function demand(rule: Rule): string {
	switch (rule.rule) {
		case "refuse":
			return "nothing can be removed";
		case "freeze":
			return `blocks that stay: ${rule.blocks.replaceAll("-", " ")}`;
		case "position":
			return `each block keeps its place in a period of ${typeof rule.period === "number" ? rule.period : code(rule.period)}`;
		case "count":
			return rule.equals
				? `the number of blocks neither becomes nor stops being ${rule.equals.join(" or ")}`
				: `the number of blocks stays on its side of ${rule.atLeast}`;
		case "need":
			return `at least one block of each kind: ${rule.kinds.join(", ")}`;
		case "last-is":
			return `the last block has: ${rule.kind}`;
		case "at-least":
			return `${rule.blocks} blocks are left`;
		case "shared-indexer":
			return "a block that shares an indexer is removed before its owner, or with it";
		case "widest-rotation":
			return "at least one block of the widest rotation is kept";
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
	return "the size of a head is not width / heads";
}

function code(text: string): string {
	return `\`${text}\``;
}
