import { describe, expect, it } from "vitest";
import { GgufFile } from "../../../src/model/gguf/index.js";
import { Model } from "../../../src/model/runtime/model.js";
import { quantizingSeconds, valuesToMake } from "../../../src/pipeline/quantizing/time.js";
import { fixturePath } from "../../helpers/fixture.js";

describe("the time that quantizing takes", () => {
	it("is that of the values that change their type, by the type that they get", async () => {
		const file = await GgufFile.read(fixturePath);
		const changed = file.tensors.filter(({ dims, name }) => dims.length > 1 && name !== "token_embd.weight");
		const all = changed.reduce((sum, { dims }) => sum + dims.reduce((product, size) => product * size, 1), 0);
		expect([...valuesToMake(file, "Q4_0").values()]).toEqual([all]);
		// The fixture's own type.
		expect(valuesToMake(file, "Q8_0").size).toBe(0);
	});

	it("grows with the types, and shrinks with the threads", async () => {
		const model = await Model.load(fixturePath, { threads: 1 });
		try {
			const { file } = model;
			const of = (types: Parameters<typeof quantizingSeconds>[0]["types"], threads = 1) =>
				quantizingSeconds({ model, file, types }, { threads });
			expect(await of([])).toBe(0);
			const one = (await of(["Q3_K_M"]))!;
			expect(one).toBeGreaterThan(0);
			expect(await of(["Q3_K_M"], 1000)).toBeLessThan(one / 10);
		} finally {
			await model.dispose();
		}
	});
});
