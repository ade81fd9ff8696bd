import { formatAge, formatBytes, formatChange, formatCount, formatDuration, formatInteger } from "../report/format.js";
import { amountText, formatBlocks, removedText } from "../notation.js";
import { halvesNote } from "../report/halves.js";
import { compareCosts, compareSurrogates, compareTable, compareTexts } from "../report/compare.js";
import { formatTable, paint, type TextStyle } from "../report/table.js";
import { estimateLines } from "./estimate-view.js";
import { healLine } from "./heal-views.js";
import { quantizedLine } from "./quantized-views.js";
import { countedParts } from "../report/curve-columns.js";
import { curveTable, factsTable } from "../report/terminal.js";
import { gateLine, summaryText, wrapped } from "../report/summary.js";
import type { ApplyResult, CleanResult, CompareResult, InspectResult, Plan, PruneResult, RunFolder, WrittenFile } from "./api.js";

export { evaluateText, questionsText } from "./evaluate-views.js";

// Results as text for people: which tables, in which order. Everything here reads, nothing computes.

/** A pruning run: with a set chosen, the set and what it costs; without, the curve and what is sensible. */
export function pruneText(result: PruneResult, style: TextStyle): string {
	return result.plan ? chosenText(result, result.plan, style) : `${curveParts(result, style).join("\n")}${commandsText(result)}`;
}

function chosenText(result: PruneResult, plan: Plan, style: TextStyle): string {
	const { report, output, planPath, reportPath, modelCardPath, commands, seconds } = result;
	const [command] = commands;
	const next = command === undefined ? undefined : `${output ? "Run it" : "Write it"}: ${command}`;
	const places = {
		model: result.model.path,
		output: output?.path,
		plan: planPath,
		report: reportPath,
		card: modelCardPath,
		command: next,
		seconds,
	};
	if (report) return summaryText(report, places, style);
	// There was a warning that says why there is no report.
	const chosen = `${output ? "Removed" : "Removing"} ${amountText(plan.removed, plan.model.blocks)}: ${formatBlocks(plan.removed)}.`;
	return `${paint("bold", chosen, style)}\n${endLines(result)}${next === undefined ? "" : `${next}\n`}`;
}

const commandsText = ({ commands }: Pick<PruneResult, "commands">) =>
	commands.length > 0 ? `\nNext:\n${commands.map((command) => `  ${command}\n`).join("")}` : "";

function curveParts(result: PruneResult, style: TextStyle): string[] {
	const parts: string[] = [];
	if (result.curve.length > 0) {
		const chosen = result.suggestion?.removed.length;
		const { series = [], context } = result.report?.curve ?? {};
		const known = series.flatMap(({ points }) => points);
		const sizes = new Map(known.map((point) => [formatBlocks(point.removed), point]));
		const rows = result.curve.map((point) => {
			const { bytes, milliseconds, kvCache } = sizes.get(formatBlocks(point.removed)) ?? {};
			return { ...point, bytes, milliseconds, kvCache, chosen: point.removed.length === chosen };
		});
		const shown = curveTable(rows, style, { metric: result.metric, context });
		parts.push(`What removing ${countedParts(rows)} costs, measured on the validation split:\n${shown}`);
	}
	if (result.suggestion) {
		const { removed, reason } = result.suggestion;
		const choice = removed.length > 0 ? `Sensible: remove ${removedText(removed)}.` : "Sensible: remove nothing.";
		parts.push(`${wrapped(`${choice} ${reason}`, style.width ?? 80).replace(choice, paint("bold", choice, style))}\n`);
	}
	parts.push(endLines(result));
	return parts;
}

function endLines({ output, planPath, reportPath, modelCardPath, estimate, seconds }: PruneResult): string {
	const lines: string[] = [];
	if (estimate) lines.push(...estimateLines(estimate, "Dry run: no model, plan or report was written."));
	if (output) lines.push(...writtenLines(output));
	else if (!estimate) lines.push("No model was written.");
	if (planPath) lines.push(`Plan: ${planPath}`);
	if (reportPath) lines.push(`Report: ${reportPath}`);
	if (modelCardPath) lines.push(`Model card: ${modelCardPath}`);
	lines.push(`Time${estimate ? " of the dry run" : ""}: ${formatDuration(seconds)}`);
	return `${lines.join("\n")}\n`;
}

/** A plan that was carried out. */
export function applyText(result: ApplyResult, style: TextStyle): string {
	const { model, output, removed, heal, quantized, limits, seconds } = result;
	const { width = 80 } = style;
	const right = "right" as const;
	const columns = [{ title: "" }, { title: "original", align: right }, { title: "pruned", align: right }, { title: "change" }];
	const rows = [
		["parameters", formatCount(model.parameters), formatCount(output.parameters), formatChange(model.parameters, output.parameters)],
		["file size", formatBytes(model.size), formatBytes(output.size), formatChange(model.size, output.size)],
	];
	const headline = `Removed ${amountText(removed, model.blocks)}: ${formatBlocks(removed)}.`;
	const changes = [
		...[
			halvesNote(removed, model.architecture),
			heal && healLine(heal, quantized !== undefined),
			quantized && quantizedLine(quantized),
		].filter((text) => text !== undefined),
		...(limits?.figures ?? []).map((figure) => paint(figure.met ? "green" : "red", gateLine(figure), style)),
	];
	return [
		`${wrapped(headline, width)
			.split("\n")
			.map((line) => paint("bold", line, style))
			.join("\n")}\n`,
		...(changes.length > 0 ? [`${changes.map((text) => wrapped(text, width)).join("\n")}\n`] : []),
		formatTable(columns, rows, style),
		`${[...writtenLines(output).map((line) => wrapped(line, width)), `Time: ${formatDuration(seconds)}`, ...nextLines(result)].join("\n")}\n`,
	].join("\n");
}

/** How to go on from a file that was written. Healing and quantizing are measured on little self-generated text, removing alone not at all. */
function nextLines({ commands: [run, measure], heal, quantized }: ApplyResult): string[] {
	const why = heal || quantized ? "Measure its quality on your text" : "This command measured no quality";
	return [...(measure === undefined ? [] : [`${why}: ${measure}`]), ...(run === undefined ? [] : [`Run it: ${run}`])];
}

/** Methods side by side: a table a size, then what they cost. */
export function compareText(result: CompareResult, style: TextStyle): string {
	const { model, texts, questions, sizes, methods, budget, search, seconds } = result;
	const names = texts.map(({ name }) => name);
	const answers =
		questions.length > 0 ? "Questions: the share answered correctly; * tied with the highest by the exact McNemar test.\n" : "";
	const searched = "count" in search ? `${formatInteger(search.count)} questions` : `${search.windows} x ${search.length} tokens`;
	const unknown = sizes.some(({ rows }) => rows.some(({ withinBest }) => withinBest === null));
	const untold = unknown ? "? unknown: a text or a file with one window gives no error.\n" : "";
	const parts = [
		`${model.name}: loss added by removing blocks, nats per token, ± standard error.\n* statistically tied with the best of its table.\n${untold}${answers}`,
		...sizes.map(
			({ removed, rows }) =>
				`${paint("bold", `${removed} of ${model.blocks} blocks removed`, style)}\n${compareTable(rows, names, questions, style)}`,
		),
		`What each method would need alone, of at most ${formatInteger(budget.evaluations)} evaluations of ${searched}:\n${compareCosts(methods, style)}`,
		...surrogateParts(methods, style),
		compareTexts(texts, questions, style),
		`Time: ${formatDuration(seconds)}\n`,
	];
	return parts.join("\n");
}

function surrogateParts(methods: CompareResult["methods"], style: TextStyle): string[] {
	const table = compareSurrogates(methods, style);
	if (table === "") return [];
	return [
		`Surrogates, judged on candidates that they had not seen. R2 and Spearman are over all candidates and within one\nnumber of blocks. R2 is also that of the mean of each number. The last figure is the share inside 90 % intervals.\n${table}`,
	];
}

/** What a file is and what can be removed from it. */
export function inspectText(result: InspectResult, style: TextStyle): string {
	const types = Object.entries(result.types).sort((a, b) => b[1] - a[1]);
	const facts: [string, string][] = [
		["model", result.name],
		["architecture", result.architecture],
		["blocks", `${result.blocks}, numbered 0 to ${result.blocks - 1}`],
		["parameters", formatCount(result.parameters)],
		["file size", `${formatBytes(result.size)}${result.files.length > 1 ? ` in ${result.files.length} files` : ""}`],
		["tensors", types.map(([type, count]) => `${count} ${type}`).join(", ")],
		["removable", removableText(result)],
		...partsRows(result),
	];
	if (result.withoutAttention) facts.push(["without attention", `blocks ${formatBlocks(result.withoutAttention)}`]);
	if (result.units) facts.push(["removed in groups", result.units.map(formatBlocks).join(", ")]);
	for (const { block, reason } of result.frozen) facts.push([`block ${block}`, `cannot be removed: ${reason}`]);
	if (result.pruned) facts.push(["pruned before", result.pruned]);
	return factsTable(facts, style);
}

/** Nothing where no block can go at all. */
function partsRows({ support, halfBlockCuts, attentionParts }: InspectResult): [string, string][] {
	if (support === "refused") return [];
	const text = ({ allowed, reason }: InspectResult["halfBlockCuts"]) => (allowed ? "possible" : `not possible: ${reason}`);
	return [
		["half-block cuts", text(halfBlockCuts)],
		["attention alone", text(attentionParts)],
	];
}

function removableText({ support, reason, maxRemovable, blocks, proof }: InspectResult): string {
	if (support === "refused") return `none: ${reason ?? "this architecture is not supported"}`;
	// Nothing needs to be said of an architecture that is proven.
	return `up to ${maxRemovable} of ${blocks} blocks${proof === "bits" ? "" : "; the output is kept only if it is proven correct on this model"}`;
}

/** The cache of earlier runs. */
export function runsText(folders: readonly RunFolder[], now: Date, style: TextStyle): string {
	if (folders.length === 0) return "The cache is empty.\n";
	const rows = folders.flatMap((folder) => [
		...folder.ledgers.map((ledger) => [
			folder.model,
			ledger.damage ? "damaged" : ledger.inUse ? "in use" : "search results",
			ledger.damage ? "" : formatInteger(ledger.candidates),
			formatBytes(ledger.size),
			formatAge(ledger.lastUsed, now),
			ledger.path,
		]),
		...folder.evaluations.map((one) => [
			folder.model,
			one.damage ? "damaged" : one.inUse ? "in use" : "evaluation",
			one.damage ? "" : `${formatInteger(one.measured)}/${formatInteger(one.parts)}`,
			formatBytes(one.size),
			formatAge(one.lastUsed, now),
			one.path,
		]),
		...folder.plans.map((plan) => [folder.model, "plan", "", formatBytes(plan.size), formatAge(plan.lastUsed, now), plan.path]),
		...folder.leftovers.map(({ size, lastUsed, path }) => [
			folder.model,
			"leftover",
			"",
			formatBytes(size),
			formatAge(lastUsed, now),
			path,
		]),
		...folder.partials.map(({ size, path }) => [folder.model, "unfinished", "", formatBytes(size), "", path]),
	]);
	const total = formatBytes(folders.reduce((sum, folder) => sum + folder.size, 0));
	const columns = [
		{ title: "model" },
		{ title: "kind" },
		{ title: "evaluations", align: "right" },
		{ title: "size", align: "right" },
		{ title: "last used" },
		{ title: "path" },
	] as const;
	return `${formatTable(columns, rows, style)}\n${total} in total. To delete: prune-gguf runs clean --help\n`;
}

/** What was deleted. */
export function cleanText({ deleted, freed, inUse }: CleanResult): string {
	const lines = [
		...deleted.map((path) => `deleted ${path}`),
		`${deleted.length} ${deleted.length === 1 ? "file" : "files"} deleted, ${formatBytes(freed)} freed`,
	];
	for (const path of inUse) lines.push(`kept, because a running process uses it: ${path}`);
	return `${lines.join("\n")}\n`;
}

function writtenLines({ path, size, verification }: WrittenFile): string[] {
	return [`File: ${path} (${formatBytes(size)})`, `Verified: ${verification}`];
}
