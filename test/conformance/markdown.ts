import { ARCHITECTURES, type ArchitectureEntry } from "../../src/model/architectures/index.js";
import { TABLE_PIN } from "../../src/model/architectures/table.js";
import type { Rule } from "../../src/model/architectures/types.js";
import type { Examined } from "./examine.js";
import { halfCuts, halvesOf } from "./half-cuts.js";
import type { Results } from "./record.js";
import { hasHalves } from "./sets.js";
import type { EmptyFinding, Finding, Forced } from "./verdict.js";

const TRAP = "trap ";
const OWN = "own ";
/** Prefix of the names of real files in the results. */
export const REAL = "real ";

/** docs/research/conformance.md: what the recorded run showed, architecture by architecture. */
export function conformanceMarkdown(results: Results): string {
	const own = Object.entries(results).filter(([name]) => name.startsWith(OWN));
	const traps = Object.entries(results).filter(([name]) => name.startsWith(TRAP));
	const real = Object.entries(results).filter(([name]) => name.startsWith(REAL));
	const models = Object.entries(results).filter(([name]) => ![TRAP, OWN, REAL].some((prefix) => name.startsWith(prefix)));
	return [
		...intro(models.length, own.length, traps.length),
		...totals(results),
		...architectures(results),
		...rules(results),
		...realFiles(real),
		...modelTable("Made here", OWN, own),
		...modelTable("Made for what the generator's models hide", TRAP, traps),
		...otherTool(models),
	].join("\n");
}

function intro(models: number, own: number, traps: number): string[] {
	return [
		"# Conformance",
		"",
		`This page shows what a run on llama.cpp ${TABLE_PIN} gave, on a CPU. It is made from \`docs/research/conformance.json\`. This command writes both:`,
		"",
		"```sh",
		"CONFORMANCE_RECORD=1 npm run test:conformance",
		"```",
		"",
		"## What was run",
		"",
		"Three kinds of small random models:",
		"",
		`- ${models} of llama.cpp's own generator (\`test-llama-archs\`), with six blocks unless the architecture needs another number;`,
		`- ${own} made here, of architectures that the generator leaves out or with metadata that it does not make (\`test/conformance/own-models.ts\`);`,
		`- ${traps} made from these, for what they hide.`,
		"",
		"A candidate is a set of blocks (transformer layers) to remove. Each model has several:",
		"",
		"- one block, two scattered ones, the first, the last, a run of three;",
		"- the groups that a rule ties together;",
		"- more, until five candidates are allowed;",
		"- half-block cuts: one at each place, two at once, longer ones, and beside whole blocks.",
		"",
		"Models for a number of blocks, for long prompts or for a narrow rotation have 1 to 6 candidates of their own instead.",
		"",
		"## What was compared",
		"",
		"For each candidate that is allowed, all logits of these three are compared bit for bit, each model in a process of its own:",
		"",
		"1. The original file with the output tensors of the removed blocks set to zero. This is the measure of what removing means.",
		"2. The layer view on the original. It runs alone, and in a batch with the other candidates, so that hidden states are resumed from.",
		"3. The written file, loaded and run as a whole.",
		"",
		"The text is 2 windows of 128 random tokens. The models `*-ubatches` have windows of 256 tokens, in ubatches of 64. If llama.cpp fixes a sliding window of 4,096 or 8,192, there is one window of 4,224 or 8,320.",
		"",
		"Two more things are checked:",
		"",
		"- **Other readers.** The reader of llama.cpp and `@huggingface/gguf` read each written file. Every key, type and value, and the bytes of every tensor under its new number, must be those of the original. Only what removing blocks changes may differ.",
		"- **The empty candidate.** It leaves no block, so that the LM head reads the embedding. Its value is compared with the original whose blocks are all zeroed.",
		"",
		"*Exact* candidates agreed in every bit. *Refused* candidates break a rule of the architecture, and nothing is written for them. To see what the rules are good for, the tests write such files all the same. They compare them with the zeroed original too.",
		"",
	];
}

function totals(results: Results): string[] {
	const counts = countBy(Object.values(results).flatMap(({ findings }) => findings.map(({ verdict }) => verdict)));
	const row = (label: string, verdict: string) => `| ${label} | ${counts.get(verdict) ?? 0} |`;
	return [
		"| candidates | |",
		"| --- | ---: |",
		row("exact", "exact"),
		row("view and file agree, and there is no zeroed original", "no-oracle"),
		row("refused", "refused"),
		row("differ", "mismatch"),
		row("do not load", "does-not-load"),
		row("crash", "crash"),
		row("other errors", "error"),
		...forced(results),
		...readers(results),
		...empty(results),
		"",
	];
}

function forced(results: Results): string[] {
	const counts = countBy(Object.values(results).flatMap(({ findings }) => findings.flatMap((finding) => finding.forced ?? [])));
	const row = (label: string, what: Forced) => `| refused, written all the same: ${label} | ${counts.get(what) ?? 0} |`;
	return [
		row("another model", "differs"),
		row("does not load", "does-not-load"),
		row("crashes llama.cpp", "crash"),
		row("the same bits (the rule is stricter than that candidate needs)", "same"),
		row("nothing to compare with", "unknown"),
	];
}

/** Results of refused sets of a rule that were written nevertheless. */
export function forcedBy({ why }: Rule, models: readonly Examined[]): ReadonlyMap<string, number> {
	const refused = models
		.flatMap(({ findings }) => findings)
		.filter(({ verdict, detail }) => verdict === "refused" && detail?.includes(why));
	return countBy(refused.flatMap((finding) => finding.forced ?? []));
}

/** Whether a set that a rule refuses was seen to fail. */
export function isShown(rule: Rule, models: readonly Examined[]): boolean {
	const counts = forcedBy(rule, models);
	return ["differs", "does-not-load", "crash"].some((what) => (counts.get(what) ?? 0) > 0);
}

function rules(results: Results): string[] {
	const rows = [...ARCHITECTURES.values()]
		.filter((entry) => !entry.refused && entry.rules)
		.sort((a, b) => (a.name < b.name ? -1 : 1))
		.flatMap((entry) => entry.rules!.map((rule) => ruleRow(entry, rule, ofArchitecture(results, entry.name))));
	return [
		"## Rules, and what happens without them",
		"",
		"These are candidates that a rule refuses, written all the same. *Source only*: no model here breaks the rule and shows a difference. The rule was read in llama.cpp's source and never run.",
		"",
		"| architecture | rule | another model | does not load | crashes | same bits | |",
		"| --- | --- | ---: | ---: | ---: | ---: | --- |",
		...rows,
		"",
	];
}

function ruleRow({ name }: ArchitectureEntry, rule: Rule, models: readonly Examined[]): string {
	const counts = forcedBy(rule, models);
	const numbers = (["differs", "does-not-load", "crash", "same"] as const).map((what) => counts.get(what) ?? 0);
	return `| \`${name}\` | ${rule.why} | ${numbers.join(" | ")} | ${isShown(rule, models) ? "" : "source only"} |`;
}

function realFiles(real: readonly [string, Examined][]): string[] {
	const halves = halvesOf(real.slice(0, 1).map(([, examined]) => examined)).length;
	return [
		"## Real files",
		"",
		`Each model has random candidates, of 1 to half of the blocks${halves > 0 ? `, and up to ${halves} with half-block cuts` : ""} (\`test/full/real-models.test.ts\`). The table also shows the same candidates of whole blocks by \`llama-quantize --prune-layers\`. The file of gemma-3-270m lacks the sliding-window pattern. Its prompt has 640 tokens (its window is 512).`,
		"",
		"| model | blocks | exact | differ, do not load, crash | right as read by `@huggingface/gguf`, llama.cpp | llama-quantize: right | wrong | does not load | crashes |",
		"| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
		...real.map(([name, { blocks, findings, readers, quantize }]) => {
			const exact = findings.filter(({ verdict }) => verdict === "exact").length;
			const counts = countBy(quantize.map(({ verdict }) => verdict));
			const other = (["right", "wrong", "does-not-load", "crash"] as const).map((verdict) => counts.get(verdict) ?? 0);
			return `| ${name.slice(REAL.length)} | ${blocks} | ${exact} | ${findings.length - exact} | ${readers.huggingface ?? 0}, ${readers.llama ?? 0} | ${other.join(" | ")} |`;
		}),
		"",
	];
}

const READERS: Readonly<Record<string, string>> = { huggingface: "`@huggingface/gguf`", llama: "llama.cpp's reader" };

function readers(results: Results): string[] {
	return Object.entries(READERS).map(([reader, label]) => {
		const files = Object.values(results).reduce((sum, examined) => sum + (examined.readers?.[reader] ?? 0), 0);
		return `| written files that ${label} finds right | ${files} |`;
	});
}

function empty(results: Results): string[] {
	const counts = countBy(Object.values(results).flatMap((examined) => examined.empty?.verdict ?? []));
	const of = (verdict: EmptyFinding["verdict"]) => counts.get(verdict) ?? 0;
	const faults = [...counts].reduce((sum, [verdict, count]) => sum + (verdict === "exact" || verdict === "not-measured" ? 0 : count), 0);
	return [
		`| models whose empty candidate is exact | ${of("exact")} |`,
		`| models whose empty candidate cannot be measured | ${of("not-measured")} |`,
		`| models whose empty candidate differs or crashes | ${faults} |`,
	];
}

function architectures(results: Results): string[] {
	const names = [...ARCHITECTURES.keys()].sort();
	return [
		`## Architectures (${names.length})`,
		"",
		"*Under a constraint*: some candidates are refused, and the allowed ones are exact. *Never run*: no model of it could be made, and its rules come only from llama.cpp's source.",
		"",
		"*Half-block cuts*: of the candidates, those that remove the feed-forward part of a block and the attention part of a later one. They are exact, or refused for the reason given.",
		"",
		"| architecture | state | exact | refused | half-block cuts | resumed | remarks |",
		"| --- | --- | ---: | ---: | --- | --- | --- |",
		...names.map((name) => architectureRow(ARCHITECTURES.get(name)!, ofArchitecture(results, name))),
		"",
	];
}

/** All models of an architecture. */
export function ofArchitecture(results: Results, name: string): Examined[] {
	return Object.values(results).filter(({ architecture }) => architecture === name);
}

const FAULTS: readonly Finding["verdict"][] = ["mismatch", "does-not-load", "crash", "error"];

/** How far an architecture is proven, by its whole blocks; faults of half-block cuts count. */
export function stateOf(entry: ArchitectureEntry, models: readonly Examined[]): string {
	const all = models.flatMap(({ findings }) => findings);
	if (entry.refused) return "refused";
	if (all.some(({ verdict }) => FAULTS.includes(verdict))) return "**faulty**";
	const verdicts = new Set(all.filter(({ removed }) => !hasHalves(removed)).map(({ verdict }) => verdict));
	if (models.length === 0) return "never run";
	if (!verdicts.has("exact") && !verdicts.has("no-oracle")) return "refused";
	const exact = verdicts.has("exact") ? "proven exact" : "view and file agree";
	return verdicts.has("refused") || (entry.rules ?? []).length > 0 ? `${exact}, under a constraint` : exact;
}

function architectureRow(entry: ArchitectureEntry, models: readonly Examined[]): string {
	const findings = models.flatMap((model) => model.findings).filter(({ removed }) => !hasHalves(removed));
	const of = (...verdicts: string[]) => findings.filter(({ verdict }) => verdicts.includes(verdict)).length;
	const resumed = models.length === 0 ? "-" : models.some((model) => model.resumed) ? "yes" : "no";
	const reasons = new Set([
		...(entry.refused ? [entry.refused] : []),
		...models.flatMap(({ support, reason }) => (support === "refused" && reason && !isRule(entry, reason) ? [reason] : [])),
		...(entry.refused ? [] : (entry.rules ?? []).map(({ why }) => why)),
		...(entry.oracle && !entry.refused ? [`view compared with file: ${entry.oracle.none}`] : []),
	]);
	return `| \`${entry.name}\` | ${stateOf(entry, models)} | ${of("exact", "no-oracle")} | ${of("refused")} | ${halfCuts(entry, models)} | ${resumed} | ${[...reasons].join("; ") || "-"} |`;
}

/** Whether a model's refusal is what a rule says. */
function isRule({ refused, rules = [] }: ArchitectureEntry, reason: string): boolean {
	return refused === undefined && rules.some(({ why }) => reason.includes(why));
}

function modelTable(title: string, prefix: string, models: readonly [string, Examined][]): string[] {
	return [
		`## ${title}`,
		"",
		"| model | blocks | exact | refused | differ, do not load, crash | llama-quantize right |",
		"| --- | ---: | ---: | ---: | ---: | ---: |",
		...models.map(([name, { blocks, findings, quantize }]) => {
			const of = (...verdicts: string[]) => findings.filter(({ verdict }) => verdicts.includes(verdict)).length;
			const right = quantize.filter(({ verdict }) => verdict === "right").length;
			const exact = of("exact", "no-oracle");
			return `| ${name.slice(prefix.length)} | ${blocks} | ${exact} | ${of("refused")} | ${findings.length - exact - of("refused")} | ${right} of ${quantize.length} |`;
		}),
		"",
	];
}

function otherTool(models: readonly [string, Examined][]): string[] {
	const counts = countBy(models.flatMap(([, { quantize }]) => quantize.map(({ verdict }) => verdict)));
	const states = models.map(([name, { quantize }]) => [name, countBy(quantize.map(({ verdict }) => verdict))] as const);
	const faulty = states.filter(([, count]) =>
		["wrong", "does-not-load", "crash", "not-written"].some((verdict) => count.has(verdict as never)),
	);
	const get = (count: ReadonlyMap<string, number>, verdict: string) => count.get(verdict) ?? 0;
	return [
		"## The same candidates by `llama-quantize --prune-layers`",
		"",
		"These are the candidates of the generator's models, including those that prune-gguf refuses. *Right*: its file gives the bits of the zeroed original. *Wrong*: it exits with 0, its file loads, and is another model.",
		"",
		"| right | wrong | does not load | crashes | no file | nothing to compare with |",
		"| ---: | ---: | ---: | ---: | ---: | ---: |",
		`| ${["right", "wrong", "does-not-load", "crash", "not-written", "unknown"].map((verdict) => get(counts, verdict)).join(" | ")} |`,
		"",
		`Right for every candidate: ${states.length - faulty.length} of ${states.length} models. The others:`,
		"",
		"| model | right | wrong | does not load | crashes |",
		"| --- | ---: | ---: | ---: | ---: |",
		...faulty.map(
			([name, count]) => `| ${name} | ${["right", "wrong", "does-not-load", "crash"].map((verdict) => get(count, verdict)).join(" | ")} |`,
		),
		"",
	];
}

function countBy<T extends string>(items: readonly T[]): Map<string, number> {
	const counts = new Map<string, number>();
	for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1);
	return counts;
}
