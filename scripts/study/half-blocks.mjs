// Half-block cuts beside whole blocks, on held-out text.
//   node scripts/study/half-blocks.mjs COMPARE.json... [--healed ROWS.json]
// COMPARE.json: what `prune-gguf compare --save-result` wrote, one for each seed, with `auto:half-block` among the methods.
// ROWS.json: what scripts/study/healing.mjs measured of their sets. Differences are paired by window; a negative one is in favor of half-block cuts.
import { readFileSync } from "node:fs";
import { above } from "./healing-rows.mjs";
import { commandArguments, load, mean, table } from "./lib.mjs";

const { formatBlocks } = await load("notation.js");
const half = "auto:half-block";

const { paths, take } = commandArguments();
const healedPath = take("--healed");
const read = (path) => JSON.parse(readFileSync(path, "utf8"));
const runs = paths.map(read);
const healed = healedPath ? read(healedPath).filter(({ kind }) => kind === "row") : [];

const digits = (value) => (Number.isNaN(value) ? "none" : `${value < 0 ? "-" : "+"}${Math.abs(value).toFixed(3)}`);
const withError = ({ mean: value, standardError }) => `${digits(value)} ± ${(standardError ?? Number.NaN).toFixed(3)}`;
const isHalf = ({ method }) => method.endsWith(":half-block");

/** The lowest mean of the methods on whole blocks: chosen with the judged text, which favors them. */
function bestWhole(rows) {
	return rows.filter((row) => !isHalf(row) && row.removed).reduce((a, b) => (b.mean.mean < a.mean.mean ? b : a));
}

/**
 * Half-block minus whole: `compare` holds each row against the best of all, so one of the two is 0 if one of them is the best. Otherwise the
 * error is at most about as large as given here, since errors of two differences from a third row add up.
 */
function difference(one, other) {
	if (!one.removed) return { mean: Number.NaN, standardError: Number.NaN };
	if (one.removed === other.removed) return { mean: 0, standardError: 0 };
	if (one.above.mean === 0) return { mean: -other.above.mean, standardError: other.above.standardError };
	if (other.above.mean === 0) return one.above;
	return { mean: one.mean.mean - other.mean.mean, standardError: Math.hypot(one.above.standardError, other.above.standardError) };
}

/** The seeds share the judged text: their errors are not independent, so the mean keeps an error as large as theirs. */
const overSeeds = (list) => ({ mean: mean(list.map((d) => d.mean)), standardError: mean(list.map((d) => d.standardError)) });

const sizes = runs[0].sizes.map(({ removed }) => removed);
const rowsOf = (run, size) => run.sizes.find(({ removed }) => removed === size).rows;
const methods = runs[0].methods.map(({ method }) => method);
const seeds = (cell) => runs.map((run) => ({ seed: run.seed, ...cell(run) }));

process.stdout.write(
	`${runs[0].model.name ?? ""} added loss, mean of ${runs[0].texts.map(({ name }) => name).join(", ")} and of the seeds\n`,
);
const added = (method, size) => mean(runs.map((run) => rowsOf(run, size).find((row) => row.method === method)?.mean.mean ?? Number.NaN));
process.stdout.write(
	`${table(
		["method", ...sizes.map((size) => `${size} removed`)],
		methods.map((method) => [method, ...sizes.map((size) => digits(added(method, size)))]),
	)}\n\n`,
);

const pairs = sizes.flatMap((size) =>
	seeds((run) => {
		const rows = rowsOf(run, size);
		const [ours, whole] = [rows.find(({ method }) => method === half), bestWhole(rows)];
		return { size, ours, whole, difference: difference(ours, whole) };
	}),
);
process.stdout.write(
	`${table(
		["removed", "seed", half, "best of whole blocks", "", "half-block minus whole"],
		[
			...pairs.map(({ size, seed, ours, whole, difference: d }) => [
				...[size, seed, ours.removed ?? "none found", whole.removed, whole.method, withError(d)],
			]),
			...sizes.map((size) => {
				const of = pairs.filter((pair) => pair.size === size);
				return [size, "mean", "", "", "", withError(overSeeds(of.map(({ difference: d }) => d)))];
			}),
		],
	)}\n`,
);

/** The row of a set in the study of healing, by method. @param removed as `compare` writes it */
const rowOf = (removed, method) => healed.find((row) => formatBlocks(row.removed) === removed && row.method === method);
for (const method of [...new Set(healed.map((row) => row.method))].filter((name) =>
	healed.some((row) => row.method === name && row.removed.length > 0),
)) {
	const known = pairs.flatMap((pair) => {
		const [ours, whole] = [rowOf(pair.ours.removed, method), rowOf(pair.whole.removed, method)];
		return ours && whole ? [{ ...pair, healed: above(ours, whole), cost: [ours.added.mean, whole.added.mean] }] : [];
	});
	if (known.length === 0) continue;
	const rows = known.map(({ size, seed, healed: d, cost: [ours, whole] }) => [size, seed, withError(ours), withError(whole), withError(d)]);
	process.stdout.write(`\n${method}\n${table(["removed", "seed", half, "best of whole blocks", "half-block minus whole"], rows)}\n`);
}
