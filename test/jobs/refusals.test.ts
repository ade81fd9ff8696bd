import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, unlinkSync, utimesSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import type { PruneOptions } from "../../src/api/index.js";
import { applyPlan } from "../../src/jobs/apply.js";
import {
	FileError,
	InvalidCandidateError,
	InvalidOptionError,
	InvalidPlanError,
	OutputExistsError,
	VerificationError,
} from "../../src/errors.js";
import { encodeEntry, GgufFile } from "../../src/model/gguf/index.js";
import { compareMethods } from "../../src/jobs/compare/compare.js";
import { inspectModel } from "../../src/jobs/inspect.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { Model } from "../../src/model/runtime/model.js";
import { identityOf } from "../../src/storage/hash.js";
import { partialName } from "../../src/storage/partials.js";
import { runFolder } from "../../src/storage/runs.js";
import { writePruned } from "../../src/pipeline/writing/write-pruned.js";
import { model as headerOf } from "../model/architectures/model.js";
import { changedFixture, fixturePath, fixtureWindows, removing } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";
import { makeReadOnly } from "../helpers/read-only.js";
import { onCpu } from "../../src/model/runtime/placement.js";
import { placed } from "../helpers/fake-devices.js";

// Each test measures by itself, unless it says otherwise.
const { folder, fresh, out } = ownHomes();

describe("pruneGguf refuses", () => {
	const attempt = (options: PruneOptions, output = out(), model = fixturePath) => pruneGguf(model, output, { ...small, ...options });

	it("more blocks than can be removed, and says how many can", async () => {
		await expect(attempt({ removeBlocks: 12 })).rejects.toThrow(InvalidOptionError);
		await expect(attempt({ removeBlocks: 12 })).rejects.toThrow(
			/^12 of 12 blocks cannot be removed: at most 11 can be removed \(at least one block must be kept\); remove 11$/,
		);
		await expect(attempt({ removeBlocks: "99%" })).rejects.toThrow(/at most 11/);
		await expect(attempt({ removeBlocks: "1%" })).rejects.toThrow(/less than one block/);
	});

	it.each<[string, PruneOptions]>([
		["two amounts", { removeBlocks: 2, remove: [1] }],
		["no block", { removeBlocks: 0 }],
		["half a block", { removeBlocks: 1.5 }],
		["all of it", { removeBlocks: "100%" }],
		["an empty list", { remove: [] }],
		["one window", { removeBlocks: 1, windows: 1 }],
		["windows beyond the context", { removeBlocks: 1, windowLength: 257 }],
	])("%s", async (_, options) => {
		await expect(attempt(options)).rejects.toThrow(InvalidOptionError);
	});

	it.each<[string, PruneOptions]>([
		["a block that is not there", { remove: [12] }],
		["all blocks", { remove: Array.from({ length: 12 }, (_, i) => i) }],
	])("%s", async (_, options) => {
		await expect(attempt(options)).rejects.toThrow(InvalidCandidateError);
	});

	it("an output or a plan without an amount, before the model is loaded, and says what may have been meant", async () => {
		for (const options of [{}, { dryRun: true }, { quantize: "Q4_0" }, { heal: true }] as const) {
			const job = pruneGguf(fixturePath, "small.gguf", options);
			await expect(job).rejects.toThrow(InvalidOptionError);
			await expect(job).rejects.toThrow(/small\.gguf .*without an amount: .*--remove-blocks.*--target-size.*leave the output out/);
		}
		const parts = pruneGguf(fixturePath, "small.gguf", { search: { granularity: "attention" } });
		await expect(parts).rejects.toThrow(
			/an amount: .*--remove-attention 9, --target-kv 50% or .* see what removing attention parts costs$/,
		);
		const job = pruneGguf(fixturePath, undefined, { plan: "plan.json" });
		await expect(job).rejects.toThrow(/--save-plan needs an amount: .*--remove-blocks/);
	});

	it("what cannot be removed beside attention parts or at a context, before any time is measured", async () => {
		const phases: string[] = [];
		const onProgress = ({ phase }: { phase: string }) => phases.push(phase);
		const refused = (options: PruneOptions) => expect(attempt({ ...options, onProgress })).rejects;
		await refused({ removeAttention: 12 }).toThrow(
			/^12 attention parts cannot be removed: at most 11 of 12 attention parts can go, all but 0a \(.*the first block\)\. Give --remove-attention 11 or less\.$/,
		);
		await refused({ removeAttention: 9, removeBlocks: 3 }).toThrow(
			/ beside 3 blocks.* Give --remove-attention 8 or less, or fewer blocks\.$/,
		);
		await refused({ removeAttention: 1, removeBlocks: 12 }).toThrow(/beside 12 blocks.*: at most 11 .* Give fewer blocks\.$/);
		await refused({ targetKv: 0.01 }).toThrow(
			/^a KV cache of 1 % cannot be reached: at most 11 .*all but 0a.* Give --target-kv 9% or more\.$/,
		);
		const limited = { search: { granularity: "attention" }, limits: { maxPplRatio: 1.2, ignore: true } } as const;
		await refused(limited).toThrow(/say how much to remove with --remove-attention, --target-kv or --target-speedup$/);

		await refused({ remove: [12], context: 256 }).toThrow(/no block 12/);
		expect(phases).toEqual([]);
	});

	it("a model that cannot be read, before an amount that is missing", async () => {
		const text = out();
		writeFileSync(text, "no model");
		for (const [path, refusal] of [
			["nowhere.gguf", /nowhere\.gguf.*there is no such file/],
			[text, /GGUF/],
		] as const) {
			await expect(pruneGguf(path, "small.gguf")).rejects.toThrow(refusal);
			await expect(pruneGguf(path, undefined, { plan: "plan.json" })).rejects.toThrow(refusal);
		}
	});

	it.each<PruneOptions>([
		{ removeBlocks: 1 },
		{ removeBlocks: "20%" },
		{ remove: [3] },
		{ targetSize: 1e6 },
		{ targetSpeedup: 1.1 },
		{ limits: { maxPplRatio: 1.2 } },
		{ limits: { maxKl: 0.1 } },
	])("no output where %o says the amount", async (options) => {
		// Past the check of the amount, the missing model shows.
		await expect(pruneGguf("nowhere.gguf", out(), options)).rejects.toThrow(/nowhere\.gguf.*there is no such file/);
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

	it("what the header forbids, before the model is loaded or read", async () => {
		const phases: string[] = [];
		const onProgress = ({ phase }: { phase: string }) => phases.push(phase);
		const path = await changedFixture(out(), (content) => ({
			...content,
			tensors: content.tensors.filter(({ name }) => name !== "blk.3.ffn_down.weight"),
		}));
		// llama.cpp would not load this one.
		for (const options of [{ removeBlocks: 12 }, { remove: [12] }, { removeBlocks: "99%" }] as const) {
			await expect(attempt({ ...options, onProgress }, out(), path)).rejects.toMatchObject({
				code: "remove" in options ? "INVALID_CANDIDATE" : "INVALID_OPTION",
			});
		}
		await expect(applyPlan(path, out(), { remove: [12], onProgress })).rejects.toThrow(/no block 12/);
		expect(phases).toEqual([]);
	});

	it("numbers of blocks that no set has, before the model is loaded, with the nearest ones", async () => {
		const phases: string[] = [];
		const onProgress = ({ phase }: { phase: string }) => phases.push(phase);
		const baichuan = (await headerOf("baichuan", { blocks: 34 })).paths[0]!;
		for (const options of [{ removeBlocks: 2 }, { removeBlocks: `${200 / 34}%` }] as const) {
			await expect(attempt({ ...options, onProgress }, out(), baichuan)).rejects.toThrow(
				/^2 of 34 blocks cannot be removed: 32 blocks would be kept.*; remove 1 or 3$/,
			);
		}
		const smollm3 = (await headerOf("smollm3", { blocks: 36 })).paths[0]!;
		await expect(attempt({ removeBlocks: 6, onProgress }, out(), smollm3)).rejects.toThrow(/blocks go in groups.*; remove 4 or 8$/);
		await expect(attempt({ remove: [2], onProgress }, out(), smollm3)).rejects.toThrow(
			/every fourth block.*blocks go in groups: 0-3, 4-7, 8-11.*32-35/,
		);
		expect((await inspectModel(smollm3)).units).toEqual(Array.from({ length: 9 }, (_, i) => [4 * i, 4 * i + 1, 4 * i + 2, 4 * i + 3]));
		await expect(compareMethods(baichuan, { removeBlocks: [2], onProgress })).rejects.toThrow(/remove 1 or 3$/);
		expect(phases).toEqual([]);
	});

	it("nothing because of a killed run's files: these are deleted, and a live run's are not", async () => {
		const place = fresh("place");
		mkdirSync(place);
		const dead = spawnSync(process.execPath, ["-e", ""]).pid;
		const ofDead = (name: string) => partialName(name).replace(`-${process.pid}-`, `-${dead}-`);
		const notes: string[] = [];
		const options = { onLog: ({ message }: { message: string }) => notes.push(message) };
		const live = partialName("out.gguf");
		const halfWritten = (path: string, hoursAgo: number) => {
			writeFileSync(path, "half");
			utimesSync(path, Date.now() / 1000, Date.now() / 1000 - 3600 * hoursAgo);
		};
		for (const name of [ofDead("out.gguf"), ofDead("other.gguf"), live]) halfWritten(join(place, name), 2);
		const recent = ofDead("recent.gguf");
		halfWritten(join(place, recent), 0.05);
		await applyPlan(fixturePath, join(place, "out.gguf"), { remove: [6], ...options });
		expect(notes.join()).toMatch(/deleted 2 unfinished files of killed runs \(8 B\) in .*place/);
		expect(notes.join()).toMatch(/an unfinished file of a killed run, less than five minutes old, left in .*runs clean --partials .*place/);
		expect(readdirSync(place).sort()).toEqual([live, recent, "out.gguf"].sort());
		rmSync(join(place, recent));

		const kept = runFolder({ name: basename(fixturePath), sha256: await identityOf([fixturePath]) });
		mkdirSync(kept, { recursive: true });
		const inCache = ofDead("copy.gguf");
		for (const path of [join(place, ofDead("again.gguf")), join(kept, inCache)]) halfWritten(path, 2);
		await attempt({ remove: [6], ...options }, join(place, "again.gguf"));
		expect(notes.join()).toMatch(/deleted an unfinished file of a killed run \(4 B\) in .*place/);
		expect(readdirSync(place).sort()).toEqual([live, "again.gguf", "again.gguf.plan.json", "out.gguf"]);
		expect(readdirSync(kept)).not.toContain(inCache);
	});

	it("a folder that cannot be written, before anything is measured", async (context) => {
		const closed = fresh("closed");
		mkdirSync(closed);
		const undo = makeReadOnly(closed);
		context.skip(!undo, "a read-only file system cannot be mounted here");
		const phases: string[] = [];
		const onProgress = ({ phase }: { phase: string }) => phases.push(phase);
		const into = (name: string) => join(closed, name);
		try {
			for (const [options, output] of [
				[{}, into("out.gguf")],
				[{ plan: into("plan.json") }, out()],
				[{ report: into("report.html") }, out()],
				[{ modelCard: into("card.md") }, out()],
			] as [PruneOptions, string][]) {
				await expect(attempt({ remove: [6], onProgress, ...options }, output)).rejects.toThrow(FileError);
			}
			await expect(applyPlan(fixturePath, into("out.gguf"), { remove: [6], onProgress })).rejects.toThrow(FileError);
		} finally {
			undo?.();
		}
		expect(phases).toEqual([]);
	});

	const early = { during: "generating text", said: /changed since its header was read.*Run again while nothing changes the file/ };
	const late = { during: "writing the file", said: /changed while it was worked on.*runs clean --model out-/ };
	const replaced = (model: string, bytes: Buffer) =>
		writeFileSync(model, Buffer.concat([bytes.subarray(0, -65536), bytes.subarray(-131072, -65536)]));
	const cutShort = (model: string, bytes: Buffer) => writeFileSync(model, bytes.subarray(0, bytes.length / 2));

	it.each([
		["replaced by one with other weights before anything is measured", replaced, early],
		["replaced by one with other weights before it is written", replaced, late],
		["cut short before anything is measured", cutShort, early],
		["cut short before it is written", cutShort, late],
		["deleted before anything is measured", () => {}, { ...early, said: /cannot be read any more.*It was there when the run began/ }],
	])("to write from a model that is %s, and says that", async (_, change, { during, said }) => {
		const model = await changedFixture(out(), (content) => content);
		const output = out();
		let changed = false;
		const onProgress = ({ phase }: { phase: string }) => {
			if (changed || phase !== during) return;
			changed = true;
			const bytes = readFileSync(model);
			// The loaded model has the file that was there.
			unlinkSync(model);
			change(model, bytes);
		};
		const attempted = attempt({ remove: [6], onProgress }, output, model);
		await expect(attempted).rejects.toThrow(FileError);
		await expect(attempted).rejects.toThrow(said);
		expect(existsSync(output)).toBe(false);
	});

	it("an output that is the plan too", async () => {
		const output = out();
		await expect(attempt({ remove: [6], plan: output }, output)).rejects.toThrow(InvalidOptionError);
		expect(existsSync(output)).toBe(false);
	});

	it("a folder that is missing or cannot be written", async () => {
		await expect(attempt({ remove: [6] }, join(folder, "nowhere", "out.gguf"))).rejects.toThrow(FileError);
		await expect(attempt({ remove: [6] }, folder)).rejects.toThrow(FileError);
		const file = fresh("file");
		writeFileSync(file, "");
		await expect(attempt({ remove: [6] }, join(file, "out.gguf"))).rejects.toThrow(/not a folder/);
	});

	// Root may write to any folder except those of the system itself, which have no space either.
	it.skipIf(process.platform !== "linux")("a folder that nobody can write to", async () => {
		await expect(applyPlan(fixturePath, "/proc/out.gguf", { remove: [6] })).rejects.toMatchObject({
			code: expect.stringMatching(/^(NO_SPACE|FILE_ERROR)$/),
		});
	});

	it("models of an architecture whose blocks cannot be removed", async () => {
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
	it("plans of another model, and lists that cannot be removed", async () => {
		const output = out();
		const { planPath } = await pruneGguf(fixturePath, output, { ...small, remove: [6] });
		await expect(applyPlan(output, out(), { plan: planPath! })).rejects.toThrow(InvalidPlanError);
		await expect(applyPlan(fixturePath, out(), { remove: [12] })).rejects.toThrow(InvalidCandidateError);
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
			writePruned(
				{
					file: model.file,
					removed: [3],
					sha256,
					expected: { windows, losses, threads: 2, ubatch: 512, placement: exact ? onCpu(12) : placed(12, { GONE0: 12 }) },
				},
				output,
				{},
			);
		const outputs = () => readdirSync(folder).filter((name) => name.startsWith("out"));
		const before = outputs();
		// One bit of one window.
		const off = expected!.losses.slice();
		new BigUint64Array(off.buffer)[1]! ^= 1n;
		await expect(write(off, true)).rejects.toThrow(VerificationError);
		await expect(
			write(
				expected!.losses.map((loss) => loss + 0.01),
				true,
			),
		).rejects.toThrow(VerificationError);
		await expect(
			write(
				expected!.losses.map(() => Number.NaN),
				true,
			),
		).rejects.toThrow(VerificationError);
		await expect(write(expected!.losses.slice(1), true)).rejects.toThrow(VerificationError);
		expect(outputs()).toEqual(before);
		// A device that is gone cannot verify: the candidate is measured anew on the CPU, and the file held against that.
		await write(off, false);
		expect(existsSync(output)).toBe(true);
	});
});
