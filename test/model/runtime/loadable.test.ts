import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { InvalidGgufError } from "../../../src/errors.js";
import { encodeEntry, GgufFile } from "../../../src/model/gguf/index.js";
import { checkLoadable, isMappable, TAIL_ALONE } from "../../../src/model/runtime/loadable.js";
import { Model } from "../../../src/model/runtime/model.js";
import { model } from "../architectures/model.js";
import { changedFixture, fixturePath, fixtureWindows, fullSet } from "../../helpers/fixture.js";
import { tempFolder } from "../../helpers/temp-folder.js";

describe("the multi-token-prediction blocks of a model without the model", () => {
	const NORM = ["attn_norm.weight"];

	it.each(TAIL_ALONE)("are refused: %s", async (name) => {
		const alone = await model(name, { blocks: 2, tail: 1, parts: ["attn_q.weight"] });
		expect(() => checkLoadable(alone)).toThrow(InvalidGgufError);
		expect(() => checkLoadable(alone)).toThrow("only the multi-token-prediction blocks of a model");
		const whole = await model(name, { blocks: 2, tail: 1, parts: NORM });
		expect(() => checkLoadable(whole)).not.toThrow();
		const tailless = await model(name, { blocks: 3, parts: ["attn_q.weight"] });
		expect(() => checkLoadable(tailless)).not.toThrow();
	});

	it("llama.cpp reports by itself where its loader asks for every tensor", async () => {
		const file = await model("exaone-moe", { blocks: 2, tail: 1, parts: ["attn_q.weight"] });
		expect(() => checkLoadable(file)).not.toThrow();
	});
});

describe("an epsilon", () => {
	const KEYS = ["layer_norm_epsilon", "layer_norm_rms_epsilon", "group_norm_epsilon"].map((key) => `attention.${key}`);
	const stating = (key: string, value: number) => model("llama", { blocks: 2, keys: { [key]: ["float32", value] } });

	it.each(KEYS)("%s that ggml asserts against is refused", async (key) => {
		for (const value of [-1e-5, -0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
			const file = await stating(key, value);
			expect(() => checkLoadable(file), `${value}`).toThrow(InvalidGgufError);
			expect(() => checkLoadable(file)).toThrow(`expected a number of at least 0 as ${key}, found`);
		}
		for (const value of [0, 1e-6, 1e-5, 1]) expect(checkLoadable(await stating(key, value)), `${value}`).toBeUndefined();
	});
});

describe("a file that is aligned to less than what llama.cpp maps", () => {
	const folder = tempFolder();

	it.each([1, 2, 8, 16])("is read, and computes the same: %d", async (alignment) => {
		const path = await changedFixture(join(folder, `${alignment}.gguf`), (content) => ({
			...content,
			alignment,
			entries: [...content.entries, encodeEntry("general.alignment", "uint32", alignment)],
		}));
		expect(isMappable(await GgufFile.read(path))).toBe(false);
		expect(isMappable(await GgufFile.read(fixturePath))).toBe(true);
		const losses = async (name: string) => {
			await using loaded = await Model.load(name);
			const [evaluation] = await loaded.createEvaluator().evaluate([fullSet], fixtureWindows(2));
			return Array.from(evaluation!.losses);
		};
		expect(await losses(path)).toEqual(await losses(fixturePath));
	});
});
