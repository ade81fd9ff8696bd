import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { PruneOptions } from "../../src/api/index.js";
import { OutputExistsError } from "../../src/errors.js";
import { applyPlan } from "../../src/jobs/apply.js";
import { compareMethods } from "../../src/jobs/compare/compare.js";
import { findFrontier } from "../../src/jobs/frontier/frontier.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { fixturePath } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";
import { makeGguf, makeSplitGguf, tinyLlama } from "../helpers/make-gguf.js";

const { folder, fresh } = ownHomes();
const whole = makeGguf(join(folder, "whole.gguf"), tinyLlama());
const [first, second] = makeSplitGguf(folder, "split", tinyLlama(), 3) as [string, string, string];
const overwrite = true;
const remove = [1];
const quantizing = { quantize: { type: "Q8_0", from: first } } satisfies PruneOptions;

it.each([
	["prune", () => pruneGguf(first, second, { ...small, remove, overwrite })],
	["prune, its plan", () => pruneGguf(first, undefined, { ...small, remove, plan: second, overwrite })],
	["prune, its report", () => pruneGguf(first, undefined, { ...small, remove, report: second, overwrite })],
	["prune --quantize-from", () => pruneGguf(whole, second, { ...small, remove, ...quantizing, overwrite })],
	["apply", () => applyPlan(first, second, { remove, overwrite })],
	["apply --quantize-from", () => applyPlan(whole, second, { remove, ...quantizing, overwrite })],
	["frontier", () => findFrontier(first, { saveResult: second, overwrite })],
	["frontier --quantize-from", () => findFrontier(whole, { quantize: { from: first }, saveResult: second, overwrite })],
	["compare", () => compareMethods(first, { saveResult: second, removeBlocks: [1], overwrite })],
])("%s never overwrites another shard of a model that it reads", async (_, job) => {
	const before = readFileSync(second);
	const error = await job().then(
		() => undefined,
		(reason: unknown) => reason,
	);
	expect(error).toBeInstanceOf(OutputExistsError);
	expect((error as Error).message).toContain(`${second} is the input ${second}: an input is never overwritten`);
	expect(readFileSync(second).equals(before)).toBe(true);
});

it("apply never overwrites its plan, nor the text that its limits are measured on", async () => {
	const { planPath } = await pruneGguf(fixturePath, undefined, { ...small, remove: [6] });
	const plan = fresh("plan.json");
	copyFileSync(planPath!, plan);
	await expect(applyPlan(fixturePath, plan, { plan, overwrite })).rejects.toThrow(/an input is never overwritten/);
	const calibration = fresh("text.txt");
	copyFileSync(planPath!, calibration);
	const limited = { plan, limits: { maxPplRatio: 2 }, calibration: [calibration], overwrite };
	await expect(applyPlan(fixturePath, calibration, limited)).rejects.toThrow(/an input is never overwritten/);
});
