import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import type { PruneOptions } from "../../src/api.js";
import { applyPlan } from "../../src/apply.js";
import { FileError, InvalidOptionError, InvalidPlanError, OutputExistsError, VerificationError } from "../../src/errors.js";
import { encodeEntry, GgufFile } from "../../src/gguf/index.js";
import { inspectModel } from "../../src/inspect.js";
import { pruneGguf } from "../../src/prune.js";
import { rankBlocks } from "../../src/rank.js";
import { Model } from "../../src/runtime/model.js";
import { identityOf } from "../../src/storage/hash.js";
import { Ledger } from "../../src/storage/ledger.js";
import { readPlan } from "../../src/storage/plan.js";
import { listRuns } from "../../src/storage/runs.js";
import { writePruned } from "../../src/write.js";
import { changedFixture, fixturePath, fixtureWindows, removing } from "../helpers/fixture.js";
import { tempFolder } from "../helpers/temp-folder.js";

const folder = tempFolder();
let runs = 0;
let home: string;
/** Small folds: what is tested does not depend on how much text there is. */
const small = { windows: 3, windowLength: 32, threads: 2 } satisfies PruneOptions;

// Each test measures by itself, unless it says otherwise.
beforeEach(() => {
	home = join(folder, `home-${runs++}`);
	process.env.PRUNE_GGUF_HOME = home;
});
const out = () => join(folder, `out-${runs++}.gguf`);

/** All measurements kept: `<ledger> <mask>` to losses. */
async function measured(): Promise<Map<string, string>> {
	const all = new Map<string, string>();
	for (const { ledgers } of await listRuns({ cache: home })) {
		for (const { path } of ledgers) {
			for (const { coalition, losses } of (await Ledger.read(path)).measurements)
				all.set(`${basename(path)} ${coalition.key}`, [...losses].join());
		}
	}
	return all;
}

describe("pruneGguf", () => {
	it.each<[string, PruneOptions, number]>([
		["greedy", { removeBlocks: 3 }, 3],
		["leave-one-out", { method: "leave-one-out", removeBlocks: 2 }, 2],
		["the paper's method", { method: "paper", masks: 60, attributionMasks: 500, epochs: 20, removeBlocks: 2 }, 2],
		["a given list", { remove: [9, 3, 9] }, 2],
		["a fraction", { method: "leave-one-out", removeFraction: 0.25 }, 3],
	])("by %s writes a model that computes what was measured, and a plan", async (_, options, count) => {
		const output = out();
		const phases = new Set<string>();
		const result = await pruneGguf(fixturePath, output, { ...small, ...options, onProgress: ({ phase }) => phases.add(phase) });
		const plan = await readPlan(`${output}.plan.json`);
		expect(result.planPath).toBe(`${output}.plan.json`);
		expect(plan.removed.length).toBe(count);
		expect(plan.kept).toBe(12 - count);
		if (options.remove) expect(plan.removed).toEqual([3, 9]);
		expect(plan.model).toMatchObject({ name: "fixture-12l.gguf", architecture: "llama", blocks: 12 });
		expect(result.output?.verification).toContain("bit for bit");
		expect(result.output?.size).toBe(readFileSync(output).length);
		expect(phases).toContain("verifying the written file");

		const file = await GgufFile.read(output);
		expect(file.number("llama.block_count")).toBe(12 - count);
		expect(file.array("prune_gguf.removed_blocks")).toEqual(plan.removed);
		expect(file.number("prune_gguf.source_block_count")).toBe(12);
		expect(file.string("prune_gguf.source_sha256")).toBe(plan.model.sha256);
		expect(file.string("prune_gguf.version")).toMatch(/^\d+\.\d+\.\d+/);
		expect((await inspectModel(output)).pruned).toContain(plan.removed.join(", "));

		const again = out();
		await applyPlan(fixturePath, again, { plan: result.planPath! });
		expect(readFileSync(again).equals(readFileSync(output))).toBe(true);
		const listed = out();
		await applyPlan(fixturePath, listed, { remove: [...plan.removed].reverse() });
		expect(readFileSync(listed).equals(readFileSync(output))).toBe(true);
	});

	it("finds the block whose removal costs least on the search text, and says what the validation text makes of it", async () => {
		const output = out();
		const { plan } = await pruneGguf(fixturePath, output, { ...small, removeBlocks: 1 });
		const cheapest = [...plan!.contributions!].sort((a, b) => a.value - b.value)[0]!.block;
		expect(plan!.removed).toEqual([cheapest]);
		const { search } = plan!.losses as Record<string, { difference: number }>;
		expect(search!.difference).toBeCloseTo(plan!.contributions!.find(({ block }) => block === cheapest)!.value, 9);
	});

	it("without an amount shows the curve, writes nothing, and its commands measure no set again", async () => {
		const before = readdirSync(folder).filter((name) => name.endsWith(".gguf")).length;
		const result = await pruneGguf(fixturePath, undefined, small);
		expect(result.plan).toBeUndefined();
		expect(result.output).toBeUndefined();
		expect(readdirSync(folder).filter((name) => name.endsWith(".gguf")).length).toBe(before);
		expect(result.curve.map((point) => point.removed.length)).toEqual([0, 1, 2, 3, 4]);
		expect(result.curve[0]!.added).toBe(0);
		expect(result.suggestion?.reason).toBeTruthy();
		expect(result.commands.length).toBeGreaterThan(0);
		const curve = await measured();

		for (const command of result.commands) {
			const blocks = Number(/--remove-blocks (\d+)/.exec(command)![1]);
			expect(command).toContain(`--windows 3 --window-length 32`);
			const output = out();
			const written = await pruneGguf(fixturePath, output, { ...small, removeBlocks: blocks });
			expect(written.plan?.removed).toEqual(result.curve[blocks]!.removed);
			const now = await measured();
			for (const [key, losses] of curve) expect(now.get(key)).toBe(losses);
			// The report fold is for the final figures only: the full model (once) and the chosen set.
			const fresh = [...now.keys()].filter((key) => !curve.has(key));
			const ledgers = new Set(fresh.map((key) => key.split(" ")[0]));
			expect(ledgers.size).toBe(1);
			expect(fresh.length).toBeLessThanOrEqual(1 + result.commands.length);
		}
		const all = (await measured()).size;
		await pruneGguf(fixturePath, out(), { ...small, removeBlocks: Number(/--remove-blocks (\d+)/.exec(result.commands[0]!)![1]) });
		expect((await measured()).size).toBe(all);
	});

	it("as a dry run writes nothing and says what it would measure", async () => {
		const output = out();
		const result = await pruneGguf(fixturePath, output, { ...small, removeBlocks: 2, dryRun: true });
		expect(existsSync(output)).toBe(false);
		expect(existsSync(`${output}.plan.json`)).toBe(false);
		expect(result.estimate!.masks).toBeGreaterThan(12);
		expect(result.estimate!.seconds).toBeGreaterThan(0);
		expect((await measured()).size).toBeLessThanOrEqual(1);
	});

	it("gives the same plan for the same seed", async () => {
		const first = await pruneGguf(fixturePath, undefined, { ...small, removeBlocks: 2, seed: 4 });
		process.env.PRUNE_GGUF_HOME = `${home}-other`;
		const second = await pruneGguf(fixturePath, undefined, { ...small, removeBlocks: 2, seed: 4 });
		expect(second.plan?.removed).toEqual(first.plan?.removed);
		expect(second.plan?.losses).toEqual(first.plan?.losses);
		expect(second.plan?.calibration).toEqual(first.plan?.calibration);
	});

	it("goes on where it was aborted, measures nothing twice, and ends as a straight run does", async () => {
		const straight = await pruneGguf(fixturePath, undefined, { ...small, removeBlocks: 3 });
		const whole = await measured();
		for (const stopAfter of [1, 5, 14, 20]) {
			home = join(folder, `home-${runs++}`);
			process.env.PRUNE_GGUF_HOME = home;
			const controller = new AbortController();
			const reason = new Error("stopped");
			let masks = 0;
			let last = "";
			const job = pruneGguf(fixturePath, undefined, {
				...small,
				removeBlocks: 3,
				signal: controller.signal,
				onProgress: ({ unit, phase, done }) => {
					const step = `${phase} ${done}`;
					if (unit === "masks" && done > 0 && step !== last && ++masks === stopAfter) controller.abort(reason);
					last = step;
				},
			});
			await expect(job).rejects.toBe(reason);
			const kept = await measured();
			expect(kept.size).toBeGreaterThanOrEqual(stopAfter);
			const resumed = await pruneGguf(fixturePath, undefined, { ...small, removeBlocks: 3 });
			expect(resumed.plan?.removed).toEqual(straight.plan?.removed);
			expect(resumed.plan?.losses).toEqual(straight.plan?.losses);
			expect(await measured()).toEqual(whole);
			for (const [key, losses] of kept) expect(whole.get(key)).toBe(losses);
		}
	});
});

describe("pruneGguf refuses", () => {
	const attempt = (options: PruneOptions, output = out(), model = fixturePath) => pruneGguf(model, output, { ...small, ...options });

	it("more blocks than can go, and says how many can", async () => {
		await expect(attempt({ removeBlocks: 12 })).rejects.toThrow(InvalidOptionError);
		await expect(attempt({ removeBlocks: 12 })).rejects.toThrow(/at most 11/);
		await expect(attempt({ removeFraction: 0.99 })).rejects.toThrow(/at most 11/);
		await expect(attempt({ removeFraction: 0.01 })).rejects.toThrow(/less than one block/);
	});

	it.each<[string, PruneOptions]>([
		["two amounts", { removeBlocks: 2, remove: [1] }],
		["no block", { removeBlocks: 0 }],
		["half a block", { removeBlocks: 1.5 }],
		["all of it", { removeFraction: 1 }],
		["an empty list", { remove: [] }],
		["a block that is not there", { remove: [12] }],
		["all blocks", { remove: Array.from({ length: 12 }, (_, i) => i) }],
		["one window", { removeBlocks: 1, windows: 1 }],
		["windows beyond the context", { removeBlocks: 1, windowLength: 257 }],
	])("%s", async (_, options) => {
		await expect(attempt(options)).rejects.toThrow(InvalidOptionError);
	});

	it("to write over something, or over its input", async () => {
		const output = out();
		writeFileSync(output, "mine");
		await expect(attempt({ removeBlocks: 1 }, output)).rejects.toThrow(OutputExistsError);
		expect(readFileSync(output, "utf8")).toBe("mine");
		const model = await changedFixture(out(), (content) => content);
		const bytes = await readFile(model);
		await expect(attempt({ removeBlocks: 1, overwrite: true }, model, model)).rejects.toThrow(/input/);
		expect((await readFile(model)).equals(bytes)).toBe(true);
		await attempt({ remove: [6], overwrite: true }, output);
		expect((await GgufFile.read(output)).number("llama.block_count")).toBe(11);
	});

	it("an output that is the plan too", async () => {
		const output = out();
		await expect(attempt({ remove: [6], plan: output }, output)).rejects.toThrow(InvalidOptionError);
		expect(existsSync(output)).toBe(false);
	});

	it("a folder that is not there or cannot be written", async () => {
		await expect(attempt({ remove: [6] }, join(folder, "nowhere", "out.gguf"))).rejects.toThrow(FileError);
		await expect(attempt({ remove: [6] }, folder)).rejects.toThrow(FileError);
		const file = join(folder, `file-${runs++}`);
		writeFileSync(file, "");
		await expect(attempt({ remove: [6] }, join(file, "out.gguf"))).rejects.toThrow(/not a folder/);
	});

	// Root may write to any folder but those of the system itself, which have no room either.
	it.skipIf(process.platform !== "linux")("a folder that nobody can write to", async () => {
		await expect(applyPlan(fixturePath, "/proc/out.gguf", { remove: [6] })).rejects.toMatchObject({
			code: expect.stringMatching(/^(NO_SPACE|FILE_ERROR)$/),
		});
	});

	it("models of an architecture whose blocks cannot go", async () => {
		const path = await changedFixture(out(), (content) => ({
			...content,
			entries: content.entries.map((item) =>
				item.key === "general.architecture" ? encodeEntry("general.architecture", "string", "nothing-known") : item,
			),
		}));
		await expect(attempt({ removeBlocks: 1 }, out(), path)).rejects.toMatchObject({
			code: expect.stringMatching(/UNSUPPORTED_ARCHITECTURE|MODEL_LOAD_FAILED/),
		});
	});
});

describe("applyPlan refuses", () => {
	it("plans of another model, and lists that cannot go", async () => {
		const output = out();
		const { planPath } = await pruneGguf(fixturePath, output, { ...small, remove: [6] });
		await expect(applyPlan(output, out(), { plan: planPath! })).rejects.toThrow(InvalidPlanError);
		await expect(applyPlan(fixturePath, out(), { remove: [12] })).rejects.toThrow(InvalidOptionError);
		await expect(applyPlan(fixturePath, out(), {})).rejects.toThrow(InvalidOptionError);
		await expect(applyPlan(fixturePath, out(), { remove: [1], plan: planPath! })).rejects.toThrow(InvalidOptionError);
		await expect(applyPlan(fixturePath, output, { remove: [1] })).rejects.toThrow(OutputExistsError);
	});

	it("nothing that was pruned before: it can be pruned again, and remembers", async () => {
		const [once, twice] = [out(), out()];
		await applyPlan(fixturePath, once, { remove: [6] });
		await applyPlan(once, twice, { remove: [0, 10] });
		const file = await GgufFile.read(twice);
		expect(file.array("prune_gguf.removed_blocks")).toEqual([0, 10]);
		expect(file.number("prune_gguf.source_block_count")).toBe(11);
		expect(JSON.parse(String(file.array("prune_gguf.history")![0]))).toMatchObject({ removed_blocks: [6], source_block_count: 12 });
	});
});

describe("a written file that computes something else", () => {
	it("is not left under its name", async () => {
		const output = out();
		const windows = fixtureWindows(2, 64);
		const model = await Model.load(fixturePath, { threads: 2 });
		const [expected] = await model.createEvaluator().evaluate([removing(3)], windows);
		await model.dispose();
		const sha256 = await identityOf(model.file.paths);
		const write = (losses: Float64Array, exact: boolean) =>
			writePruned(model.file, output, [3], sha256, { windows, losses, threads: 2, exact }, {});
		const before = readdirSync(folder);
		// One bit of one window.
		const off = expected!.losses.slice();
		new BigUint64Array(off.buffer)[1]! ^= 1n;
		await expect(write(off, true)).rejects.toThrow(VerificationError);
		await expect(
			write(
				expected!.losses.map((loss) => loss + 0.01),
				false,
			),
		).rejects.toThrow(VerificationError);
		await expect(
			write(
				expected!.losses.map(() => Number.NaN),
				true,
			),
		).rejects.toThrow(VerificationError);
		await expect(write(expected!.losses.slice(1), true)).rejects.toThrow(VerificationError);
		expect(readdirSync(folder)).toEqual(before);
		await write(off, false);
		expect(existsSync(output)).toBe(true);
	});
});

it("rankBlocks says what each block's removal adds", async () => {
	const { contributions, loss, model } = await rankBlocks(fixturePath, small);
	expect(model.blocks).toBe(12);
	expect(contributions.map(({ block }) => block)).toEqual(Array.from({ length: 12 }, (_, i) => i));
	expect(loss).toBeGreaterThan(1);
	const values = contributions.map(({ value }) => value);
	expect(values.indexOf(Math.max(...values))).toBe(0);
});
