import { alternativesFigure } from "./charts-quality.js";
import { blocksArgument, formatBlocks, removedText } from "../notation.js";
import { contextNotes, contextRows } from "./context.js";
import { formatInteger } from "./format.js";
import { limitText, measuredText } from "./gate.js";
import type { Report } from "./report-data.js";
import { html, type Section, table } from "./tags.js";

// Sections of the page that a run has only if it warned of something, or if somebody asked for them.

/** What the run warned about, and calibration texts that would rather have other blocks removed. */
export function warningsSection({ warnings, disagreements }: Report): Section[] {
	const differ = disagreements.map(
		({ source, chosen, better, by, standardError, worseOverall }) =>
			html`For ${source}, removing ${removedText(better)} is better than ${formatBlocks(chosen)} by ${by.toFixed(3)} ± ${standardError.toFixed(3)} nats. On all texts as weighted it costs ${worseOverall.toFixed(3)} nats more. To choose it, give <code>--remove ${blocksArgument(better)}</code>.`,
	);
	const all = [...differ, ...warnings];
	if (all.length === 0) return [];
	return [{ id: "warnings", title: "Warnings", body: html`<ul class="warnings">${all.map((one) => html`<li>${one}</li>`)}</ul>` }];
}

/** Limits, and whether they were met. */
export function limitsSection(limits: NonNullable<Report["limits"]>): Section {
	const rows = limits.map(({ met, ...figure }) => [
		figure.name,
		limitText(figure.name, figure.limit),
		measuredText(figure),
		html`<span class="${met ? "good" : "bad"}">${met ? "✓ met" : "✕ not met"}</span>`,
	]);
	return {
		id: "limits",
		title: "Quality limits",
		body: table(
			"Limits of this run, and what was measured on the held-out split",
			[{ title: "limit" }, { title: "allowed", figures: true }, { title: "measured ± standard error", figures: true }, { title: "result" }],
			rows,
		),
	};
}

/** Time and KV cache at the context that the model is used at. */
export function contextSection(report: Report): Section[] {
	const { context } = report;
	if (!context) return [];
	const columns = [
		{ title: "figure" },
		{ title: "original", figures: true },
		{ title: "pruned", figures: true },
		{ title: "change", figures: true },
	];
	const rows = contextRows(report).map(({ title, before, after, change }) => [title, before, after, change]);
	const body = html`${rows.length > 0 && table("What the removal saves there", columns, rows)}
${contextNotes(report).map((note) => html`<p class="note">${note}</p>`)}`;
	return [{ id: "context", title: `At a context of ${formatInteger(context.context)} tokens`, body }];
}

/** Other versions of the model by size and quality. */
export function alternativesSection(alternatives: NonNullable<Report["alternatives"]>): Section {
	const { verdict, sourceQuantized, quantizedFrom } = alternatives;
	const fair =
		quantizedFrom === undefined
			? sourceQuantized && "The original file is quantized already. Its other versions are quantized twice, which flatters pruning."
			: html`The other versions were quantized from <bdi>${quantizedFrom}</bdi>, and all are compared with it.`;
	return {
		id: "alternatives",
		title: "Pruning beside quantizing",
		body: html`<p><strong>${verdict}</strong></p>
${fair && html`<p>${fair}</p>`}
${alternativesFigure(alternatives)}`,
	};
}
