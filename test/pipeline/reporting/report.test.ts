import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import * as v from "valibot";
import { describe, expect, it } from "vitest";
import type { PruneOptions } from "../../../src/api/index.js";
import { describeBlocks } from "../../../src/model/architectures/index.js";
import { GgufFile } from "../../../src/model/gguf/index.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { type Report, reportSchema } from "../../../src/report/report-data.js";
import { sizesWithout } from "../../../src/pipeline/preflight/model-sizes.js";
import { studentT95 } from "../../../src/game/statistics.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes, small as smallSplits } from "../../helpers/home.js";

const { folder, out, fresh } = ownHomes();
const { report: _, ...small } = { ...smallSplits, search: { workingWeights: "own" } } satisfies PruneOptions;
const readReport = (path: string): Report => v.parse(reportSchema, JSON.parse(readFileSync(path, "utf8")));

describe("the report of a run", () => {
	it("is written beside the plan, and says what the plan and the file say", async () => {
		const output = out();
		const result = await pruneGguf(fixturePath, output, { ...small, search: { method: "auto", maxEvaluations: 120 }, removeBlocks: 3 });
		expect(result.reportPath).toBe(`${output}.report.html`);
		expect(readFileSync(result.reportPath!, "utf8")).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
		const report = readReport(`${output}.report.json`);
		expect(report).toEqual(JSON.parse(JSON.stringify(result.report)));
		const plan = result.plan!;
		const losses = plan.losses.heldOut!;

		const same = plan.tied ? { tied: plan.tied } : {};
		const { by, further } = plan.finalComparison!;
		const finalComparison = { by, further: further.map(({ sets }) => ({ sets })) };
		expect(report.removal).toEqual({ removed: plan.removed, kept: 9, method: plan.method, finalComparison, ...same });
		// Self-generated text is raced by divergence. Each part of further text is another one, and on none are there more sets than before.
		expect(by).toBe("divergence");
		expect(new Set(further.map(({ sha256 }) => sha256)).size).toBe(further.length);
		expect(further.map(({ sets }) => sets)).toEqual(further.map(({ sets }) => sets).sort((a, b) => b - a));
		expect(readFileSync(result.reportPath!, "utf8")).toContain("compared by their divergence from the original model");
		expect(report.output).toMatchObject({ name: basename(output), bytes: readFileSync(output).length });
		expect(report.model).toMatchObject({ name: "fixture-12l.gguf", sha256: plan.model.sha256, bytes: readFileSync(fixturePath).length });
		const [loss, perplexity] = report.quality!.figures;
		const half = studentT95(plan.calibration.heldOut!.count - 1) * losses.standardError!;
		expect(loss).toMatchObject({ before: losses.original.mean, after: losses.pruned.mean, change: losses.difference });
		expect(loss!.interval!.high).toBeCloseTo(losses.difference! + half, 12);
		expect(perplexity!.change).toBeCloseTo(Math.exp(losses.pruned.mean! - losses.original.mean!), 9);
		expect(perplexity!.interval!.low).toBeCloseTo(Math.exp(losses.difference! - half), 9);

		const removed = report.blocks.list.filter(({ state }) => state === "removed").map(({ block }) => block);
		expect(removed).toEqual(plan.removed);
		expect(report.blocks.list.filter(({ state }) => state === "critical").map(({ block }) => block)).toEqual(
			plan.critical.map(({ block }) => block),
		);
		expect(report.blocks.unit).toBe("value");
		// Verdicts of single contributions are not how a set is chosen: next to what became of a block they would be misread.
		for (const block of report.blocks.list)
			expect(["block", "state", "reason", "importance", "interval"]).toEqual(expect.arrayContaining(Object.keys(block)));

		// Every method that was run, and one chosen set.
		const raced = report.curve!.series.filter(({ split }) => split === "validation");
		expect(raced.map(({ method }) => method)).toEqual(expect.arrayContaining(["auto", "leave-one-out"]));
		const points = raced.flatMap((series) => series.points);
		const chosen = points.filter((point) => point.chosen);
		expect(new Set(chosen.map((point) => point.removed.join()))).toEqual(new Set([plan.removed.join()]));
		// Not by the loss on the split: the race uses the divergence, and continues with more text.
		expect(chosen[0]!.added).toBeCloseTo(plan.losses.validation!.difference!, 12);
		expect(points.filter((point) => point.removed.length === 3).length).toBeGreaterThan(1);
		const searched = report.curve!.series.find(({ split }) => split === "search")!;
		expect(searched.points.map((point) => point.removed.length)).toEqual([0, 1, 2, 3]);

		const movable = 12 - plan.critical.length;
		expect(report.interactions!.length).toBe((movable * (movable - 1)) / 2);
		expect(report.surrogate).toMatchObject({ name: "mixed-gp", r2: plan.surrogate!.r2 });
		for (const { low, forecast, high } of report.surrogate!.forecasts ?? []) expect(low < forecast && forecast < high).toBe(true);
		expect(report.reproduce).toMatchObject({ command: plan.command, seed: 0, machine: plan.machine });
		for (const { split, windows, kinds } of report.reproduce.calibration) {
			expect(kinds).toEqual([{ kind: "document", windows }]);
			expect(plan.calibration[split as "search"]!.kinds).toEqual([{ kind: "document", count: windows }]);
		}
		expect(report.timings.map(({ phase }) => phase)).toEqual(expect.arrayContaining(["load", "search", "validation", "figures", "write"]));
	});

	it("has the intervals of single removals, paired by window", async () => {
		const { report, plan } = await pruneGguf(fixturePath, undefined, { ...small, search: { method: "greedy" }, removeBlocks: 2 });
		const { list, unit, estimator } = report!.blocks;
		expect([unit, estimator]).toEqual(["nats", "leave-one-out"]);
		const half = studentT95(plan!.calibration.search!.count - 1);
		for (const { block, importance, interval } of list) {
			const { value, standardError } = plan!.importance!.find((one) => one.block === block)!;
			expect(importance).toBe(value);
			expect(interval!.high - value).toBeCloseTo(half * standardError!, 9);
		}
		// Nothing was written: sizes are those that the file would have.
		expect(report!.output).toBeUndefined();
		expect(report!.verdict.headline).toMatch(/^Removing 2 of 12 blocks/);
		expect(report!.interactions).toBeUndefined();
	});

	it("of a curve has a suggestion and no comparison with the original", async () => {
		const page = `${fresh("curve")}.html`;
		const result = await pruneGguf(fixturePath, undefined, { ...small, report: page });
		expect(result.reportPath).toBe(page);
		const report = readReport(page.replace(".html", ".json"));
		expect(report.verdict.headline).toMatch(/^Sensible: remove /);
		expect([report.verdict.trade, report.quality, report.removal]).toEqual([undefined, undefined, undefined]);
		expect(report.curve!.series.find(({ split }) => split === "validation")!.points.length).toBeGreaterThan(2);
		const chosen = report.curve!.series.flatMap(({ points }) => points.filter((point) => point.chosen));
		expect([...new Set(chosen.map(({ removed }) => removed.join()))]).toEqual([result.suggestion!.removed.join()].filter(Boolean));
	});

	it("has the figures of another metric, and each source", async () => {
		const text = (name: string, sentence: string) => {
			const path = join(folder, name);
			writeFileSync(path, sentence.repeat(60));
			return path;
		};
		const calibration = [
			text("sea.txt", "The whale rose and the ship went down in the foam. "),
			text("land.txt", "A horse ran over the green hill at noon. "),
		];
		const { report, plan } = await pruneGguf(fixturePath, undefined, { ...small, remove: [3], metric: "kl", calibration });
		const kl = plan!.metric!.splits.heldOut!;
		const figures = new Map(report!.quality!.figures.map((figure) => [figure.name, figure]));
		expect(figures.get("kl")).toMatchObject({ after: kl.pruned.mean, unit: "nats per token" });
		// But for the rounding of the distributions that are kept.
		expect(figures.get("kl")!.before).toBeCloseTo(0, 5);
		expect(figures.get("agreement")).toMatchObject({ before: 1, change: kl.figures!.agreement!.difference, unit: "share" });
		expect(report!.quality!.sources!.map(({ name }) => name)).toEqual(kl.sources!.map(({ name }) => name));
		// Three windows of one source and two of the other: one degree of freedom, as in the race.
		for (const name of ["loss", "kl"]) {
			const { change, standardError, interval } = figures.get(name)!;
			expect(interval!.high - change!, name).toBeCloseTo(12.706 * standardError!, 6);
		}
	});
});

describe("the report's files", () => {
	const one = { ...small, remove: [6] } satisfies PruneOptions;

	it("go where they are told, or nowhere", async () => {
		const [output, page, card] = [out(), `${fresh("page")}.htm`, `${fresh("README")}.md`];
		const result = await pruneGguf(fixturePath, output, { ...one, report: page, modelCard: card });
		expect([result.reportPath, result.modelCardPath]).toEqual([page, card]);
		expect(existsSync(page.replace(".htm", ".json"))).toBe(true);
		expect(readFileSync(card, "utf8")).toContain("Nothing was trained afterwards.");
		expect(existsSync(`${output}.report.html`)).toBe(false);
		const silent = out();
		const none = await pruneGguf(fixturePath, silent, { ...one, report: false });
		expect(none.report!.verdict.headline).toContain("Removed 1 of 12 blocks");
		const written = readdirSync(folder).filter((name) => name.startsWith(basename(silent)));
		expect(written.sort()).toEqual([basename(silent), `${basename(silent)}.plan.json`]);
	});

	it.each([
		["html", ".report.html"],
		["JSON", ".report.json"],
	])("never replace another %s unasked, which is found out before anything is measured", async (_name, end) => {
		const output = out();
		writeFileSync(`${output}${end}`, "mine");
		const phases: string[] = [];
		const run = pruneGguf(fixturePath, output, { ...one, onProgress: ({ phase }) => phases.push(phase) });
		await expect(run).rejects.toThrow(`${output}${end} exists`);
		expect([phases, existsSync(output), readFileSync(`${output}${end}`, "utf8")]).toEqual([[], false, "mine"]);
		await pruneGguf(fixturePath, output, { ...one, overwrite: true });
		expect(readFileSync(`${output}${end}`, "utf8")).not.toBe("mine");
	});

	it.each<[string, (output: string) => PruneOptions, RegExp]>([
		["the output", (output) => ({ report: output }), /cannot be both the output and the report: give two names/],
		["the plan", (output) => ({ modelCard: `${output}.plan.json` }), /cannot be both the plan and the model card/],
		["its JSON", (output) => ({ report: `${output}.json` }), /the report is an HTML page.*name it .*\.gguf\.html/],
		["the input", () => ({ report: fixturePath, overwrite: true }), /is the input/],
		["a folder that is not there", (output) => ({ report: `${output}/no/report.html` }), /there is no folder/],
	])("cannot be %s", async (_name, options, message) => {
		const output = out();
		await expect(pruneGguf(fixturePath, output, { ...one, ...options(output) })).rejects.toThrow(message);
		expect(existsSync(output)).toBe(false);
	});

	it("that cannot be written cost a warning, and nothing else", async () => {
		const output = out();
		const page = join(folder, `gone-${basename(output)}`, "report.html");
		mkdirSync(join(page, ".."));
		const warnings: string[] = [];
		const result = await pruneGguf(fixturePath, output, {
			...{ ...one, report: page, modelCard: `${output}.md` },
			onLog: ({ level, message }) => level === "warning" && warnings.push(message),
			// A folder appears at the report's path after the check.
			onProgress: ({ phase }) => phase.startsWith("writing") && mkdirSync(page, { recursive: true }),
		});
		expect(result.reportPath).toBeUndefined();
		expect(warnings).toEqual([expect.stringMatching(/^the report could not be written, nothing else is lost: .*is a folder/)]);
		expect(result.output!.verification).toContain("bit for bit");
		for (const path of [output, `${output}.plan.json`, `${output}.md`, page.replace(".html", ".json")])
			expect(existsSync(path), path).toBe(true);
	});
});

it("sizes without blocks are those of the file that is written", async () => {
	const output = out();
	const { output: written } = await pruneGguf(fixturePath, output, { ...small, remove: [3, 6], report: false });
	const file = await GgufFile.read(fixturePath);
	const sizes = sizesWithout({ file, blocks: describeBlocks(file) })([3, 6]);
	expect(sizes.parameters).toBe(written!.parameters);
	// The header states the origin too, and has fewer tensors.
	expect(Math.abs(sizes.bytes - written!.size)).toBeLessThan(4096);
});
