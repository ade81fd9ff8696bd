import { blockStrip } from "./charts-blocks.js";
import { runCommand } from "./commands.js";
import { formatInteger } from "./format.js";
import { formatBlocks } from "../notation.js";
import { halvesNote } from "./halves.js";
import { sampleTitle, sideBySide } from "./html-texts.js";
import { overviewRows } from "./overview.js";
import type { Report } from "./report-data.js";
import { quantizedText, tiedText } from "./summary.js";
import { type Html, html, type Section, table, typographic } from "./tags.js";

// The first screen of the page: what happened, what it costs, and the commands that come next.

/** Beside the words and the color. */
const marks: Readonly<Record<NonNullable<Report["verdict"]["trade"]>, string>> = {
	sensible: "✓",
	costly: "▲",
	damaged: "✕",
	broken: "✕",
};

/** The verdict, with a link to what the run warned about. */
export function verdictPanel({ verdict, alternatives, warnings, disagreements, limits = [] }: Report): Html {
	const { trade, headline, reason, advice = [] } = verdict;
	const warned = warnings.length + disagreements.length;
	const missed = limits.filter(({ met }) => !met).length;
	return html`<div class="verdict${trade && ` ${trade}`}">
<p class="headline">${typographic(headline)}</p>
<p>${trade && html`<span class="tag" aria-hidden="true">${marks[trade]}</span> `}${typographic(reason)}</p>
${advice.length > 0 && html`<ul>${advice.map((one) => html`<li>${one}</li>`)}</ul>`}
${alternatives && html`<p>${alternatives.verdict}</p>`}
${missed > 0 && html`<p><a href="#limits">Quality limits</a>: <span class="bad">✕ ${missed} of ${limits.length} not met</span></p>`}
${warned > 0 && html`<p><a href="#warnings">${warned === 1 ? "1 warning" : `${warned} warnings`}</a></p>`}
</div>`;
}

/** The parts of the first screen that the run has something for. */
export function firstScreen(report: Report): Section[] {
	const [sample] = report.samples ?? [];
	return [
		...(report.quality || report.speed ? [{ id: "before-after", title: "Original and pruned model", body: overview(report) }] : []),
		{ id: "blocks", title: "Blocks", body: blocks(report) },
		...(sample ? [{ id: "sample", title: "Sample text", body: firstSample(sample, report.samples!.length) }] : []),
		{ id: "commands", title: "Commands", body: commands(report) },
	];
}

function overview(report: Report): Html {
	const { quality, speed } = report;
	const rows = overviewRows(report).map(({ title, before, after, change, interval }) => [
		title,
		before,
		after,
		html`${typographic(change)}${interval && html` <span class="interval">${typographic(interval)}</span>`}`,
	]);
	const columns = [
		{ title: "figure" },
		{ title: "original", figures: true },
		{ title: "pruned", figures: true },
		{ title: "change, 95 % interval", figures: true },
	];
	const quantized = quantizedText(report);
	const context = speed?.context;
	return html`${table("What pruning costs and what it saves", columns, rows)}
${
	quality &&
	html`<p class="note">Perplexity is measured on the held-out split, ${formatInteger(quality.tokens)} tokens of <bdi>${quality.text}</bdi>. Lower is better. Do not compare it with published figures, which use other text. ± is one standard error.</p>`
}
${context !== undefined && html`<p class="note">Memory and KV cache are those of a context of ${formatInteger(context)} tokens.</p>`}
${quality?.figures.some(({ name }) => name === "kl" || name === "agreement") && html`<p class="note">${comparedNote}</p>`}
${quantized && html`<p class="note">${quantized}</p>`}`;
}

/** What the figures mean that compare two models token by token. */
const comparedNote =
	"KL divergence says how far the probabilities of the pruned model are from those of the original model; 0 means equal. Same top token is the share of positions at which both models find the same token most likely.";

function blocks(report: Report): Html {
	const { removal, model } = report;
	const tied = tiedText(report);
	const halves = halvesNote(removal?.removed ?? [], model.architecture);
	return html`${removal && html`<p>Removed: <strong>${formatBlocks(removal.removed)}</strong>. Blocks are numbered from 0 to ${model.blocks - 1}, as in the original file.${halves && ` ${halves}`}</p>`}
${blockStrip(report)}
${tied && html`<p>${tied}.</p>`}`;
}

function firstSample(sample: NonNullable<Report["samples"]>[number], count: number): Html {
	return html`${sideBySide(sampleTitle(sample, 0), sample)}
${count > 1 && html`<p class="note">This is the first of ${count} samples. The <a href="#samples">others</a> follow below.</p>`}`;
}

function commands(report: Report): Html {
	const { output, reproduce } = report;
	const run = runCommand(report);
	return html`${
		run &&
		html`<p>Run the pruned model in llama.cpp, from the folder of the file:</p>
<pre><code>${unbroken(run)}</code></pre>`
	}
<p>Repeat this job:</p>
<pre><code>${unbroken(reproduce.asked ?? reproduce.command)}</code></pre>
${
	output &&
	html`<p class="note">The file exists now: give another name, or add <code>--overwrite</code>.</p>
<p class="note">Verified: ${output.verification.replace(/\.$/, "")}.</p>`
}`;
}

/** A command whose options do not break at their hyphens. */
function unbroken(command: string): Html {
	const parts = command.split(/(?<=^| )(--?[\w-]+)/);
	return html`${parts.map((part, i) => (i % 2 === 1 ? html`<span class="option">${part}</span>` : part))}`;
}
