import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InvalidOptionError, QuantizeError } from "../../src/errors.js";
import { Coalition } from "../../src/game/coalition.js";
import { pruneGguf } from "../../src/prune.js";
import { Model } from "../../src/runtime/model.js";
import { quantizeFile } from "../../src/runtime/quantize.js";
import { betterShape, usualShape } from "../../src/runtime/shape.js";
import { workingCopy } from "../../src/runtime/working-copy.js";
import { chooseSweep, weightsOption } from "../../src/working-weights.js";
import { blocks, fixturePath, fixtureWindows, fullSet, mean, removing } from "../helpers/fixture.js";
import { tempFolder } from "../helpers/temp-folder.js";

const folder = tempFolder();
let model: Model;
beforeAll(async () => {
	process.env.PRUNE_GGUF_HOME = join(folder, "home");
	model = await Model.load(fixturePath, { threads: 2 });
});
afterAll(() => model.dispose());

const windows = fixtureWindows(4);
const quiet = () => {};

describe("a working copy", () => {
	it("computes nearly what the model does, in memory: its file is gone", async () => {
		const path = join(folder, "copy.gguf");
		const copy = await workingCopy(model, "F16", path, { threads: 2 });
		expect(readdirSync(folder)).not.toContain("copy.gguf");
		const masks = [fullSet, removing(3, 6)];
		const own = await model.createEvaluator().evaluate(masks, windows);
		const other = await copy.createEvaluator().evaluate(masks, windows);
		masks.forEach((_, i) => {
			expect(Math.abs(mean(own[i]!.losses) - mean(other[i]!.losses))).toBeLessThan(0.02);
		});
		await copy.dispose();
	});

	it("leaves no file where it fails or is aborted", async () => {
		const path = join(folder, "no.gguf");
		await expect(quantizeFile(join(folder, "missing.gguf"), path, "Q8_0")).rejects.toThrow(QuantizeError);
		await expect(quantizeFile(fixturePath, path, "Q9" as "Q8_0")).rejects.toThrow(InvalidOptionError);
		const controller = new AbortController();
		const job = quantizeFile(fixturePath, path, "Q8_0", {
			signal: controller.signal,
			onProgress: () => controller.abort(new Error("enough")),
		});
		await expect(job).rejects.toThrow("enough");
		expect(readdirSync(folder)).not.toContain("no.gguf");
	});
});

describe("the choice of a sweep", () => {
	it("measures nothing for a few masks", async () => {
		const { choice, copy } = await chooseSweep(model, windows, 20, folder, "CPU", "auto", {}, quiet);
		expect([choice.weights, choice.tokensPerSecond, copy]).toEqual(["own", 0, undefined]);
	});

	it("takes no copy where the sweep is short, and the one that was asked for", async () => {
		const short = await chooseSweep(model, windows, 100, folder, "CPU", "auto", {}, quiet);
		expect([short.choice.weights, short.copy]).toEqual(["own", undefined]);
		expect(short.choice.tokensPerSecond).toBeGreaterThan(0);
		const asked = await chooseSweep(model, windows, 100, folder, "CPU", "F16", {}, quiet);
		expect(asked.choice.weights).toBe("F16");
		expect(asked.copy?.facts.blocks).toBe(blocks);
		await asked.copy?.dispose();
	});

	it("knows its words", () => {
		expect(weightsOption("auto")).toBe("auto");
		expect(() => weightsOption("Q9")).toThrow(InvalidOptionError);
	});
});

it("a shape is one that was tried", async () => {
	const usual = await usualShape(model, fullSet, fixtureWindows(), 1);
	expect([usual.ubatch, usual.threads]).toEqual([512, 1]);
	expect(usual.tokensPerSecond).toBeGreaterThan(0);
	const better = await betterShape(model, fullSet, fixtureWindows(), usual, true);
	expect([128, 256, 512, 1024]).toContain(better.ubatch);
	expect(better.threads).toBe(1);
	expect(better.tokensPerSecond).toBeGreaterThanOrEqual(usual.tokensPerSecond);
	const impossible = { ...usual, tokensPerSecond: 1e12 };
	expect(await betterShape(model, fullSet, windows, impossible, false)).toEqual(impossible);
});

it("a search on a copy decides and reports on the model's own weights, and a resumed one needs no copy for what it knows", async () => {
	const logged: string[] = [];
	const options = {
		removeBlocks: 2,
		windows: 3,
		workingWeights: "F16" as const,
		onLog: ({ message }: { message: string }) => logged.push(message),
	};
	const first = await pruneGguf(fixturePath, join(folder, "a.gguf"), options);
	expect(logged.join("\n")).toContain("searching on a F16 copy");
	expect(first.plan?.machine).toMatchObject({ weights: "F16" });
	const plan = first.plan!;
	const kept = readdirSync(join(folder, "home", "runs"), { recursive: true, withFileTypes: true }).filter((entry) =>
		entry.name.endsWith(".json"),
	);
	const folds = kept
		.map((entry) => JSON.parse(readFileSync(join(entry.parentPath, entry.name), "utf8")) as { folds?: Record<string, number[]> })
		.find(({ folds }) => folds?.report?.length === 5 * 128)!.folds!;
	const report = { tokens: Int32Array.from(folds.report!), count: 5, length: 128 };
	const [own] = await model.createEvaluator().evaluate([Coalition.ofRemoved(blocks, plan.removed)], report);
	expect(plan.losses.report!.removed.windows).toEqual([...own!.losses]);

	logged.length = 0;
	const again = await pruneGguf(fixturePath, join(folder, "b.gguf"), options);
	expect(again.plan!.removed).toEqual(plan.removed);
	expect(logged.join("\n")).toContain("used again");
	expect(logged.join("\n")).not.toContain("searching on");
	expect(readdirSync(join(folder, "home"), { recursive: true }).filter((name) => String(name).includes("working-"))).toEqual([]);
});
