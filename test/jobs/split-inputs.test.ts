import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { PruneOptions } from "../../src/api/index.js";
import { OutputExistsError } from "../../src/errors.js";
import { applyPlan } from "../../src/jobs/apply.js";
import { compareMethods } from "../../src/jobs/compare/compare.js";
import { findFrontier } from "../../src/jobs/frontier/frontier.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { GgufFile } from "../../src/model/gguf/index.js";
import { fixturePath } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";
import { makeGguf, makeSplitGguf, tinyLlama } from "../helpers/make-gguf.js";

const { folder, fresh } = ownHomes();
const whole = makeGguf(join(folder, "whole.gguf"), tinyLlama());
const [first, second] = makeSplitGguf(folder, "split", tinyLlama(), 3) as [string, string, string];
const overwrite = true;
/** What comes behind the header: the tensors. */
const dataOf = ({ paths, tensors }: GgufFile) => readFileSync(paths[0]!).subarray(Math.min(...tensors.map(({ source }) => source.offset)));
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

it("a split file loses attention parts as the whole one does, and is verified", async () => {
	const written = async (model: string, name: string) => {
		const target = fresh(name);
		const { output } = await applyPlan(model, target, { remove: "1a, 3" });
		expect(output?.verification).toContain("bit for bit");
		return GgufFile.read(target);
	};
	const [one, other] = [await written(first, "of-split.gguf"), await written(whole, "of-whole.gguf")];
	expect([one.architecture, one.array("deci.attention.head_count")]).toEqual(["deci", other.array("deci.attention.head_count")]);
	expect(one.array("deci.attention.head_count")?.map(Number)).toContain(0);
	expect(one.tensors.map(({ name }) => name)).toEqual(other.tensors.map(({ name }) => name));
	expect(one.tensors.some(({ name }) => name.startsWith("blk.1.attn"))).toBe(false);
	expect(dataOf(one).equals(dataOf(other))).toBe(true);
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
