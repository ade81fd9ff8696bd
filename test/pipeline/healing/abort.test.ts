import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { ProgressEvent, PruneOptions } from "../../../src/api/index.js";
import { healModel } from "../../../src/pipeline/healing/heal-model.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { Model } from "../../../src/model/runtime/model.js";
import { fixturePath, fixtureWindows, removing } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";
import { watching } from "../../helpers/progress.js";
import { firstOf, thorough } from "../../helpers/slow.js";

const { out } = ownHomes();
const removed = [3, 6, 7];
/** As many tokens as it takes to distinguish the change from chance. */
const run = { ...small, windows: 10, windowLength: 128, heal: { tokens: 6144, type: "F16" } } satisfies PruneOptions;

describe("an abort while the cuts are healed", () => {
	/** Once the second cut has begun: the first one's new matrix is in the model. */
	const stopping = (where = "healing the cuts") => {
		const stop = new AbortController();
		const reason = new Error("enough");
		const onProgress = ({ phase, done }: Pick<ProgressEvent, "phase" | "done">) =>
			void (phase === where && done >= 2 && stop.abort(reason));
		return { signal: stop.signal, onProgress, reason };
	};

	it.each(firstOf(1, ["healing the cuts", "weighing attention heads"]))("leaves the model as it was (%s)", async (where) => {
		await using model = await Model.load(fixturePath, { threads: 2 });
		const evaluator = model.createEvaluator();
		const losses = async () => (await evaluator.evaluate([removing(...removed)], fixtureWindows(2)))[0]!.losses;
		const before = await losses();
		const windows = fixtureWindows(4);
		const job = { model, evaluator, removed, folder: "", seed: 0, tuning: fixtureWindows(10), validation: windows, heldOut: windows };
		const { reason, signal, onProgress } = stopping(where);
		const options = { signal, progress: watching(onProgress) };
		await expect(healModel({ ...job, fit: fixtureWindows(8) }, { ...options, healHeads: true })).rejects.toThrow(reason);
		expect(await losses()).toEqual(before);
	});

	it.runIf(thorough)("writes nothing", async () => {
		const output = out();
		const { reason, ...options } = stopping();
		await expect(pruneGguf(fixturePath, output, { ...run, remove: removed, ...options })).rejects.toThrow(reason);
		expect(existsSync(output)).toBe(false);
		expect(existsSync(`${output}.plan.json`)).toBe(false);
	});
});
