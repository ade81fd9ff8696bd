import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import type { PruneOptions } from "../../../src/api/index.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import * as time from "../../../src/pipeline/quantizing/time.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";
import { thorough } from "../../helpers/slow.js";

vi.mock("../../../src/pipeline/quantizing/time.js", { spy: true });
const { out, home } = ownHomes();
afterEach(() => {
	vi.mocked(time.quantizingSeconds).mockReset();
});
const quick = { ...small, search: { effort: "quick" } } as const;
const estimateOf = async (options: PruneOptions) => (await pruneGguf(fixturePath, out(), { ...small, ...options, dryRun: true })).estimate!;
const secondsOf = ({ steps }: Awaited<ReturnType<typeof estimateOf>>, step: string) => steps.find(({ name }) => name === step)!.seconds!;

it("counts the reference logits of --max-kl, and what is compared with them", async () => {
	// 5 windows of 32 tokens in the held-out split, 3 in the others.
	const tokensOf = async (options: PruneOptions) => (await estimateOf(options)).tokens;
	const named = await tokensOf({ remove: [3, 5] });
	expect(await tokensOf({ remove: [3, 5], limits: { maxKl: 1 } })).toBe(named + 2 * 160);
	expect(await tokensOf({ remove: [3, 5], limits: { maxPplRatio: 2 } })).toBe(named);
	// The metric kl has them already.
	const kl = await tokensOf({ remove: [3, 5], metric: "kl" });
	expect(await tokensOf({ remove: [3, 5], metric: "kl", limits: { maxKl: 1 } })).toBe(kl);
	// Limits decide on the validation split too, if no comparison by the divergence has figures of it.
	const gate = await tokensOf({ ...quick, limits: { maxPplRatio: 2 } });
	expect(await tokensOf({ ...quick, limits: { maxKl: 1 } })).toBe(gate + 2 * 160);
	// A method with one candidate of each size compares none, so the limits have the figures measured.
	const alone = { ...small, search: { method: "leave-one-out", granularity: "block" } } as const;
	const one = await tokensOf({ ...alone, limits: { maxPplRatio: 2 } });
	expect(await tokensOf({ ...alone, limits: { maxKl: 1 } })).toBe(one + 2 * 160 + 2 * 96);
	const copied = { ...quick, search: { ...quick.search, workingWeights: "F16" } } as const;
	await pruneGguf(fixturePath, undefined, { ...copied, removeBlocks: 1 });
	const onCopy = await tokensOf({ ...copied, limits: { maxPplRatio: 2 } });
	expect(await tokensOf({ ...copied, limits: { maxKl: 1 } })).toBe(onCopy + 2 * 160 + 2 * 96);
});

it("counts making the copy of the model on which an earlier search goes on", async () => {
	const options = { ...small, removeBlocks: 1, search: { effort: "quick", workingWeights: "F16", maxEvaluations: 20 } } as const;
	const typesOf = () => vi.mocked(time.quantizingSeconds).mock.calls.flatMap(([{ types }]) => types);
	await estimateOf(options);
	// Nothing is known yet of what the search will run on.
	expect(typesOf()).not.toContain("F16");
	await pruneGguf(fixturePath, undefined, options);
	vi.mocked(time.quantizingSeconds).mockClear();
	vi.mocked(time.quantizingSeconds).mockImplementation(async ({ types }) => (types.includes("F16") ? 1000 : 0));
	const more = { ...options, search: { ...options.search, maxEvaluations: 60 } };
	expect(secondsOf(await estimateOf(more), "Preparing text")).toBeGreaterThan(1000);
	expect(typesOf()).toContain("F16");
	// It is made when something is measured first, has not passed before, and is within a limit of time.
	expect((await estimateOf({ ...more, search: { ...more.search, maxTime: 500 } })).seconds).toBeLessThan(500);
	vi.mocked(time.quantizingSeconds).mockClear();
	// Nothing is searched, or all is known.
	await estimateOf({ ...options, removeBlocks: undefined, search: { workingWeights: "F16" }, remove: [3, 5] });
	await estimateOf(options);
	expect(typesOf()).not.toContain("F16");
});

it.runIf(thorough)("counts of healing named blocks what an earlier run has not kept", async () => {
	const options = { ...small, remove: [3, 6], heal: { tokens: 1024, type: "F16" } } as const;
	const before = secondsOf(await estimateOf(options), "Healing");
	await pruneGguf(fixturePath, out(), options);
	const after = secondsOf(await estimateOf(options), "Healing");
	expect(after).toBeLessThan(before / 2);
	// Others are healed anew.
	expect(secondsOf(await estimateOf({ ...options, remove: [3, 7] }), "Healing")).toBeGreaterThan(after);
});

it.runIf(thorough)(
	"has trying what the search runs on, if an earlier run knows how long that takes, and no speed that is cached now",
	async () => {
		const options = { ...small, removeBlocks: 2, search: { maxEvaluations: 100, granularity: "block" } } as const;
		const preparing = async (more: PruneOptions = {}) => secondsOf(await estimateOf({ ...options, ...more }), "Preparing text");
		expect(await preparing()).toBeLessThan(100);
		await pruneGguf(fixturePath, undefined, options);
		const files = readdirSync(join(home(), "runs"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".speed.json"));
		expect(files).toHaveLength(1);
		const path = join(home(), "runs", files[0]!);
		expect(JSON.parse(readFileSync(path, "utf8")).trialSeconds).toBeGreaterThan(0);
		writeFileSync(path, JSON.stringify({ trialSeconds: 1000 }));
		// The same search goes on with what was found; another text is tried anew, but not for a few candidates.
		expect(await preparing()).toBeLessThan(100);
		expect(await preparing({ search: { ...options.search, seed: 1 } })).toBeGreaterThan(1000);
		expect(await preparing({ search: { ...options.search, seed: 1, maxEvaluations: 40 } })).toBeLessThan(100);
		expect(await preparing({ search: { seed: 1 }, removeBlocks: undefined, remove: [3, 5] })).toBeLessThan(100);
		// What a dry run measures for a target is measured.
		const begun = performance.now();
		const seconds = await preparing({ removeBlocks: undefined, targetSpeedup: 1.1 });
		expect(seconds).toBeLessThan((performance.now() - begun) / 2000);
	},
);
