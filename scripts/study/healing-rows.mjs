// Rows of healing.mjs: stored as soon as they are measured, each under a key of everything that affects it.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { load } from "./lib.mjs";

const { differences, meanAndError } = await load("game/statistics.js");

export const round = (value, digits = 6) => (Number.isFinite(value) ? Number(value.toFixed(digits)) : null);

/** A JSON file of rows. It is replaced as a whole, so that it is never incomplete. */
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

	all() {
		return [...this.#rows.values()];
	}

	put(row) {
		this.#rows.set(row.key, row);
		writeFileSync(
			`${this.#path}.part`,
			`[\n${this.all()
				.map((one) => JSON.stringify(one))
				.join(",\n")}\n]\n`,
		);
		renameSync(`${this.#path}.part`, this.#path);
		return row;
	}
}

/** Losses by window; null in a file stands for what was not finite. */
const finite = (values) => values.map((x) => x ?? Number.NaN);

/** Mean loss on each text, and the mean of these. */
export function lossOf(row) {
	const texts = Object.values(row.texts).map(({ losses }) => meanAndError(finite(losses)).mean);
	return { texts, mean: texts.reduce((sum, x) => sum + x, 0) / texts.length };
}

/** Loss of a row minus another's, paired by window: by text, and the mean of the texts. */
export function above(row, other) {
	const texts = Object.entries(row.texts).map(([name, { losses }]) => ({
		name,
		...meanAndError(differences(finite(losses), finite(other.texts[name].losses))),
	}));
	const mean = texts.reduce((sum, text) => sum + text.mean, 0) / texts.length;
	const standardError = Math.sqrt(texts.reduce((sum, text) => sum + (text.standardError ?? Number.NaN) ** 2, 0)) / texts.length;
	return { texts, mean, standardError };
}

/** Additions to a row once it is measured, for readers of the file. */
export function figures(row, unpruned) {
	const { texts, ...mean } = above(row, unpruned);
	const rounded = ({ mean: value, standardError }) => ({ mean: round(value), standardError: round(standardError) });
	return Object.fromEntries([...texts.map(({ name, ...rest }) => [name, rounded(rest)]), ["mean", rounded(mean)]]);
}
