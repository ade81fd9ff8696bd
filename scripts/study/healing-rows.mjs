// Rows of healing.mjs: kept as soon as they are measured, and shown as tables.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { accuracy, round } from "./healing-measures.mjs";
import { load, table } from "./lib.mjs";

const { formatBlocks } = await load("report/format.js");
const { differences, meanAndError } = await load("statistics.js");

/** A JSON file of rows, each with a key made of all that decides on it. Replaced whole, so that it is never torn. */
export class Rows {
	#path;
	#rows;

	constructor(path) {
		this.#path = path;
		this.#rows = new Map((existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : []).map((row) => [row.key, row]));
	}

	get(key) {
		return this.#rows.get(key);
	}

	put(row) {
		this.#rows.set(row.key, row);
		writeFileSync(`${this.#path}.part`, `[\n${[...this.#rows.values()].map((one) => JSON.stringify(one)).join(",\n")}\n]\n`);
		renameSync(`${this.#path}.part`, this.#path);
	}
}

/** Loss of a row above another's, paired by window: by text, and the mean of the texts. */
export function above(row, other) {
	const texts = Object.entries(row.texts).map(([name, { losses }]) => {
		const finite = (values) => values.map((x) => x ?? Number.NaN);
		return { name, ...meanAndError(differences(finite(losses), finite(other.texts[name].losses))) };
	});
	const mean = texts.reduce((sum, text) => sum + text.mean, 0) / texts.length;
	const standardError = Math.sqrt(texts.reduce((sum, text) => sum + (text.standardError ?? Number.NaN) ** 2, 0)) / texts.length;
	return { texts, mean, standardError };
}

const signed = ({ mean, standardError }) => `${mean < 0 ? "" : "+"}${mean.toFixed(3)} ± ${(standardError ?? Number.NaN).toFixed(3)}`;

/** What is added to a row once it is measured, for readers of the file. */
export function figures(row, unpruned) {
	if (row === unpruned) return {};
	const { texts, ...mean } = above(row, unpruned);
	const rounded = ({ mean: value, standardError }) => ({ mean: round(value), standardError: round(standardError) });
	return { added: Object.fromEntries([...texts.map(({ name, ...rest }) => [name, rounded(rest)]), ["mean", rounded(mean)]]) };
}

/** @param shown rows in order; @param asked keys of the questions */
export function tableOf(unpruned, shown, asked) {
	const names = Object.keys(unpruned.texts);
	const rival = (row) =>
		shown.find(
			({ method, removed, fit }) =>
				method === "ours" && removed.join() === row.removed.join() && (!row.fit || fit.sha256 === row.fit.sha256),
		);
	const ofQuestions = (row) => asked.map((key) => answered(row.questions[key], row === unpruned ? undefined : unpruned.questions[key]));
	const ofTexts = (row, read) => names.map((name) => read(row.texts[name])).map((x) => x ?? "-");
	const line = (row) => {
		const added = above(row, unpruned);
		const ours = rival(row);
		return [
			formatBlocks(row.removed),
			row.method + (row.method === "ours" && !row.validation?.applied ? " (not applied)" : ""),
			row.fit ? `${row.fit.tokens} ${row.fit.source}` : "-",
			...added.texts.map(signed),
			signed(added),
			!ours || ours === row ? "-" : signed(above(row, ours)),
			ofTexts(row, ({ divergence }) => divergence?.toFixed(3)).join(" / "),
			ofTexts(row, ({ agreement }) => agreement && `${(100 * agreement).toFixed(1)} %`).join(" / "),
			row.fit ? (row.addedBytes / 1024).toFixed(0) : "-",
			row.seconds?.toFixed(1) ?? "-",
			...ofQuestions(row),
		];
	};
	const losses = names.map((name) => `${name} ${meanAndError(unpruned.texts[name].losses).mean.toFixed(4)}`).join(", ");
	const compared = names.map((name) => unpruned.texts[name].compared ?? 0).join(" and ");
	const heads = [
		"removed",
		"method",
		"fitted to",
		...names.map((name) => `${name}, above unpruned`),
		"mean",
		"above ours",
		"KL",
		"top-1 agreement",
		"KiB added",
		"s",
	];
	const intro = `Unpruned: ${losses} nats per token; KL and agreement over the first ${compared} windows.`;
	const first = asked.length > 0 ? ` ${asked.map((key, i) => `${key} ${ofQuestions(unpruned)[i]}`).join(", ")}.` : "";
	return `${intro}${first}\n\n${table([...heads, ...asked], shown.map(line))}`;
}

/** Accuracy, by length too, and p of the difference from the unpruned model. */
function answered(own, unpruned) {
	if (!own) return "-";
	const plain = accuracy(own.right, unpruned?.right);
	const byLength = accuracy(own.rightNormalized, unpruned?.rightNormalized);
	const percent = ({ value, difference }) => `${(100 * value).toFixed(1)} %${difference ? ` (p ${difference.pValue.toPrecision(2)})` : ""}`;
	return `${percent(plain)}, by length ${percent(byLength)}`;
}
