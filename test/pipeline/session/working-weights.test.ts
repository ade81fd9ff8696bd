import { readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { PruneOptions } from "../../../src/api/index.js";
import { InvalidOptionError, QuantizeError } from "../../../src/errors.js";
import { Coalition } from "../../../src/game/coalition.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { rankBlocks } from "../../../src/jobs/rank.js";
import { Model } from "../../../src/model/runtime/model.js";
import { quantizeFile } from "../../../src/model/runtime/quantize.js";
import { betterShape, timeUsualShape } from "../../../src/model/runtime/shape.js";
import { workingCopy } from "../../../src/model/runtime/working-copy.js";
import { Session } from "../../../src/pipeline/session/session.js";
import { chooseSweep, isLong, weightsOption } from "../../../src/pipeline/session/working-weights.js";
import { blocks, fixturePath, fixtureWindows, fullSet, mean, removing } from "../../helpers/fixture.js";
import { tempFolder } from "../../helpers/temp-folder.js";
import { watching } from "../../helpers/progress.js";
import { firstOf, thorough } from "../../helpers/slow.js";

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
	it("computes nearly what the model does, in memory: its file is deleted", async () => {
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
		const { choice, copy } = await chooseSweep(
			{ model, windows, masks: 20, long: isLong(20, "auto"), folder, backend: "CPU", wanted: "auto", log: quiet },
			{},
		);
		expect([choice.weights, choice.tokensPerSecond, copy]).toEqual(["own", 0, undefined]);
	});

	it("measures nothing where the options name threads, ubatch and weights", async () => {
		const phases: string[] = [];
		const options = { threads: 1, ubatch: 64, progress: watching(({ phase }) => phases.push(phase)) };
		const { choice } = await chooseSweep(
			{ model, windows, masks: 1000, long: true, folder, backend: "CPU", wanted: "own", log: quiet },
			options,
		);
		expect([choice, phases]).toEqual([{ weights: "own", threads: 1, ubatch: 64, tokensPerSecond: 0 }, []]);
		const asked = await chooseSweep(
			{ model, windows, masks: 1000, long: true, folder, backend: "CPU", wanted: "F16", log: quiet },
			options,
		);
		expect(asked.choice).toMatchObject({ weights: "F16", threads: 1, ubatch: 64 });
		await asked.copy?.dispose();
	});

	it("takes no copy where the sweep is short, and the one that was asked for", async () => {
		const short = await chooseSweep({ model, windows, masks: 100, long: true, folder, backend: "CPU", wanted: "auto", log: quiet }, {});
		expect([short.choice.weights, short.copy]).toEqual(["own", undefined]);
		expect(short.choice.tokensPerSecond).toBeGreaterThan(0);
		const asked = await chooseSweep({ model, windows, masks: 100, long: true, folder, backend: "CPU", wanted: "F16", log: quiet }, {});
		expect(asked.choice.weights).toBe("F16");
		expect(asked.copy?.facts.blocks).toBe(blocks);
		await asked.copy?.dispose();
	});

	it("tries copies for a long sweep by itself, and none of weights that are fast already or on a graphics device", async () => {
		const tried = async (of: Model, backend: string) => {
			const phases = new Set<string>();
			const progress = watching(({ phase }) => phases.add(phase));
			const { choice, copy } = await chooseSweep(
				{ model: of, windows, masks: 1e7, long: isLong(1e7, "auto"), folder, backend, wanted: "auto", log: quiet },
				{ progress },
			);
			// Which one is taken depends on what this machine runs fastest.
			expect(copy === undefined).toBe(choice.weights === "own");
			await copy?.dispose();
			return [...phases].filter((phase) => phase.includes("copy"));
		};
		const path = join(folder, "slow.gguf");
		await quantizeFile(fixturePath, path, "Q4_0");
		const slow = await Model.load(path, { threads: 2 });
		expect(await tried(slow, "CPU")).toEqual(["making a Q8_0 copy in memory", "making a F16 copy in memory"]);
		expect(await tried(slow, "CUDA0").finally(() => slow.dispose())).toEqual([]);
		// The fixture's own weights are Q8_0.
		expect(await tried(model, "CPU")).toEqual([]);
	});

	it("tries nothing where the run must soon be over, which binds no later search of the text", async () => {
		const soon = Date.now() + 80_000;
		expect([isLong(1e7, "auto", soon), isLong(1e7, "own", soon), isLong(1e7, "Q8_0", soon)]).toEqual([false, false, true]);
		expect(isLong(1e7, "auto", soon + 80_000)).toBe(true);
		const path = join(folder, "hurried.gguf");
		await quantizeFile(fixturePath, path, "Q4_0");
		const tried = async (until?: number) => {
			const phases = new Set<string>();
			const options = { windows: 4, windowLength: 32, threads: 2, progress: watching(({ phase }) => phases.add(phase)) };
			const session = await Session.open(path, options, { masks: 1e7, weights: "auto", until });
			await session.close();
			return [...phases].filter((phase) => /copy|settings/.test(phase));
		};
		expect(await tried(soon)).toEqual([]);
		expect(await tried()).toEqual(expect.arrayContaining(["finding the fastest settings", "making a Q8_0 copy in memory"]));
	});

	it("knows its words", () => {
		expect(weightsOption("auto")).toBe("auto");
		expect(() => weightsOption("Q9")).toThrow(InvalidOptionError);
	});
});

it("a shape is one that was tried", async () => {
	const usual = await timeUsualShape(model, fullSet, fixtureWindows(), { threads: 1 });
	expect([usual.ubatch, usual.threads]).toEqual([512, 1]);
	expect(usual.tokensPerSecond).toBeGreaterThan(0);
	const better = await betterShape(model, fullSet, fixtureWindows(), { start: usual, fixed: { threads: true } });
	expect([128, 256, 512, 1024]).toContain(better.ubatch);
	expect(better.threads).toBe(1);
	expect(better.tokensPerSecond).toBeGreaterThanOrEqual(usual.tokensPerSecond);
	const impossible = { ...usual, tokensPerSecond: 1e12 };
	expect(await betterShape(model, fullSet, windows, { start: impossible })).toEqual(impossible);
});

it.runIf(thorough)(
	"a search on a copy decides and reports on the model's own weights, and a resumed one needs no copy for what it knows",
	async () => {
		const logged: string[] = [];
		const options = {
			removeBlocks: 2,
			windows: 3,
			search: { workingWeights: "F16" as const, granularity: "block" as const },
			onLog: ({ message }: { message: string }) => logged.push(message),
		};
		const first = await pruneGguf(fixturePath, join(folder, "a.gguf"), options);
		expect(logged.join("\n")).toContain("the search uses a F16 copy");
		expect(first.plan?.machine).toMatchObject({ weights: "F16" });
		const plan = first.plan!;
		const kept = readdirSync(join(folder, "home", "runs"), { recursive: true, withFileTypes: true }).filter((entry) =>
			entry.name.endsWith(".json"),
		);
		const splits = kept
			.map((entry) => JSON.parse(readFileSync(join(entry.parentPath, entry.name), "utf8")) as { splits?: Record<string, number[]> })
			.find(({ splits }) => splits?.heldOut?.length === 5 * 128)!.splits!;
		const heldOut = { tokens: Int32Array.from(splits.heldOut!), count: 5, length: 128 };
		const [own] = await model.createEvaluator().evaluate([Coalition.ofRemoved(blocks, plan.removed)], heldOut);
		expect(plan.losses.heldOut!.pruned.windows).toEqual([...own!.losses]);

		logged.length = 0;
		const again = await pruneGguf(fixturePath, join(folder, "b.gguf"), options);
		expect(again.plan!.removed).toEqual(plan.removed);
		expect(logged.join("\n")).toContain("are cached from an earlier run");
		expect(logged.join("\n")).not.toContain("the search uses a");
		expect(readdirSync(join(folder, "home"), { recursive: true }).filter((name) => String(name).includes("working-"))).toEqual([]);
	},
);

describe("what a search is measured with", () => {
	const searchLedger = (home: string) =>
		readdirSync(join(home, "runs"), { recursive: true, withFileTypes: true })
			.filter(({ name }) => name.endsWith(".ledger.jsonl"))
			.map(({ parentPath, name }) => join(parentPath, name))
			.find((path) => readFileSync(path, "utf8").includes('"weights"'))!;
	const keptWindows = (home: string) =>
		readdirSync(join(home, "runs"), { recursive: true, withFileTypes: true })
			.filter(({ name }) => name.endsWith(".json"))
			.map(({ parentPath, name }) => join(parentPath, name))
			.find((path) => readFileSync(path, "utf8").includes('"splits"'))!;
	const runIn = async (home: string, options: PruneOptions) => {
		process.env.PRUNE_GGUF_HOME = join(folder, home);
		const phases = new Set<string>();
		const result = await pruneGguf(fixturePath, undefined, {
			...{ windows: 3, windowLength: 32, threads: 2, removeBlocks: 1 },
			...options,
			onProgress: ({ phase }) => phases.add(phase),
		});
		return { result, phases };
	};

	it.each(
		firstOf<[string, number]>(1, [
			["cut inside its header", 40],
			["empty", 0],
		]),
	)("is found out anew where the ledger is %s, as a full disk leaves it", async (_, bytes) => {
		const home = `torn-${bytes}`;
		const { result } = await runIn(home, {});
		const path = searchLedger(join(folder, home));
		truncateSync(path, bytes);
		const again = await runIn(home, {});
		expect(again.result.plan!.removed).toEqual(result.plan!.removed);
		expect(JSON.parse(readFileSync(path, "utf8").split("\n")[0]!).settings.ubatch).toBeGreaterThan(0);
	});

	it("is tried for a long search although a short one came first", async () => {
		await runIn("short-first", { removeBlocks: undefined, remove: [5] });
		const { phases } = await runIn("short-first", { search: { method: "random", maxEvaluations: 70 } });
		expect([...phases]).toContain("finding the fastest settings");
	});

	it("is no copy in a dry run, which begins no search on disk", async () => {
		const { result, phases } = await runIn("dry", { dryRun: true, search: { workingWeights: "F16" } });
		expect(result.estimate!.evaluations).toBeGreaterThan(5);
		expect([...phases].filter((phase) => phase.includes("copy"))).toEqual([]);
		expect(searchLedger(join(folder, "dry"))).toBeUndefined();
	});

	it("decides near sets on the model itself, and its figures on the search text are the model's", async () => {
		const { result } = await runIn("copy", { removeBlocks: 2, search: { workingWeights: "Q4_0" } });
		const plain = await runIn("plain", { removeBlocks: undefined, remove: [...result.plan!.removed], search: { workingWeights: "own" } });
		expect(result.plan!.losses.search!.pruned).toEqual(plain.result.plan!.losses.search!.pruned);
		expect(result.plan!.losses.search!.original).toEqual(plain.result.plan!.losses.search!.original);
	});

	it.each(
		firstOf(1, [
			["F16", true],
			["Q4_0", false],
		] as const),
	)("is what a race runs on too, if its type keeps the order: %s", async (workingWeights, races) => {
		const { result, phases } = await runIn(`race-${workingWeights}`, { removeBlocks: 2, search: { workingWeights } });
		expect(phases.has("measuring the best on the model itself")).toBe(races);
		const own = await runIn(`own-${workingWeights}`, {
			...{ removeBlocks: undefined, remove: [...result.plan!.removed] },
			search: { workingWeights: "own" },
		});
		expect(result.plan!.losses.validation).toEqual(own.result.plan!.losses.validation);
		// Nothing is measured twice, and no copy is made, where all is known.
		const again = await runIn(`race-${workingWeights}`, { removeBlocks: 2, search: { workingWeights } });
		expect(again.result.plan!.removed).toEqual(result.plan!.removed);
		expect([...again.phases].filter((phase) => phase.includes("copy"))).toEqual([]);
	});

	it("may be a share of the positions: the search's losses only", async () => {
		const notes: string[] = [];
		const { result } = await runIn("share", { search: { scoreShare: 0.25 }, onLog: ({ message }) => notes.push(message) });
		expect(notes.join("\n")).toMatch(/scores 24 of 93 positions.*standard error of 0\.\d+/);
		const { drawn } = result.plan!.calibration.search!;
		expect(drawn).toEqual({ positions: 24, of: 93, standardError: expect.closeTo(Number(/error of (0\.\d+)/.exec(notes.join())![1]), 3) });
		// Known from an earlier run, it is said again.
		const again = await runIn("share", { search: { scoreShare: 0.25 } });
		expect(again.result.plan!.calibration.search!.drawn).toEqual(drawn);
		const plain = await runIn("share-plain", { removeBlocks: undefined, remove: [...result.plan!.removed] });
		expect(result.plan!.losses.search!.original).toEqual(plain.result.plan!.losses.search!.original);
		await expect(runIn("share", { search: { scoreShare: 1.5 } })).rejects.toThrow(/score-share must be above 0/);
	});

	it("is a share that the seed draws: another seed measures again", async () => {
		const calibration = [join(folder, "text.txt")];
		writeFileSync(calibration[0]!, model.detokenize(fixtureWindows().tokens, { special: false }));
		const ledgers = () => readdirSync(join(folder, "seeds", "runs"), { recursive: true }).length;
		await runIn("seeds", { calibration, search: { scoreShare: 0.25, seed: 1 } });
		const before = ledgers();
		await runIn("seeds", { calibration, search: { scoreShare: 0.25, seed: 1 } });
		expect(ledgers()).toBeLessThanOrEqual(before + 1); // the plan
		const { phases } = await runIn("seeds", { calibration, search: { scoreShare: 0.25, seed: 2 } });
		expect([...phases]).toContain("measuring the original model");
		const searched = readdirSync(join(folder, "seeds", "runs"), { recursive: true, withFileTypes: true })
			.filter(({ name }) => name.endsWith(".ledger.jsonl"))
			.map(({ parentPath, name }) => readFileSync(join(parentPath, name), "utf8").split("\n")[0]!)
			.filter((header) => header.includes("scoreShare"));
		expect(searched.map((header) => (JSON.parse(header) as { settings: { scoreSeed: number } }).settings.scoreSeed).sort()).toEqual([1, 2]);
	});

	it("continues with a short search's ledger if that is a good part of a long one", async () => {
		await runIn("good-part", { search: { method: "leave-one-out" } });
		const { phases } = await runIn("good-part", { search: { method: "random", maxEvaluations: 62 } });
		expect([...phases]).not.toContain("finding the fastest settings");
	});

	it("is read back from the ledger that a run goes on with", async () => {
		await runIn("read-back", { search: { method: "leave-one-out" } });
		const path = searchLedger(join(folder, "read-back"));
		const [header, ...lines] = readFileSync(path, "utf8").split("\n");
		const begun = JSON.parse(header!) as { settings: Record<string, unknown> };
		// As another machine would have chosen: a ubatch of one window, one thread.
		writeFileSync(path, [JSON.stringify({ ...begun, settings: { ...begun.settings, ubatch: 32, threads: 1 } }), ...lines].join("\n"));
		const { result } = await runIn("read-back", { search: { method: "greedy" }, removeBlocks: 2, threads: undefined });
		expect(result.plan!.machine).toMatchObject({ ubatch: 32, threads: 1 });
		const search = result.plan!.losses.search!;
		const splits = JSON.parse(readFileSync(keptWindows(join(folder, "read-back")), "utf8")) as { splits: { search: number[] } };
		const windows = { tokens: Int32Array.from(splits.splits.search), count: 3, length: 32 };
		const evaluator = model.createEvaluator({ ubatch: 32, threads: 1 });
		const [again] = await evaluator.evaluate([Coalition.ofRemoved(blocks, result.plan!.removed)], windows);
		expect(search.pruned.windows).toEqual([...again!.losses]);

		// The plan's command names the settings read back: the same bits in another cache, and in this one nothing is measured again.
		expect(result.plan!.command).toContain("--threads 1 --working-weights own --ubatch 32");
		const named = { search: { method: "greedy", workingWeights: "own", ubatch: 32 }, removeBlocks: 2, threads: 1 } as const;
		const elsewhere = await runIn("elsewhere", named);
		expect(elsewhere.result.plan!.losses).toEqual(result.plan!.losses);
		expect(elsewhere.result.plan!.options.search).toMatchObject({ workingWeights: "own", ubatch: 32 });
		expect(result.plan!.options.search).not.toHaveProperty("ubatch");
		expect(elsewhere.result.plan!.machine).toEqual(result.plan!.machine);
		const here = await runIn("read-back", named);
		expect(here.result.plan!.losses).toEqual(result.plan!.losses);
		expect([...here.phases].filter((phase) => /leave-one-out|greedy/.test(phase))).toEqual([]);
	});

	it("is what the options name, whatever an earlier search was begun with", async () => {
		await runIn("named", { search: { method: "leave-one-out", ubatch: 32 }, threads: 1 });
		const path = searchLedger(join(folder, "named"));
		const before = readFileSync(path, "utf8");
		const notes: string[] = [];
		const onLog: PruneOptions["onLog"] = ({ message }) => notes.push(message);
		const { result } = await runIn("named", { search: { method: "leave-one-out" }, threads: 2, onLog });
		expect(result.plan!.machine).toMatchObject({ threads: 2, ubatch: 512 });
		expect(notes.join("\n")).toMatch(/used --threads 1 --ubatch 32 --working-weights own. With --threads 2 /);
		expect(readFileSync(path, "utf8")).toBe(before);
		notes.length = 0;
		const again = await runIn("named", { search: { method: "leave-one-out" }, threads: 2, onLog });
		expect(again.result.plan!.losses).toEqual(result.plan!.losses);
		expect(notes.join("\n")).toContain("are cached from an earlier run");
		expect(notes.join("\n")).not.toContain("starts over");
	});

	it("is found again by a command that names more of it than the one that began it", async () => {
		await runIn("more-named", { search: { method: "leave-one-out" }, threads: 1 });
		await runIn("more-named", { search: { method: "leave-one-out" }, threads: 2 });
		const notes: string[] = [];
		const onLog: PruneOptions["onLog"] = ({ message }) => notes.push(message);
		const named = { method: "leave-one-out", workingWeights: "own", ubatch: 512 } as const;
		const { phases } = await runIn("more-named", { search: named, threads: 2, onLog });
		expect([...phases].filter((phase) => /leave-one-out/.test(phase))).toEqual([]);
		expect(notes.join("\n")).toContain("are cached from an earlier run");
		expect(notes.join("\n")).not.toContain("starts over");
	});

	it("is not said to be kept from going on by options that nobody gave, or that it was begun with", async () => {
		// As if a copy had paid off.
		const beginOnCopy = async (home: string) => {
			await runIn(home, { search: { method: "leave-one-out" } });
			const path = searchLedger(join(folder, home));
			const [header, ...lines] = readFileSync(path, "utf8").split("\n");
			const begun = JSON.parse(header!) as { settings: Record<string, unknown> };
			writeFileSync(path, [JSON.stringify({ ...begun, settings: { ...begun.settings, weights: "F16" } }), ...lines].join("\n"));
		};
		await beginOnCopy("on-a-copy");
		for (const given of [{}, { threads: 2 }]) {
			const notes: string[] = [];
			const onLog: PruneOptions["onLog"] = ({ message }) => notes.push(message);
			await rankBlocks(fixturePath, { windows: 3, windowLength: 32, ...given, onLog });
			expect(notes.join("\n")).not.toContain("starts over");
		}
		await beginOnCopy("on-another-copy");
		const notes: string[] = [];
		const onLog: PruneOptions["onLog"] = ({ message }) => notes.push(message);
		await runIn("on-another-copy", { search: { method: "leave-one-out", workingWeights: "own" }, threads: 2, onLog });
		expect(notes.join("\n")).toContain("--working-weights F16. With --working-weights own the");
	});

	it("may keep states in half precision, in a ledger of its own", async () => {
		// Too few masks to choose a shape for: both run in the usual one.
		await runIn("half", { search: { method: "leave-one-out" } });
		await runIn("half", { search: { method: "leave-one-out", stateType: "F16" } });
		const runs = join(folder, "half", "runs");
		const ledgers = readdirSync(runs, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ledger.jsonl"));
		const read = ledgers.map((name) => {
			const [header, ...lines] = readFileSync(join(runs, name), "utf8").trim().split("\n");
			return { settings: (JSON.parse(header!) as { settings: Record<string, unknown> }).settings, lines };
		});
		const half = read.filter(({ settings }) => settings.stateType === "F16");
		expect(half).toHaveLength(1);
		const { stateType: _, ...rest } = half[0]!.settings;
		const full = read.filter(({ settings }) => JSON.stringify(settings) === JSON.stringify(rest)).flatMap(({ lines }) => lines);
		// The same masks of the same windows, with other bits: the states were rounded.
		const masks = half[0]!.lines.map((line) => (JSON.parse(line) as { mask: string }).mask);
		expect(masks.length).toBeGreaterThan(blocks);
		const alike = half[0]!.lines.filter((line) => full.includes(line));
		expect(alike.length).toBeLessThan(masks.length / 2);
		for (const mask of masks.slice(0, blocks)) expect(full.some((line) => line.includes(mask))).toBe(true);
	});

	it("kept plans of different decisions do not replace each other", async () => {
		const [a, b] = [await runIn("plans", { search: { seed: 1 } }), await runIn("plans", { search: { seed: 2 } })];
		expect(a.result.planPath).not.toBe(b.result.planPath);
		expect((await runIn("plans", { search: { seed: 1 } })).result.planPath).toBe(a.result.planPath);
	});
});
