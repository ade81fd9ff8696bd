import { afterEach, describe, expect, it, vi } from "vitest";
import { findFrontier } from "../../../src/jobs/frontier/frontier.js";
import { readModelHeader } from "../../../src/pipeline/preflight/model-header.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import type { ModelWeights } from "../../../src/pipeline/writing/quantize-weights.js";
import { rankBlocks } from "../../../src/jobs/rank.js";
import { References } from "../../../src/pipeline/quantizing/reference-logits.js";
import { Evaluator } from "../../../src/model/runtime/evaluator.js";
import { neededMemory, memoryBesideWeights } from "../../../src/model/runtime/memory.js";
import { Model } from "../../../src/model/runtime/model.js";
import { Variant, type VariantSetting } from "../../../src/pipeline/quantizing/variants.js";
import { fixturePath, fixtureWindows } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";

const { folder } = ownHomes();
/** Memory budget for one hidden state of the fixture on the windows of `small`. */
const stateBytes = 3 * 32 * 128 * 4;
const cheap = { windows: small.windows, windowLength: small.windowLength, threads: 2 };
afterEach(() => {
	vi.restoreAllMocks();
});

async function fixtureWeights(): Promise<ModelWeights> {
	const { file, blocks } = await readModelHeader(fixturePath, {});
	return { path: fixturePath, file, blocks, sha256: "f".repeat(64) };
}

function settingOf(weights: ModelWeights, options: VariantSetting<"heldOut">["options"], evaluator?: Evaluator): VariantSetting<"heldOut"> {
	const windows = { heldOut: fixtureWindows(2, 32) };
	const settings = { backend: "CPU", llama: "l", addon: "a", processor: "p", gpuLayers: -1, threads: 2 };
	return { folder, windows, settings, references: new References(weights, windows, options, evaluator), options };
}

/** Memory budgets for hidden states of the evaluators that measured several masks at once: with one there is none to keep. */
function watchedRooms(): Set<number> {
	const rooms = new Set<number>();
	const evaluate = Evaluator.prototype.evaluate;
	vi.spyOn(Evaluator.prototype, "evaluate").mockImplementation(function (this: Evaluator, ...args) {
		if (args[0].length > 1) rooms.add(this.stateBytes);
		return evaluate.apply(this, args);
	});
	return rooms;
}

describe("stateBytes", () => {
	it.each<[string, () => Promise<unknown>]>([
		["the main job", () => pruneGguf(fixturePath, undefined, { ...small, search: { stateBytes }, remove: [3, 6] })],
		["a search", () => pruneGguf(fixturePath, undefined, { ...small, search: { stateBytes, method: "leave-one-out" }, removeBlocks: 2 })],
		["a search on a copy", () => rankBlocks(fixturePath, { ...small, search: { stateBytes, workingWeights: "F16" } })],
		[
			"quantized alternatives",
			() => pruneGguf(fixturePath, undefined, { ...small, search: { stateBytes }, remove: [3], quantizedAlternatives: true }),
		],
		[
			"frontier",
			() => findFrontier(fixturePath, { ...cheap, search: { stateBytes, method: "first" }, maxBlocks: 2, quantize: { types: ["Q4_0"] } }),
		],
	])("reaches every evaluator of %s", async (_, run) => {
		const rooms = watchedRooms();
		await run();
		expect([...rooms]).toEqual([stateBytes]);
	});
});

describe("Variant", () => {
	it("keeps hidden states in what its copy leaves free only", async () => {
		const weights = await fixtureWeights();
		// Enough to load the copy, and little more.
		const free = neededMemory(weights.file).total + 5e5;
		vi.spyOn(process.memoryUsage, "rss").mockReturnValue(0);
		vi.spyOn(process, "constrainedMemory").mockReturnValue(free);
		const rooms = watchedRooms();
		const setting = settingOf(weights, {});
		const variant = await Variant.open("Q4_0", weights, setting);
		try {
			await variant.measure("heldOut", [[], [3]]);
			const { file } = await variant.model();
			const shape = { windows: 2, windowLength: 32, referencePositions: 2 * 31 };
			const room = memoryBesideWeights(file, shape, 2 ** 30, free);
			expect(room).toBeLessThan(2 ** 24);
			expect([...rooms]).toEqual([room]);
		} finally {
			await variant.close();
		}
	});

	it("takes nothing that another ubatch measured for its own", async () => {
		const weights = await fixtureWeights();
		const model = await Model.load(fixturePath, { threads: 2 });
		const measured = async (ubatch: number) => {
			const evaluator = model.createEvaluator({ ubatch });
			const evaluate = vi.spyOn(evaluator, "evaluate");
			const variant = await Variant.open("own", weights, settingOf(weights, {}, evaluator), evaluator);
			await variant.measure("heldOut", [[], [3]]);
			await variant.close();
			return evaluate.mock.calls.length;
		};
		try {
			expect(await measured(512)).toBeGreaterThan(0);
			expect(await measured(512)).toBe(0);
			expect(await measured(32)).toBeGreaterThan(0);
		} finally {
			await model.dispose();
		}
	});
});
