import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Model } from "../../../src/model/runtime/model.js";
import { keptSamples, keptWindows } from "../../../src/pipeline/session/cached-samples.js";
import { calibrationOf } from "../../../src/pipeline/session/calibration-windows.js";
import { fixturePath } from "../../helpers/fixture.js";
import { tempFolder } from "../../helpers/temp-folder.js";

const folder = tempFolder();
const shape = { count: 2, length: 2 };

it("cached tokens are as many as were drawn, all of the vocabulary", () => {
	expect(keptWindows([0, 1, 2, 9], shape, 10)).toMatchObject({ count: 2, length: 2 });
	for (const tokens of [undefined, [0, 1, 2], [0, 1, 2, 10], [0, 1, 2, -1], [0, 1, 2, null], [0, 1, 2, 0.5], [0, 1, 2, "3"]])
		expect(keptWindows(tokens, shape, 10)).toBeUndefined();
});

it("cached text of another shape is drawn again", async () => {
	await using model = await Model.load(fixturePath, { threads: 1 });
	const cached = () => join(folder, readdirSync(folder).find((name) => name.endsWith(".windows.json"))!);
	const change = (name: RegExp, to: string) => writeFileSync(cached(), readFileSync(cached(), "utf8").replace(name, to));
	const options = { windows: 2, windowLength: 8 };
	const draw = () => calibrationOf(model, folder, { seed: 0, by: "this" }, options);
	const { splits: straight, kinds } = await draw();
	expect(kinds).toEqual({ search: ["document", "document"], validation: ["document", "document"], heldOut: Array(3).fill("document") });
	expect((await draw()).kinds).toEqual(kinds);
	// Text of an earlier version has none.
	const saved = readFileSync(cached(), "utf8");
	for (const other of [undefined, { ...kinds, search: ["document"] }, { ...kinds, search: ["document", "other"] }]) {
		writeFileSync(cached(), JSON.stringify({ ...(JSON.parse(saved) as object), kinds: other }));
		const read = await draw();
		expect([read.splits, read.kinds]).toEqual([straight, undefined]);
	}
	writeFileSync(cached(), saved);
	change(/"validation":\[\d+,/, '"validation":[null,');
	expect((await draw()).splits).toEqual(straight);
	change(/"heldOut":\[\d+,/, '"heldOut":[');
	expect((await draw()).splits).toEqual(straight);
	const other = mkdtempSync(join(folder, "more-"));
	const more = () => keptSamples({ model, folder: other }, { seed: 0, count: 2, length: 8 }, { name: "more", version: 1, phase: "" }, {});
	const first = await more();
	const path = join(other, readdirSync(other)[0]!);
	writeFileSync(path, readFileSync(path, "utf8").replace(/\[\d+,/, "[99999999,"));
	expect(await more()).toEqual(first);
});
