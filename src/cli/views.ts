import {
	formatAge,
	formatBlocks,
	formatBytes,
	formatCount,
	formatDuration,
	formatInteger,
	formatLoss,
	formatPValue,
	formatSigned,
} from "../report/format.js";
import { compareCosts, compareSurrogates, compareTable, compareTexts } from "../report/compare.js";
import { formatTable, paint, type TextStyle } from "../report/table.js";
import { healLine } from "./heal-views.js";
import { quantizedLine } from "./quantized-views.js";
import { curveTable, factsTable } from "../report/terminal.js";
import { gateLine, summaryText } from "../report/summary.js";
import type {
	Accuracy,
	AccuracyDifference,
	ApplyResult,
	CleanResult,
	CompareResult,
	EvaluateResult,
	InspectResult,
	Plan,
	PruneResult,
	QuestionsResult,
	RunFolder,
	WrittenFile,
} from "./api.js";

// Results as text for people: which tables, in which order. Everything here reads, nothing computes.

/** A pruning run: with a set chosen, the set and what it costs; without, the curve and what is sensible. */
export function pruneText(result: PruneResult, style: TextStyle): string {
	const parts = result.plan ? chosenParts(result, result.plan, style) : curveParts(result, style);
	if (result.commands.length > 0) parts.push(`Next:\n${result.commands.map((command) => `  ${command}\n`).join("")}`);
	return parts.join("\n");
}

function chosenParts(result: PruneResult, plan: Plan, style: TextStyle): string[] {
	// Without a report there was a warning that says why.
	const summary = result.report
		? summaryText(result.report, style)
		: `Remove blocks ${formatBlocks(plan.removed)} of 0..${plan.model.blocks - 1}\n`;
	return [`${summary}Method: ${plan.method}\n`, endLines(result)];
}

function curveParts(result: PruneResult, style: TextStyle): string[] {
	const parts: string[] = [];
	if (result.curve.length > 0) {
		const chosen = result.suggestion?.removed.length;
		const rows = result.curve.map((point) => ({ ...point, chosen: point.removed.length === chosen }));
		parts.push(curveTable(rows, style, result.metric));
	}
	if (result.suggestion) {
		const { removed, reason } = result.suggestion;
		const choice = removed.length > 0 ? `Sensible: remove blocks ${formatBlocks(removed)}` : "Sensible: remove nothing";
		parts.push(`${paint("bold", choice, style)}: ${reason}\n`);
	}
	parts.push(endLines(result));
	return parts;
}

function endLines({ output, planPath, reportPath, modelCardPath, estimate, seconds }: PruneResult): string {
	const lines: string[] = [];
	if (estimate) {
		const { masks, known, tokens } = estimate;
		const before = known > 0 ? `, beside ${formatInteger(known)} known ones,` : "";
		lines.push(
			`Would measure at most ${formatInteger(masks)} masks${before} (${formatCount(tokens)} tokens)${Number.isFinite(estimate.seconds) ? ` in about ${formatDuration(estimate.seconds)}` : ""}; no model, plan or report was written.`,
		);
	}
	if (output) lines.push(writtenLine(output));
	else if (!estimate) lines.push("No model was written.");
	if (planPath) lines.push(`Plan: ${planPath}`);
	if (reportPath) lines.push(`Report: ${reportPath}`);
	if (modelCardPath) lines.push(`Model card: ${modelCardPath}`);
	lines.push(`Time: ${formatDuration(seconds)}`);
	return `${lines.join("\n")}\n`;
}

/** A plan that was carried out. */
export function applyText(result: ApplyResult, style: TextStyle): string {
	const { model, output, removed } = result;
	const facts = [
		["removed", `${formatBlocks(removed)} of 0..${model.blocks - 1}`],
		["parameters", `${formatCount(model.parameters)} -> ${formatCount(output.parameters)}`],
		["file size", `${formatBytes(model.size)} -> ${formatBytes(output.size)}`],
	] as const;
	const healed = result.heal ? `${healLine(result.heal)}\n` : "";
	const quantized = result.quantized ? `${quantizedLine(result.quantized)}\n` : "";
	const gate = result.gate
		? `${result.gate.figures.map((figure) => paint(figure.met ? "green" : "red", gateLine(figure), style)).join("\n")}\n`
		: "";
	return `${factsTable(facts, style)}\n${healed}${quantized}${gate}${writtenLine(output)}\nTime: ${formatDuration(result.seconds)}\n`;
}

/** Methods side by side: a table a size, then what they cost. */
export function compareText(result: CompareResult, style: TextStyle): string {
	const { model, texts, questions, sizes, methods, budget, search, seconds } = result;
	const names = texts.map(({ name }) => name);
	const answers = questions.length > 0 ? "Of questions the share that is answered rightly; * as many, by the exact McNemar test.\n" : "";
	const searched = "count" in search ? `${formatInteger(search.count)} questions` : `${search.windows} x ${search.length} tokens`;
	const nothingSays = sizes.some(({ rows }) => rows.some(({ withinBest }) => withinBest === null));
	const untold = nothingSays ? "? cannot be judged: a text or source of a single window says nothing of chance.\n" : "";
	const parts = [
		`${model.name}: nats per token that removing blocks adds, ± standard error.\n* cannot be told from the best of its table.\n${untold}${answers}`,
		...sizes.map(
			({ removed, rows }) =>
				`${paint("bold", `${removed} of ${model.blocks} blocks removed`, style)}\n${compareTable(rows, names, questions, style)}`,
		),
		`What each method would have needed alone, of at most ${formatInteger(budget.masks)} masks of ${searched}:\n${compareCosts(methods, style)}`,
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
		`Surrogates: masks fitted to, and masks judged on that they did not see; R2 and Spearman over all and within\neach number of blocks, R2 of that number's mean, and the share of masks that the 90 % intervals held:\n${table}`,
	];
}

/** Perplexity, to the digits that llama-perplexity prints. */
export function evaluateText(result: EvaluateResult, style: TextStyle): string {
	const facts: [string, string][] = [
		["perplexity", `${result.perplexity.toFixed(4)} ± ${result.perplexityError.toFixed(5)}`],
		["loss", `${result.loss.toFixed(6)} nats per token`],
		["scored", `${formatInteger(result.tokens)} tokens of ${formatInteger(result.windows)} windows of ${result.context}`],
		["preset", result.preset],
		["model", result.model],
		["text", result.text],
		["time", formatDuration(result.seconds)],
	];
	if (result.removed.length > 0) facts.splice(2, 0, ["removed", `${formatBlocks(result.removed)} (masked, nothing written)`]);
	if (result.against) facts.splice(result.removed.length > 0 ? 3 : 2, 0, ...againstFacts(result.against, result.model));
	return factsTable(facts, style);
}

/** A model beside its reference on a text; intervals are of 95 %, by window. */
function againstFacts(against: NonNullable<EvaluateResult["against"]>, model: string): [string, string][] {
	const { divergence, agreement, difference, ratio } = against;
	const with95 = (text: string, low: string, high: string) => `${text} (95 % ${low} to ${high})`;
	const percent = (share: number) => (100 * share).toFixed(2);
	return [
		["against", against.model === model ? "the original model" : against.model],
		["  perplexity", `${against.perplexity.toFixed(4)} ± ${against.perplexityError.toFixed(5)}`],
		[
			"  KL divergence",
			with95(
				`${divergence.mean.toFixed(5)} ± ${divergence.standardError.toFixed(5)} nats per token`,
				divergence.low.toFixed(5),
				divergence.high.toFixed(5),
			),
		],
		[
			"  same top token",
			with95(`${percent(agreement.mean)} ± ${percent(agreement.standardError)} %`, percent(agreement.low), percent(agreement.high)),
		],
		[
			"  loss, paired",
			with95(
				`${formatSigned(difference.mean, 5)} ± ${difference.standardError.toFixed(5)} nats per token`,
				formatSigned(difference.low, 5),
				formatSigned(difference.high, 5),
			),
		],
		[
			"  perplexity ratio",
			with95(`x ${ratio.mean.toFixed(4)} ± ${ratio.standardError.toFixed(4)}`, ratio.low.toFixed(4), ratio.high.toFixed(4)),
		],
	];
}

/** Accuracy on questions, and beside another model. */
export function questionsText(result: QuestionsResult, style: TextStyle): string {
	const byLength = `by ${result.normalization}`;
	const facts: [string, string][] = [
		["accuracy", accuracyText(result.accuracy)],
		[`accuracy ${byLength}`, accuracyText(result.normalizedAccuracy)],
		["loss of right choices", `${formatLoss(result.goldLoss)} nats a question`],
	];
	if (result.removed.length > 0) facts.push(["removed", `${formatBlocks(result.removed)} (masked, nothing written)`]);
	const { against } = result;
	if (against) {
		facts.push(
			["against", against.model === result.model ? "the original model" : against.model],
			["  accuracy", `${accuracyText(against.accuracy)}; change ${changeText(against.difference)}`],
			[`  accuracy ${byLength}`, `${accuracyText(against.normalizedAccuracy)}; change ${changeText(against.normalizedDifference)}`],
		);
	}
	facts.push(
		["questions", `${formatInteger(result.count)} of ${result.questions}`],
		["model", result.model],
		["time", formatDuration(result.seconds)],
	);
	if (result.truncated > 0)
		facts.push(["cut", `${formatInteger(result.truncated)} choices lost the beginning of their query: the context is too short`]);
	return factsTable(facts, style);
}

function accuracyText({ value, standardError, correct }: Accuracy): string {
	const error = standardError === undefined ? "" : ` ± ${(100 * standardError).toFixed(2)}`;
	return `${(100 * value).toFixed(2)}${error} % (${formatInteger(correct)} right)`;
}

function changeText({ value, standardError, gained, lost, pValue }: AccuracyDifference): string {
	const error = standardError === undefined ? "" : ` ± ${(100 * standardError).toFixed(2)}`;
	return `${formatSigned(100 * value, 2)}${error} % (${gained} gained, ${lost} lost; McNemar p ${formatPValue(pValue)})`;
}

/** What a file is and what can be removed from it. */
export function inspectText(result: InspectResult, style: TextStyle): string {
	const types = Object.entries(result.types).sort((a, b) => b[1] - a[1]);
	const facts: [string, string][] = [
		["model", result.name],
		["architecture", result.architecture],
		["blocks", `${result.blocks}, numbered 0..${result.blocks - 1}`],
		["parameters", formatCount(result.parameters)],
		["file size", `${formatBytes(result.size)}${result.files.length > 1 ? ` in ${result.files.length} files` : ""}`],
		["tensors", types.map(([type, count]) => `${count} ${type}`).join(", ")],
		["removable", removableText(result)],
	];
	if (result.units) facts.push(["blocks go in groups", result.units.map(formatBlocks).join(", ")]);
	for (const { block, reason } of result.frozen) facts.push([`block ${block}`, `stays: ${reason}`]);
	if (result.pruned) facts.push(["pruned before", result.pruned]);
	return factsTable(facts, style);
}

function removableText({ support, reason, maxRemovable, blocks, proof }: InspectResult): string {
	if (support === "refused") return `none: ${reason ?? "this architecture is not supported"}`;
	// What was proven for the architecture needs no word.
	return `up to ${maxRemovable} of ${blocks} blocks${proof === "bits" ? "" : "; a file is kept only if it is proven on this model"}`;
}

/** What is kept of earlier runs. */
export function runsText(folders: readonly RunFolder[], now: Date, style: TextStyle): string {
	if (folders.length === 0) return "Nothing is kept.\n";
	const rows = folders.flatMap((folder) => [
		...folder.ledgers.map((ledger) => [
			folder.model,
			ledger.damage ? "damaged" : ledger.inUse ? "in use" : "ledger",
			ledger.damage ? "" : formatInteger(ledger.masks),
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
			"left over",
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
		{ title: "masks", align: "right" },
		{ title: "size", align: "right" },
		{ title: "last used" },
		{ title: "path" },
	] as const;
	return `${formatTable(columns, rows, style)}\n${total} in all. prune-gguf runs clean --help says how to delete.\n`;
}

/** What was deleted. */
export function cleanText({ deleted, freed, inUse }: CleanResult): string {
	const lines = [
		...deleted.map((path) => `deleted ${path}`),
		`${deleted.length} ${deleted.length === 1 ? "file" : "files"}, ${formatBytes(freed)} freed`,
	];
	for (const path of inUse) lines.push(`left, because a running process uses it: ${path}`);
	return `${lines.join("\n")}\n`;
}

function writtenLine({ path, verification }: WrittenFile): string {
	return `Written: ${path}\nVerified: ${verification}`;
}
