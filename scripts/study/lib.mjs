// Shared code of the study's scripts: measured games, exact answers, figures.
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { gunzipSync } from "node:zlib";

export const dist = new URL(process.env.STUDY_DIST ?? "../../dist/", import.meta.url);
/** A compiled module of src/, by its path there. */
export const load = (path) => import(new URL(path, dist).href);

const { Coalition } = await load("game/coalition.js");
const { meanLoss } = await load("game/game.js");
const { TableGame } = await load("game/table-game.js");
const { toSamples } = await load("game/sample.js");
const { spearman } = await load("game/surrogate/statistics.js");
const { makeWindows } = await load("model/runtime/windows.js");

/** Most removed blocks in every part of the study. */
export const kmax = 8;

/** A measured game: fresh copies of it, and its exact answers. */
export function readGame(path) {
	const text = gunzipSync(readFileSync(path)).toString();
	const table = TableGame.parse(text);
	const n = table.players;
	const measurements = table.all();
	const originalLoss = meanLoss(measurements.find(({ coalition }) => coalition.size === n));
	const samples = toSamples(measurements, originalLoss);
	const byKey = new Map(samples.map((sample) => [sample.coalition.key, sample]));
	const singles = Array.from({ length: n }, (_, i) => Coalition.ofRemoved(n, [i]));
	const critical = [...singles.keys()].filter((i) => byKey.get(singles[i].key).addedLoss > Math.LN2);
	const best = new Map();
	for (const { coalition, addedLoss } of samples) {
		const k = n - coalition.size;
		if (!best.has(k) || addedLoss < best.get(k).addedLoss) best.set(k, { removed: coalition.removed(), addedLoss });
	}
	return {
		name: basename(path).replace(/\.jsonl\.gz$/, ""),
		n,
		originalLoss,
		byKey,
		singles,
		critical,
		best,
		/** A fresh copy, which counts its measurements; blocks to freeze by number. */
		fresh: (frozen = []) => new TableGame(measurements, new Map(frozen.map((block) => [block, "critical"]))),
		added: (removed) => byKey.get(Coalition.ofRemoved(n, removed).key).addedLoss,
	};
}

/** The script's arguments: the positional ones, and the options by name, taken out when they are read. */
export function commandArguments() {
	const paths = process.argv.slice(2);
	const take = (name, fallback) => {
		const at = paths.indexOf(name);
		return at < 0 ? fallback : paths.splice(at, 2)[1];
	};
	return { paths, take };
}

/** The windows at these places (from 0), in their order. */
export function windowsAt({ tokens, length }, places) {
	return makeWindows(Int32Array.from(places.flatMap((i) => Array.from(tokens.subarray(i * length, (i + 1) * length)))), length);
}

export const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
export const deviation = (values) => Math.sqrt(mean(values.map((x) => (x - mean(values)) ** 2)));
/** The value below which a given share of the list lies. */
export function quantile(values, share) {
	const sorted = [...values].sort((a, b) => a - b);
	return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

/** Estimated compared with exact contributions over the blocks that are not critical. */
export function agreement(estimated, exact, blocks) {
	const guess = blocks.map((i) => estimated[i]);
	const truth = blocks.map((i) => exact[i]);
	const lowest = (values, k) => [...values.keys()].sort((a, b) => values[a] - values[b]).slice(0, k);
	const k = 4;
	const low = new Set(lowest(truth, k));
	return {
		error: Math.sqrt(mean(guess.map((x, i) => (x - truth[i]) ** 2))) / deviation(truth),
		spearman: spearman(guess, truth),
		overlap: lowest(guess, k).filter((i) => low.has(i)).length / k,
	};
}

export function table(header, rows) {
	const line = (cells) => `| ${cells.join(" | ")} |`;
	return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}
