import { formatDuration } from "./format.js";
import type { Report } from "./report-data.js";
import { type Html, html, type Section, table } from "./tags.js";

// Where a report's figures come from: how to get them again, and what took how long.

/** How to do it again. */
export function reproduceSection({ reproduce, model }: Report): Section {
	const { command, seed, calibration, versions, backend, machine, options, system } = reproduce;
	const facts: [string, string][] = [
		["model", model.name],
		["SHA-256", model.sha256],
		["architecture", model.architecture],
		["seed", seed === null ? "none" : `${seed}`],
		...Object.entries(versions),
		["backend", backend],
		["system", `${system.platform}; ${system.processor}, ${system.cores} cores`],
	];
	const splits = calibration.map(({ split, source, sha256, windows, length, drawn }) => [
		split,
		source,
		`${windows} x ${length}${drawn ? drawnText(drawn) : ""}`,
		sha256,
	]);
	return {
		id: "reproduce",
		title: "How to reproduce",
		body: html`<pre><code>${command}</code></pre>
<p>The command names the settings that this run found by timing the machine. With the same model, text, versions and processor it gives the same figures, bit for bit on a CPU${options.maxTime === undefined ? "" : ", unless --max-time ends the search elsewhere"}. Where the model's own text has to be drawn again (in another cache), it is drawn with the threads that the command names, and other tokens may come of it; a race on such text goes by the loss instead of the divergence where too little memory is free${options.stateType === "F16" ? "; and losses of a search with --state-type F16 depend on how many hidden states memory has room for" : ""}.</p>
${table("Model, program and machine", [{ title: "what" }, { title: "value" }], facts)}
${table("Text that was measured on", [{ title: "split" }, { title: "source" }, { title: "windows x tokens", figures: true }, { title: "SHA-256 of the tokens" }], splits)}
<details><summary>Settings</summary>
${settingsTable("Options of the run", options)}
${settingsTable("Settings of the machine that can change bits", machine)}
</details>`,
	};
}

function drawnText({ positions, of, standardError }: NonNullable<Report["reproduce"]["calibration"][number]["drawn"]>): string {
	const error = typeof standardError === "number" ? `, ± ${standardError.toFixed(3)} nats` : "";
	return `, ${positions} of ${of} positions${error}`;
}

function settingsTable(caption: string, settings: Report["reproduce"]["options"]): Html {
	const rows = Object.entries(settings).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : `${value}`]);
	return table(caption, [{ title: "setting" }, { title: "value" }], rows);
}

/** What took how long. */
export function timingsSection({ timings, seconds }: Report): Section {
	const rows = [...timings.map(({ phase, seconds: took }) => [phase, formatDuration(took)]), ["in all", formatDuration(seconds)]];
	return {
		id: "timings",
		title: "Time",
		body: table("Time by phase", [{ title: "phase" }, { title: "time", figures: true }], rows),
	};
}
