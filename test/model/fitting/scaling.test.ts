import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { QuantizeError } from "../../../src/errors.js";
import { minimum } from "../../../src/model/fitting/factors.js";
import { scalableColumns, scalableRows, scaleGroups } from "../../../src/model/fitting/scaling.js";
import { Model } from "../../../src/model/runtime/model.js";
import { dequantizeBytes, quantizeValues } from "../../../src/model/runtime/states.js";
import { fixturePath } from "../../helpers/fixture.js";

let model: Model;
beforeAll(async () => {
	model = await Model.load(fixturePath, { threads: 2 });
});
afterAll(() => model.dispose());

const row = 1024;
const tensor = { name: "a matrix", dims: [row, 3] };
const values = Float32Array.from({ length: 3 * row }, (_, i) => Math.sin(i * 1.7) * (1 + (i % 13)));
const types = {
	...{ F32: 0, F16: 1, Q4_0: 2, Q4_1: 3, Q5_0: 6, Q5_1: 7, Q8_0: 8, Q2_K: 10, Q3_K: 11, Q4_K: 12, Q5_K: 13, Q6_K: 14 },
	...{ IQ4_NL: 20, IQ4_XS: 23, BF16: 30 },
};

describe("scaling columns", () => {
	it.each(Object.entries(types))("of %s keeps the type, and powers of two exactly", async (_, type) => {
		expect(scalableColumns(type, row, 4)).toBe(4);
		const bytes = await quantizeValues(model, values, { type, rowLength: row });
		const before = await dequantizeBytes(model, bytes, { type, rowLength: row });
		const factors = [0.5, 1, 2, 1.3];
		const scaled = await scaleGroups(model, { tensor, standing: { type, bytes } }, { by: "columns", factors });
		expect([scaled.type, scaled.bytes.length]).toEqual([type, bytes.length]);
		const after = await dequantizeBytes(model, scaled.bytes, { type, rowLength: row });
		const wanted = before.map((value, i) => factors[Math.floor((i % row) / (row / 4))]! * value);
		const exact = (list: Float32Array) => list.filter((_, i) => i % row < (3 * row) / 4);
		expect(exact(after)).toEqual(exact(wanted));
		// A number of BF16 has 8 bits; scales of blocks, of which a type may have two, and F16 have 11.
		const allowed = (type === types.BF16 ? 8e-3 : 2e-3) * Math.max(...before.map(Math.abs));
		for (const [i, value] of after.entries()) expect(Math.abs(value - wanted[i]!)).toBeLessThan(allowed);
		expect(bytes).toEqual(await quantizeValues(model, values, { type, rowLength: row }));
	});

	it("is by fewer groups where a block of the type holds several", async () => {
		expect(scalableColumns(types.Q4_K, row, 8)).toBe(4);
		expect(scalableColumns(types.Q4_1, row, 8)).toBe(8);
		expect(scalableColumns(types.Q4_K, 576, 9)).toBe(0); // such a row cannot be of that type
		expect(scalableColumns(types.Q4_1, 576, 9)).toBe(9);
		expect(scalableColumns(types.F16, 100, 7)).toBe(1);
		expect(scalableColumns(39, row, 4)).toBe(0); // MXFP4: scales of 8 bits, powers of two only
		const bytes = await quantizeValues(model, values, { type: types.Q4_K, rowLength: row });
		const scaling = { by: "columns", factors: new Array(8).fill(1) } as const;
		await expect(scaleGroups(model, { tensor, standing: { type: types.Q4_K, bytes } }, scaling)).rejects.toThrow(QuantizeError);
	});
});

it("values are quantized to types of weights only: ggml ends the process for others", async () => {
	for (const type of [9, 15, 24, 25, 26, 27, 28, 999])
		await expect(quantizeValues(model, values, { type, rowLength: row }), `type ${type}`).rejects.toThrow(QuantizeError);
});

describe("scaling rows", () => {
	it.each(Object.entries(types))("of %s keeps the type, and powers of two exactly", async (_, type) => {
		expect(scalableRows(type, 3, 3)).toBe(3);
		const bytes = await quantizeValues(model, values, { type, rowLength: row });
		const before = await dequantizeBytes(model, bytes, { type, rowLength: row });
		const scaled = await scaleGroups(model, { tensor, standing: { type, bytes } }, { by: "rows", factors: [0.5, 2, 1] });
		expect([scaled.type, scaled.bytes.length]).toEqual([type, bytes.length]);
		expect(await dequantizeBytes(model, scaled.bytes, { type, rowLength: row })).toEqual(
			before.map((value, i) => [0.5, 2, 1][Math.floor(i / row)]! * value),
		);
	});

	it("takes a list of numbers for rows of one", async () => {
		const list = { name: "a norm", dims: [4] };
		const bytes = await quantizeValues(model, Float32Array.of(1, 2, 3, 4), { type: types.F32, rowLength: 4 });
		const scaled = await scaleGroups(model, { tensor: list, standing: { type: types.F32, bytes } }, { by: "rows", factors: [2, 3] });
		expect(await dequantizeBytes(model, scaled.bytes, { type: types.F32, rowLength: 4 })).toEqual(Float32Array.of(2, 4, 9, 12));
	});

	it("is by equal groups, of types that can be scaled", async () => {
		expect(scalableRows(types.Q4_K, 12, 4)).toBe(4);
		expect(scalableRows(types.Q4_K, 10, 4)).toBe(0);
		expect(scalableRows(39, 12, 4)).toBe(0); // MXFP4
		const bytes = await quantizeValues(model, values, { type: types.F16, rowLength: row });
		const scaling = { by: "rows", factors: [1, 1] } as const;
		await expect(scaleGroups(model, { tensor, standing: { type: types.F16, bytes } }, scaling)).rejects.toThrow("2 groups of its 3 rows");
	});
});

describe("the minimum of a parabola", () => {
	it("is found, near 1 and on the side that is lower", () => {
		const found = (best: number, curvature: number) => {
			const at = (x: number) => 1 + curvature * (x - best) ** 2;
			return minimum(at(-0.25), at(0), at(0.25));
		};
		expect(found(0.2, 3)).toBeCloseTo(0.2, 10);
		expect(found(3, 1)).toBe(0.5);
		// Downhill from a maximum.
		expect(found(-0.1, -1)).toBe(0.25);
		expect(found(0.1, -1)).toBe(-0.25);
		expect(minimum(Number.NaN, 1, 2)).toBe(0);
		expect(minimum(1, 1, 1)).toBe(0);
	});
});
