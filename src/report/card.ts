import { runCommand } from "./commands.js";
import { contextNotes, contextRows } from "./context.js";
import { figureText } from "./figures.js";
import { formatBytes, formatCount, formatInteger } from "./format.js";
import { askedAmount, removedText } from "../notation.js";
import { halvesNote } from "./halves.js";
import { healSentence } from "./heal.js";
import type { Report } from "./report-data.js";
import { speedRow } from "./overview.js";
import { quantizedText } from "./summary.js";
import { visible } from "./tags.js";

/**
 * A short model card in Markdown for Hugging Face: what was removed, what that costs, how to run it and how to make it again. The author
 * adds the front matter of the original model (license, languages).
 */
export function cardText(report: Report): string {
	const { verdict, model, output, removal, quality, speed, alternatives, reproduce } = report;
	const name = output?.name ?? nameWithout(model.name, removal?.removed ?? []);
	const quantized = quantizedText(report);
	const figures = [...(quality?.figures ?? []).map(figureText), ...(speed?.figures ?? []).map(speedRow), ...contextRows(report)];
	const set = removal?.removed ?? [];
	const halves = halvesNote(set, model.architecture);
	const parts = [
		["---", "library_name: gguf", "tags:", "- gguf", "- pruned", "- prune-gguf", "---"].join("\n"),
		`# ${escaped(name)}`,
		escaped(
			`${model.name} (${model.architecture}, ${model.blocks} blocks, ${formatCount(model.parameters)} parameters, ${formatBytes(model.bytes)}) ${set.length > 0 ? `without ${removedText(set)}` : "with every block kept"}.${halves ? ` ${halves}` : ""} Nothing was trained afterwards.${report.heal?.applied ? ` ${healSentence(report.heal, report)}` : ""}${quantized ? ` ${quantized}` : ""}`,
		),
		`**${escaped(verdict.headline)}** ${escaped(verdict.reason)}`,
		...(alternatives ? [escaped(alternatives.verdict)] : []),
	];
	if (figures.length > 0) {
		const rows = figures.map(
			({ title, before, after, change, interval }) => `| ${[title, before, after, change, interval].map(escaped).join(" | ")} |`,
		);
		parts.push(
			"## What it costs",
			["| | original | pruned | change ± standard error | 95 % interval |", "|---|--:|--:|--:|--:|", ...rows].join("\n"),
			...(quality
				? [
						escaped(
							`Perplexity and loss are measured on ${formatInteger(quality.tokens)} tokens of ${quality.text}, which were not used to choose the blocks. They are not comparable with published figures.`,
						),
					]
				: []),
		);
	}
	const conditions = [
		...(speed
			? [
					`Speed: ${speed.conditions}${speed.context === undefined ? "" : ` Memory is for ${formatInteger(speed.context)} tokens of context.`}`,
				]
			: []),
		...contextNotes(report),
	];
	if (conditions.length > 0) parts.push(escaped(conditions.join(" ")));
	const { seed, versions } = reproduce;
	const run = runCommand(report);
	parts.push(
		...(run === undefined ? [] : ["## How to run it", fenced(run)]),
		"## How it was made",
		fenced(reproduce.command),
		[
			`- original model: ${code(model.name)}, SHA-256 ${code(model.sha256)}`,
			`- versions: ${escaped(
				Object.entries(versions)
					.map(([program, version]) => `${program} ${version}`)
					.join(", "),
			)}; seed ${seed === null ? "none" : seed}`,
			...(output ? [`- verified: ${escaped(output.verification)}`] : []),
		].join("\n"),
	);
	return `${parts.join("\n\n")}\n`;
}

/** Name of a model that was not written. */
function nameWithout(name: string, removed: readonly number[]): string {
	return removed.length === 0 ? name : `${name} without ${askedAmount(removed).words}`;
}

/** Text that Markdown shows as it is, on one line. */
function escaped(text: string): string {
	return visible(text)
		.replace(/\s+/g, " ")
		.replace(/[\\`*_[\]<>|#&~$]/g, (character) => `\\${character}`);
}

/** Code on one line, whatever it holds. */
function code(text: string): string {
	const fence = "`".repeat(longestRun(text) + 1);
	const pad = fence.length > 1 ? " " : "";
	return `${fence}${pad}${visible(text).replace(/\s+/g, " ")}${pad}${fence}`;
}

function fenced(text: string): string {
	const fence = "`".repeat(Math.max(3, longestRun(text) + 1));
	return `${fence}sh\n${visible(text)}\n${fence}`;
}

const longestRun = (text: string) => Math.max(0, ...[...text.matchAll(/`+/g)].map(([run]) => run.length));
