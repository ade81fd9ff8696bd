import { describe, expect, it } from "vitest";
import { InvalidGgufError } from "../../src/errors.js";
import { checkLoadable, TAIL_ALONE } from "../../src/runtime/loadable.js";
import { model } from "../architectures/model.js";

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
