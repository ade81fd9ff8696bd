import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { LogEvent, PruneOptions } from "../../../src/api/index.js";
import { applyPlan } from "../../../src/jobs/apply.js";
import { comparedAt, comparedShape, comparedText, mostComparedBytes } from "../../../src/pipeline/healing/reference-text.js";
import { GgufFile } from "../../../src/model/gguf/index.js";
import { healModel } from "../../../src/pipeline/healing/heal-model.js";
import { tuningFigure } from "../../../src/model/fitting/tuning.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { Model } from "../../../src/model/runtime/model.js";
import { bytesOfReference, countPositions } from "../../../src/model/runtime/positions.js";
import { fixturePath, fixtureWindows, removing } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";
import { firstOf, thorough } from "../../helpers/slow.js";

const { folder, out } = ownHomes();
const removed = [3, 6, 7];
const textOf = (name: string, text: string) => {
	const path = join(folder, name);
	writeFileSync(path, text);
	return path;
};
/**
 * Two windows of a few tokens, from texts that have nothing in common. Healing changes one of them far more than the other, so that the
 * interval of the mean change holds 0, whatever was found and whatever processor computes.
 */
const unsure = {
	...{ ...small, windows: 2, windowLength: 8, heal: { tokens: 1024, type: "F16" } },
	calibration: [
		textOf("prose.txt", "The old man looked at the sea, and the sea was quiet; then he went home to his wife. ".repeat(40)),
		textOf("digits.txt", Array.from({ length: 600 }, (_, i) => (i * 7919) % 10_007).join("#")),
	],
} satisfies PruneOptions;

async function unhealedFile(): Promise<string> {
	const path = out();
	await applyPlan(fixturePath, path, { remove: removed, threads: 2 });
	return path;
}

describe("healing that is not known to help", () => {
	it("is not applied: the file, its figures and the report are those of the pruned model", async () => {
		const output = out();
		const warnings: string[] = [];
		const { plan, planPath, report } = await pruneGguf(fixturePath, output, {
			...{ ...unsure, remove: removed, report: `${output}.html` },
			onLog: ({ level, message }) => void (level === "warning" && warnings.push(message)),
		});
		const { heal, losses } = plan!;
		expect(heal).toMatchObject({ applied: false, addedBytes: 0 });
		// Something was found, and tried on the validation split.
		expect(heal!.cuts.filter(({ recipe, sha256 }) => recipe && sha256)).not.toEqual([]);
		expect(heal!.validation!.after).not.toBe(heal!.validation!.before);
		expect(warnings).toContainEqual(
			expect.stringMatching(/^not healed: the loss on the validation text changes by .*, which does not show that healing helps$/),
		);
		expect(readFileSync(output).equals(readFileSync(await unhealedFile()))).toBe(true);
		expect(report!.heal).toMatchObject({ applied: false, addedBytes: 0 });
		expect(report!.quality!.figures[0]).toMatchObject({ name: "loss", after: losses.heldOut!.pruned.mean });
		expect(report!.verdict.headline).not.toMatch(/healed/);
		expect(readFileSync(`${output}.html`, "utf8")).toContain('<h2 id="healing">');
		const again = out();
		const made = await applyPlan(fixturePath, again, { plan: planPath!, threads: 2 });
		expect(made.heal).toEqual(heal);
		expect(readFileSync(again).equals(readFileSync(output))).toBe(true);
	});

	it("does not happen if no block comes before the cut", async () => {
		const output = out();
		const { plan, report } = await pruneGguf(fixturePath, output, { ...unsure, remove: [0], report: `${output}.html` });
		expect(plan!.heal).toMatchObject({ applied: false, cuts: [{ before: null, first: 0, last: 0, reason: expect.any(String) }] });
		expect(report!.heal!.cuts).toEqual([{ removed: [0], reason: expect.stringMatching(/very start/) }]);
	});

	it.runIf(thorough)("is kept where a study asks for it", async () => {
		await using model = await Model.load(fixturePath, { threads: 2 });
		const evaluator = model.createEvaluator();
		const losses = async () => (await evaluator.evaluate([removing(...removed)], fixtureWindows(2)))[0]!.losses;
		const before = await losses();
		// Nothing is known about a difference on one window.
		const few = fixtureWindows(1);
		const job = { model, evaluator, removed, folder: "", seed: 0, tuning: fixtureWindows(10), validation: few, heldOut: few };
		const { tensors, section } = await healModel({ ...job, fit: fixtureWindows(8), keep: true }, {});
		expect(section.applied).toBe(false);
		expect(tensors.length).toBeGreaterThan(0);
		expect(await losses()).not.toEqual(before);
	});
});

describe("variants of healing", () => {
	it.each(firstOf(0, [true, false]))("are compared by the divergence if the text is self-generated (%s)", async (own) => {
		await using model = await Model.load(fixturePath, { threads: 2 });
		const evaluator = model.createEvaluator();
		const text = fixtureWindows(10);
		const decides = own ? (await comparedText(evaluator, text, { seed: 0, reserved: 0 }, {}))! : text;
		const mask = removing(...removed);
		const before = await tuningFigure(evaluator, mask, decides);
		const plain = await tuningFigure(evaluator, mask, text);
		expect(before === plain).toBe(!own);
		const job = { model, evaluator, removed, folder: "", seed: 0, tuning: text, own, validation: text, heldOut: text };
		const { section } = await healModel({ ...job, fit: fixtureWindows(8), keep: true }, {});
		const tuned = section.cuts.flatMap(({ tuning }) => (tuning ? [tuning] : []));
		expect(tuned.length).toBeGreaterThan(0);
		expect(tuned[0]!.before).toBe(before);
		expect(tuned.at(-1)!.after).toBeCloseTo(await tuningFigure(evaluator, mask, decides), 10);
		expect(tuned.map(({ by }) => by)).toEqual(tuned.map(() => (own ? "divergence" : undefined)));
	});

	it("are compared at as many positions as the distributions may take", async () => {
		await using model = await Model.load(fixturePath, { threads: 2 });
		const evaluator = model.createEvaluator();
		const windows = fixtureWindows(4);
		const { positions, reference } = (await comparedAt(evaluator, windows, { share: 0.25, seed: 0 }, {}))!;
		expect(reference.positions).toBe(countPositions(positions));
		expect(reference.positions).toBe(4 * Math.round(0.25 * (windows.length - 1)));
		const each = bytesOfReference(1, model.facts.vocabulary);
		const few = (await comparedAt(evaluator, windows, { share: 1, seed: 0 }, { referenceBytes: 15 * each }))!;
		expect([few.windows.count, few.reference.positions]).toEqual([4, 12]);
		const fewer = (await comparedAt(evaluator, windows, { share: 1, seed: 0 }, { referenceBytes: 7 * each }))!;
		expect([fewer.windows.count, fewer.reference.positions]).toEqual([3, 6]);
		expect(await comparedAt(evaluator, windows, { share: 1, seed: 0 }, { referenceBytes: each })).toBeUndefined();
	});

	it("are compared by the loss, with a note, if the memory budget does not hold the distributions", async () => {
		await using model = await Model.load(fixturePath, { threads: 2 });
		const notes: string[] = [];
		const options = { onLog: ({ message }: LogEvent) => void notes.push(message) };
		const none = await comparedText(model.createEvaluator(), fixtureWindows(4), { seed: 0, reserved: Number.MAX_SAFE_INTEGER }, options);
		expect(none).toBeUndefined();
		expect(notes.join()).toMatch(/compared by loss, not by KL divergence/);
	});

	it("take as many positions as fit, the same in every window, or the first windows", () => {
		// 512 MiB are 1,024 distributions of 2 bytes for each of 262,144 tokens.
		const shape = (count: number, share = 1) => comparedShape({ count, length: 128 }, 262_144, share, mostComparedBytes);
		expect(shape(8)).toEqual({ windows: 8, positions: 127 });
		expect(shape(10)).toEqual({ windows: 10, positions: 102 });
		expect(shape(10, 0.25)).toEqual({ windows: 10, positions: 32 });
		expect(shape(2000)).toEqual({ windows: 512, positions: 2 });
	});
});

describe("a list that apply heals", () => {
	it.runIf(thorough)("is judged on self-generated text, and written as measured", async () => {
		const output = out();
		const { heal, output: written } = await applyPlan(fixturePath, output, {
			...{ remove: removed, heal: { tokens: 6144, type: "F16" }, threads: 2 },
		});
		expect(heal!.applied).toBe(true);
		expect(heal!.validation!.difference).toBeLessThan(0);
		expect(heal!.heldOut!.after).toBeLessThan(heal!.heldOut!.before!);
		expect(written.verification).toMatch(/bit for bit/);
		const plain = await GgufFile.read(await unhealedFile());
		expect(heal!.addedBytes).toBeGreaterThan(0);
		expect((await GgufFile.read(output)).size).toBe(plain.size + heal!.addedBytes);
	});
});
