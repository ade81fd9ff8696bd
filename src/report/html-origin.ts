import { formatDuration, formatInteger } from "./format.js";
import type { Report } from "./report-data.js";
import { type Html, html, type Section, table } from "./tags.js";

// Where a report's figures come from: how to get them again, and what took how long.

/** Names of splits in reports, as people read them. */
export const splitTitles: Readonly<Record<string, string>> = { search: "search", validation: "validation", heldOut: "held-out" };

/** Name of text that the model itself wrote, as reports name it. */
const selfGenerated = "self-generated text";

type Reproduce = Report["reproduce"];

/** How to do it again, and on what it was done. */
export function reproductionSection({ reproduce, model }: Report): Section {
	const { seed, calibration, versions, backend, machine, options, granularity, system } = reproduce;
	const facts: [string, string][] = [
		["model", model.name],
		["SHA-256", model.sha256],
		["architecture", model.architecture],
		["seed", seed === null ? "none" : `${seed}`],
		...(granularity ? [searchedRow(granularity)] : []),
		...Object.entries(versions),
		["backend", backend],
		["system", `${system.platform}; ${system.processor}, ${system.cores} cores`],
	];
	const texts = calibration.map(({ split, source, sha256, windows, length, kinds, drawn }) => [
		splitTitles[split] ?? split,
		`${source}${kinds ? ` (${kinds.map((one) => `${one.windows} × ${one.kind}`).join(", ")})` : ""}`,
		`${windows} × ${length}${drawn ? drawnText(drawn) : ""}`,
		sha256,
	]);
	const exceptions = exceptionsOf(reproduce);
	return {
		id: "reproduction",
		title: "Reproduction",
		body: html`<p>On a CPU, the ${reproduce.asked === undefined ? html`<a href="#commands">command</a>` : "command below"} gives the same figures, bit for bit, with the same model, text, versions and processor. It names the settings that this run chose for the machine.${exceptions.length > 0 && " What can still differ:"}</p>
${reproduce.asked !== undefined && html`<pre><code>${reproduce.command}</code></pre>`}
${exceptions.length > 0 && html`<ul>${exceptions.map((one) => html`<li>${one}</li>`)}</ul>`}
${table("Model, program and machine", [{ title: "what" }, { title: "value" }], facts)}
${texts.length > 0 && table("Calibration text", [{ title: "split" }, { title: "text" }, { title: "windows × tokens", figures: true }, { title: "SHA-256 of the tokens" }], texts)}
${settingsTable("Options of the run", options)}
${settingsTable("Settings of the machine that can change results", machine)}`,
	};
}

const searchedFor = {
	block: "whole blocks",
	"half-block": "whole blocks and half-block cuts",
	attention: "attention parts",
} as const satisfies Record<NonNullable<Reproduce["granularity"]>["used"], string>;

function searchedRow({ used, reason }: NonNullable<Reproduce["granularity"]>): [string, string] {
	return ["searched for", `${searchedFor[used]} (${reason})`];
}

function exceptionsOf({ options: { search }, calibration }: Reproduce): string[] {
	const { maxTime, stateType } = isGroup(search) ? search : {};
	const sampled = calibration.some(({ source }) => source === selfGenerated);
	return [
		...(maxTime === undefined ? [] : ["The time limit may end the search at another point."]),
		...(sampled
			? [
					"Self-generated text that is no longer in the cache is sampled again, and may come out differently.",
					"With too little free memory, the final comparison on such text goes by the loss instead of the divergence.",
				]
			: []),
		...(stateType === "F16" ? ["Losses with states of type F16 depend on how many states fit into memory."] : []),
	];
}

function drawnText({ positions, of, standardError }: NonNullable<Reproduce["calibration"][number]["drawn"]>): string {
	const error = typeof standardError === "number" ? `, ± ${standardError.toFixed(3)} nats` : "";
	return `, ${formatInteger(positions)} of ${formatInteger(of)} positions${error}`;
}

function settingsTable(caption: string, settings: Reproduce["options"]): Html | undefined {
	const rows = settingRows(settings);
	return rows.length > 0 ? table(caption, [{ title: "setting" }, { title: "value" }], rows) : undefined;
}

type Group = Readonly<Record<string, unknown>>;

const isGroup = (value: unknown): value is Group => typeof value === "object" && value !== null && !Array.isArray(value);

/** A row for each setting, those of groups as `search.method`. */
function settingRows(settings: Group, group = ""): [name: string, value: string][] {
	return Object.entries(settings).flatMap(([name, value]): [string, string][] =>
		isGroup(value) ? settingRows(value, `${group}${name}.`) : [[`${group}${name}`, Array.isArray(value) ? value.join(", ") : `${value}`]],
	);
}

/** What took how long. */
export function timesSection({ timings, seconds }: Report): Section {
	const rows = [...timings.map(({ phase, seconds: took }) => [phase, formatDuration(took)]), ["in all", formatDuration(seconds)]];
	return { id: "times", title: "Times", body: table("Time of each step", [{ title: "step" }, { title: "time", figures: true }], rows) };
}
