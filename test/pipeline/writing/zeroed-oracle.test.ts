import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import type { LogEvent } from "../../../src/api/index.js";
import { applyPlan } from "../../../src/jobs/apply.js";
import { ARCHITECTURES } from "../../../src/model/architectures/table.js";
import type { ArchitectureEntry } from "../../../src/model/architectures/types.js";
import { ModelLoadError, UnsupportedArchitectureError, VerificationError } from "../../../src/errors.js";
import { measureText } from "../../../src/model/evaluation/perplexity.js";
import { GgufFile } from "../../../src/model/gguf/index.js";
import { inspectModel } from "../../../src/jobs/inspect.js";
import { windowBeyondSliding } from "../../../src/pipeline/writing/zeroed-oracle.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { rankBlocks } from "../../../src/jobs/rank.js";
import { makeWindows } from "../../../src/model/runtime/windows.js";
import { model } from "../../model/architectures/model.js";
import { hasTools, makeFixtures } from "../../conformance/fixtures.js";
import { changedFixture, fixturePath, renamedFixture } from "../../helpers/fixture.js";
import { tempFolder } from "../../helpers/temp-folder.js";
import { thorough } from "../../helpers/slow.js";

// The table may be altered here, to show how the program handles a wrong rule, or none.
vi.mock("../../../src/model/architectures/table.js", async (original) => {
	const real = await original<{ ARCHITECTURES: ReadonlyMap<string, unknown> }>();
	return { ...real, ARCHITECTURES: new Map(real.ARCHITECTURES) };
});

const table = ARCHITECTURES as Map<string, ArchitectureEntry>;
const real = new Map(table);
const folder = tempFolder();
let runs = 0;
let place: string;
let output: string;
/** The project's model as one whose graph rotates no key in every fourth block, by the block's number. */
let everyFourth: string;

/** The project's model with a tensor that the zeroed original would have to set to one, quantized in these blocks. */
async function withUnits(blocks: readonly number[]): Promise<string> {
	entryOf("llama", { setToOne: ["ffn_gate.weight"] });
	const isUnit = (name: string) => name.endsWith(".ffn_gate.weight") && !blocks.includes(Number(name.split(".")[1]));
	return changedFixture(join(folder, `units-${blocks.join("-")}.gguf`), (content) => ({
		...content,
		tensors: content.tensors.map((tensor) =>
			isUnit(tensor.name) ? { ...tensor, type: 0, source: new Uint8Array(4 * tensor.dims[0]! * tensor.dims[1]!) } : tensor,
		),
	}));
}

beforeAll(async () => {
	everyFourth = await renamedFixture(folder, "smollm3");
});
beforeEach(() => {
	place = join(folder, `place-${runs++}`);
	mkdirSync(place);
	output = join(place, "out.gguf");
	process.env.PRUNE_GGUF_HOME = join(folder, `home-${runs}`);
});
afterEach(() => {
	table.clear();
	for (const [name, entry] of real) table.set(name, entry);
});

const small = { windows: 3, windowLength: 32, threads: 2 };
const entryOf = (name: string, more: Partial<ArchitectureEntry> = {}) =>
	table.set(name, { name, source: "nowhere", proof: "source", ...more });

describe("an architecture whose rule was never run", () => {
	it("is written if the zeroed original computes the same, and says so", async () => {
		entryOf("llama");
		const phases = new Set<string>();
		const applied = await applyPlan(fixturePath, output, { remove: [3, 7], onProgress: ({ phase }) => phases.add(phase) });
		expect(applied.output.verification).toMatch(/bit for bit what was measured.*outputs set to zero/);
		expect([...phases].join()).toContain("writing a file to check against");
		expect(readdirSync(place)).toEqual(["out.gguf"]);
		const pruned = await pruneGguf(fixturePath, join(place, "two.gguf"), { ...small, remove: [3, 7] });
		expect(pruned.output!.verification).toContain("set to zero");
		expect(await inspectModel(fixturePath)).toMatchObject({ support: "exact", proof: "source" });
	});

	it("is refused if the rule is wrong, although view and file agree", async () => {
		// The rule about the block's number is left out: without block 1, others change their numbers.
		entryOf("smollm3");
		await expect(applyPlan(everyFourth, output, { remove: [1] })).rejects.toThrow(VerificationError);
		await expect(applyPlan(everyFourth, output, { remove: [1] })).rejects.toThrow(/not proven.*set to zero.*read from the source/);
		await expect(pruneGguf(everyFourth, output, { ...small, remove: [1] })).rejects.toThrow(VerificationError);
		expect(readdirSync(place)).toEqual([]);
		// The same rule, and a set that leaves every block in its place.
		await applyPlan(everyFourth, output, { remove: [11] });
		expect(readdirSync(place)).toEqual(["out.gguf"]);
		// Proven before, so it is not checked again.
		entryOf("smollm3", { proof: "bits" });
		await applyPlan(everyFourth, join(place, "unasked.gguf"), { remove: [1] });
	});

	it("is refused before anything is measured if that cannot be compared", async () => {
		const events: string[] = [];
		const onProgress = ({ phase }: { phase: string }) => events.push(phase);
		entryOf("llama", { oracle: { none: "each block normalizes the stream" } });
		for (const job of [
			() => applyPlan(fixturePath, output, { remove: [3], onProgress }),
			() => pruneGguf(fixturePath, output, { ...small, removeBlocks: 2, onProgress }),
			() => pruneGguf(fixturePath, output, { ...small, remove: [3], onProgress }),
		]) {
			await expect(job()).rejects.toThrow(UnsupportedArchitectureError);
			await expect(job()).rejects.toThrow(/nothing can be written.*each block normalizes the stream/);
		}
		expect(events).toEqual([]);
		entryOf("llama");
		const odd = await changedFixture(join(folder, "odd.gguf"), (content) => ({
			...content,
			tensors: content.tensors.map((tensor) => ({
				...tensor,
				name: tensor.name.replace(/^blk\.5\.(attn_output|ffn_down)/, "blk.5.strange_$1"),
			})),
		}));
		await expect(applyPlan(odd, output, { remove: [5] })).rejects.toThrow(/no tensor of block 5 is known as its output/);
	});

	it("is refused before anything is measured in runs that write nothing yet: the curve, a plan, a dry run", async () => {
		const events: string[] = [];
		const onProgress = ({ phase }: { phase: string }) => events.push(phase);
		entryOf("llama", { oracle: { none: "each block normalizes the stream" } });
		for (const options of [{}, { removeBlocks: 2 }, { removeBlocks: "20%" as const }, { remove: [3] }, { removeBlocks: 2, dryRun: true }]) {
			const job = () => pruneGguf(fixturePath, undefined, { ...small, ...options, onProgress });
			await expect(job()).rejects.toThrow(UnsupportedArchitectureError);
			await expect(job()).rejects.toThrow(/nothing can be written.*each block normalizes the stream/);
		}
		expect(events).toEqual([]);
	});

	it.skipIf(!hasTools)("is deepseek4, whose blocks mix the streams of the residual: no zeroed original exists", async () => {
		const [path] = makeFixtures("deepseek4", join(folder, "deepseek4"));
		await expect(pruneGguf(path!, undefined, small)).rejects.toThrow(/nothing can be written: .*hyper-connections/);
	});

	it("is measured if the proof can be made for some blocks, with a warning about the others", async () => {
		const odd = await withUnits([5, 7]);
		const warnings: string[] = [];
		const onLog = ({ level, message }: LogEvent) => void (level === "warning" && warnings.push(message));
		expect((await pruneGguf(odd, undefined, { ...small, remove: [3], onLog })).plan?.removed).toEqual([3]);
		expect(warnings).toEqual([]);
		await expect(pruneGguf(odd, undefined, { ...small, remove: [3, 5], onLog })).rejects.toThrow(
			/blk\.5\.ffn_gate\.weight would have to be set to one/,
		);
		await pruneGguf(odd, undefined, { ...small, dryRun: true, onLog });
		expect(warnings).toEqual([expect.stringMatching(/^no file without block 5, 7 can be written: .*never run.*blk\.5\.ffn_gate/)]);
	});

	it("is ranked and evaluated, with a warning that no file can be written, and why", async () => {
		const warnings: string[] = [];
		const onLog = ({ level, message }: LogEvent) => void (level === "warning" && warnings.push(message));
		const text = join(folder, "text.txt");
		writeFileSync(text, "The whale is three metres long. ".repeat(40));
		const evaluate = (remove: number[]) => measureText(fixturePath, { text, windowLength: 16, remove, onLog });
		entryOf("llama", { oracle: { none: "each block normalizes the stream" } });
		await evaluate([]);
		expect(warnings).toEqual([]);
		expect((await evaluate([3])).removed).toEqual([3]);
		expect((await rankBlocks(fixturePath, { ...small, onLog })).importance.length).toBe(12);
		expect(warnings).toEqual([
			expect.stringMatching(/no file without these blocks can be written: .*never run.*each block normalizes the stream/),
			expect.stringMatching(/no file without any of its blocks can be written: .*never run.*each block normalizes the stream/),
		]);
		for (const entry of [{}, { proof: "bits" as const }]) {
			entryOf("llama", entry);
			await evaluate([3]);
		}
		expect(warnings.length).toBe(2);
	});

	it("leaves nothing behind when it is aborted, at any step of the proof", async () => {
		entryOf("llama");
		for (const step of ["writing a file to check against", "measuring the file to check against", "verifying"]) {
			const controller = new AbortController();
			const reason = new Error(step);
			let seen = "";
			const onProgress = ({ phase }: { phase: string }) => {
				if (!phase.startsWith(step) || seen) return;
				seen = readdirSync(place).join();
				controller.abort(reason);
			};
			await expect(applyPlan(fixturePath, output, { remove: [3], signal: controller.signal, onProgress })).rejects.toBe(reason);
			expect(seen).toMatch(/^\.out\.gguf\.partial-/);
			expect(readdirSync(place)).toEqual([]);
		}
	});
});

describe("an architecture that the table lacks", () => {
	const allowUnknownArchitecture = true;

	it("is refused, with the option that tries", async () => {
		table.delete("llama");
		for (const job of [
			() => applyPlan(fixturePath, output, { remove: [3] }),
			() => pruneGguf(fixturePath, output, { ...small, remove: [3] }),
			() => pruneGguf(fixturePath, undefined, small),
		]) {
			await expect(job()).rejects.toThrow(UnsupportedArchitectureError);
			await expect(job()).rejects.toThrow(/does not know the architecture llama .*--allow-unknown-architecture/);
		}
		expect(await inspectModel(fixturePath)).toMatchObject({ support: "refused", proof: "unknown" });
	});

	it.runIf(thorough)("is written on demand where the zeroed original computes the same", async () => {
		table.delete("llama");
		await applyPlan(fixturePath, output, { remove: [3, 7], allowUnknownArchitecture });
		const file = await GgufFile.read(output);
		expect(file.array("prune_gguf.removed_blocks")).toEqual([3, 7]);
		const result = await pruneGguf(fixturePath, join(place, "two.gguf"), { ...small, removeBlocks: 2, allowUnknownArchitecture });
		expect(result.output!.verification).toContain("set to zero");
		expect(result.plan!.command).toContain("--allow-unknown-architecture");
		expect(readdirSync(place).sort()).toEqual([
			"out.gguf",
			"two.gguf",
			"two.gguf.plan.json",
			"two.gguf.report.html",
			"two.gguf.report.json",
		]);
	});

	it("is refused for the very set that does not hold", async () => {
		table.delete("smollm3");
		const job = applyPlan(everyFourth, output, { remove: [1], allowUnknownArchitecture });
		await expect(job).rejects.toThrow(VerificationError);
		await expect(job).rejects.toThrow(/does not know the architecture smollm3/);
		await applyPlan(everyFourth, output, { remove: [11], allowUnknownArchitecture });
		expect(existsSync(output)).toBe(true);
	});

	it("says so plainly where llama.cpp does not know it either", async () => {
		const path = await renamedFixture(folder, "nothing-known");
		const job = applyPlan(path, output, { remove: [3], allowUnknownArchitecture });
		await expect(job).rejects.toThrow(ModelLoadError);
		await expect(job).rejects.toThrow(/llama\.cpp v[\d.]+.*does not know the architecture nothing-known \(unknown model architecture\)/);
	});
});

describe("windowBeyondSliding", () => {
	const windows = makeWindows(
		Int32Array.from({ length: 64 }, (_, i) => i),
		64,
	);
	const file = (sliding: number | undefined) =>
		model("gemma3", { blocks: 6, keys: sliding === undefined ? {} : { "attention.sliding_window": ["uint32", sliding] } });

	it("is long enough that blocks with a sliding window and others differ", async () => {
		const long = windowBeyondSliding(await file(100), windows, 4096)!;
		expect(long).toMatchObject({ count: 1, length: 164 });
		expect([...long.tokens.subarray(60, 70)]).toEqual([60, 61, 62, 63, 0, 1, 2, 3, 4, 5]);
		expect(windowBeyondSliding(await file(100), windows, 128)).toMatchObject({ length: 128 });
	});

	it.each([
		["without a sliding window", undefined, 4096],
		["with a window as long as the context", 128, 128],
		["where the windows reach beyond it already", 8, 4096],
	])("is not needed %s", async (_, sliding, context) => {
		expect(windowBeyondSliding(await file(sliding), windows, context)).toBeUndefined();
	});
});
