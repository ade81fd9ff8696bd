import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EvaluationError, QuantizeError } from "../../src/errors.js";
import { dequantize } from "../../src/model/gguf/dequantize.js";
import { readTensor } from "../../src/model/fitting/tensors.js";
import { Model } from "../../src/model/runtime/model.js";
import {
	dequantizeBytes,
	type HiddenStates,
	hiddenStates,
	normalEquations,
	outputPath,
	quantizeValues,
	solveEquations,
	stateValues,
} from "../../src/model/runtime/states.js";
import { blocks, fixturePath, fixtureWindows, fullSet, removing } from "../helpers/fixture.js";

let model: Model;
beforeAll(async () => {
	model = await Model.load(fixturePath, { threads: 2 });
});
afterAll(() => model.dispose());

const F32 = 0;
const name = "blk.2.ffn_down.weight";
const windows = fixtureWindows(4);
const all = Array.from({ length: blocks }, (_, block) => block);
const run = { windows, kept: all.filter((block) => block !== 3), ubatch: 256, threads: 2 };
const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
const shape = () => {
	const [inputs, outputs] = model.file.tensor(name)!.dims as [number, number];
	return { inputs, outputs };
};
const weights = async () => {
	const tensor = model.file.tensor(name)!;
	return dequantizeBytes(model, await readTensor(tensor), { type: tensor.type, rowLength: tensor.dims[0]! });
};
const valuesAfter = async (block: number) => stateValues(model, (await hiddenStates(model, run, [block]))[0]!);

/** The inputs of the matrix, without looking into the graph: matrices that select single inputs replace it. */
async function inputsByProbing(): Promise<Float64Array> {
	const { inputs, outputs } = shape();
	const rows = windows.tokens.length;
	const found = new Float64Array(rows * inputs);
	const probe = async (matrix: Float32Array) => {
		await model.replaceTensor(name, { type: F32, bytes: bytesOf(matrix) });
		return valuesAfter(2);
	};
	const nothing = await probe(new Float32Array(inputs * outputs));
	for (let first = 0; first < inputs; first += outputs) {
		const matrix = new Float32Array(inputs * outputs);
		for (let i = 0; i < Math.min(outputs, inputs - first); i++) matrix[i * inputs + first + i] = 1;
		const with1 = await probe(matrix);
		for (let row = 0; row < rows; row++)
			for (let i = 0; i < Math.min(outputs, inputs - first); i++)
				found[row * inputs + first + i] = with1[row * outputs + i]! - nothing[row * outputs + i]!;
	}
	await model.replaceTensor(name);
	return found;
}

/** Gaussian elimination with pivoting: (n x n) X = (n x m). */
function solveDense(matrix: Float64Array, right: Float64Array, n: number, m: number): Float64Array {
	const a = matrix.slice();
	const b = right.slice();
	for (let k = 0; k < n; k++) {
		let pivot = k;
		for (let i = k + 1; i < n; i++) if (Math.abs(a[i * n + k]!) > Math.abs(a[pivot * n + k]!)) pivot = i;
		for (let j = 0; j < n; j++) [a[k * n + j], a[pivot * n + j]] = [a[pivot * n + j]!, a[k * n + j]!];
		for (let j = 0; j < m; j++) [b[k * m + j], b[pivot * m + j]] = [b[pivot * m + j]!, b[k * m + j]!];
		for (let i = k + 1; i < n; i++) {
			const factor = a[i * n + k]! / a[k * n + k]!;
			if (factor === 0) continue;
			for (let j = k; j < n; j++) a[i * n + j]! -= factor * a[k * n + j]!;
			for (let j = 0; j < m; j++) b[i * m + j]! -= factor * b[k * m + j]!;
		}
	}
	for (let k = n - 1; k >= 0; k--)
		for (let j = 0; j < m; j++) {
			let value = b[k * m + j]!;
			for (let i = k + 1; i < n; i++) value -= a[k * n + i]! * b[i * m + j]!;
			b[k * m + j] = value / a[k * n + k]!;
		}
	return b;
}

/** A^T A and A^T Y over rows with weights. */
function sums(a: Float64Array, y: Float64Array, n: number, m: number, weight: (row: number) => number) {
	const gram = new Float64Array(n * n);
	const cross = new Float64Array(n * m);
	for (let row = 0; row * n < a.length; row++) {
		const w = weight(row);
		for (let i = 0; i < n; i++) {
			const value = w * a[row * n + i]!;
			for (let j = 0; j < n; j++) gram[i * n + j]! += value * a[row * n + j]!;
			for (let j = 0; j < m; j++) cross[i * m + j]! += value * y[row * m + j]!;
		}
	}
	return { gram, cross };
}

function withRidge(gram: Float64Array, n: number, shift: number): Float64Array {
	const shifted = gram.slice();
	for (let i = 0; i < n; i++) shifted[i * n + i]! += shift;
	return shifted;
}

/** Mean of the diagonal of A^T A, with rows far longer than usual as ten of the median. */
function usualDiagonal(a: Float64Array, n: number, weight: (row: number) => number): number {
	const squares = Array.from({ length: a.length / n }, (_, row) =>
		a.subarray(row * n, (row + 1) * n).reduce((sum, value) => sum + weight(row) * value ** 2, 0),
	);
	const most = 10 * squares.toSorted((x, y) => x - y)[Math.floor(squares.length / 2)]!;
	return squares.reduce((sum, square) => sum + Math.min(square, most), 0) / n;
}

/** Largest difference relative to the largest value. */
function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
	let worst = 0;
	let largest = 0;
	for (let i = 0; i < a.length; i++) {
		worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
		largest = Math.max(largest, Math.abs(b[i]!));
	}
	return worst / largest;
}

describe("the fit of a matrix", () => {
	let target: HiddenStates;
	let inputs: Float64Array;
	let missing: Float64Array;
	let wanted: Float32Array;
	beforeAll(async () => {
		inputs = await inputsByProbing();
		[target] = (await hiddenStates(model, { ...run, kept: all }, [3])) as [HiddenStates];
		wanted = await stateValues(model, target);
		const standing = await valuesAfter(2);
		missing = Float64Array.from(wanted, (value, i) => value - standing[i]!);
	});
	const alike = () => 1;
	/** Weight of each token: the mean square of its wanted state to the power of - relative. */
	const weightOf = (relative: number) => (row: number) => {
		const { outputs: m } = shape();
		return (wanted.subarray(row * m, (row + 1) * m).reduce((sum, value) => sum + value ** 2, 0) / m) ** -relative;
	};
	/** @param shift of the diagonal */
	const refit = (weight: (row: number) => number, shift: number) => {
		const { inputs: n, outputs: m } = shape();
		const { gram, cross } = sums(inputs, missing, n, m, weight);
		const solution = solveDense(withRidge(gram, n, shift), cross, n, m);
		return Float64Array.from({ length: m * n }, (_, i) => solution[(i % n) * m + Math.floor(i / n)]!);
	};
	const sumsOf = async (relative: number, fittedTo: "inputs" | "outputs" = "inputs") =>
		(await normalEquations(model, run, { weight: name, after: 2, target, relative }, [fittedTo]))[fittedTo]!;
	const fitted = async (relative: number, through?: Float32Array) => {
		const equations = await sumsOf(relative, through ? "outputs" : "inputs");
		return (await solveEquations(model, equations, { ridge: 0.1, through, threads: 2 })).update;
	};

	it.each([0.01, 1])("is the solution of normal equations that were computed otherwise (ridge %d)", async (ridge) => {
		const { inputs: n, outputs: m } = shape();
		const equations = await sumsOf(0);
		expect(equations).toMatchObject({ features: n, targets: m, rows: windows.tokens.length });
		const { update, explained } = await solveEquations(model, equations, { ridge, threads: 2 });

		const expected = refit(alike, ridge * usualDiagonal(inputs, n, alike));
		expect(difference(update, expected)).toBeLessThan(1e-3);

		let left = 0;
		let before = 0;
		for (let row = 0; row < windows.tokens.length; row++) {
			for (let o = 0; o < m; o++) {
				let value = missing[row * m + o]!;
				before += value ** 2;
				for (let i = 0; i < n; i++) value -= expected[o * n + i]! * inputs[row * n + i]!;
				left += value ** 2;
			}
		}
		expect(explained).toBeCloseTo(1 - left / before, 3);
		expect(explained).toBeGreaterThan(0.2);
	});

	it("weighs tokens by the size of their wanted state", async () => {
		const weight = weightOf(1);
		expect(difference(await fitted(1), refit(weight, 0.1 * usualDiagonal(inputs, shape().inputs, weight)))).toBeLessThan(1e-3);
	});

	it("is held by what usual tokens need, where a few are far longer than all others together", async () => {
		// Weights make such tokens here; in real models it is the first token of a window.
		const { inputs: n } = shape();
		const weight = weightOf(-8);
		const usual = usualDiagonal(inputs, n, weight);
		const mean = inputs.reduce((sum, value, i) => sum + weight(Math.floor(i / n)) * value ** 2, 0) / n;
		expect(usual).toBeLessThan(0.5 * mean);
		const update = await fitted(-8);
		expect(difference(update, refit(weight, 0.1 * usual))).toBeLessThan(5e-3);
		expect(difference(update, refit(weight, 0.1 * mean))).toBeGreaterThan(2e-2);
	});

	// Rows of very different lengths are known less exactly by probing.
	it.each([
		[0, 1e-3],
		[-8, 5e-3],
	])("is a map on what the matrix gives where that is asked for (relative %d)", async (relative, most) => {
		const { inputs: n, outputs: m } = shape();
		const w = await weights();
		const weight = weightOf(relative);
		// As it is computed, with its inputs rounded to 8 bits: with the matrix minus with nothing in its place.
		const standing = await valuesAfter(2);
		await model.replaceTensor(name, { type: F32, bytes: bytesOf(new Float32Array(n * m)) });
		const nothing = await valuesAfter(2);
		await model.replaceTensor(name);
		const given = Float64Array.from(standing, (value, i) => value - nothing[i]!);
		const { gram, cross } = sums(given, missing, m, m, weight);
		const map = solveDense(withRidge(gram, m, 0.1 * usualDiagonal(given, m, weight)), cross, m, m); // transposed
		const expected = new Float64Array(m * n);
		for (let o = 0; o < m; o++)
			for (let k = 0; k < m; k++) for (let i = 0; i < n; i++) expected[o * n + i]! += map[k * m + o]! * w[k * n + i]!;
		expect(difference(await fitted(relative, w), expected)).toBeLessThan(most);
	});

	it("to inputs and to outputs is that of each alone, from one run", async () => {
		const { outputs: m } = shape();
		const both = await normalEquations(model, run, { weight: name, after: 2, target }, ["outputs", "inputs"]);
		for (const to of ["inputs", "outputs"] as const) {
			const alone = await solveEquations(model, await sumsOf(0, to), { ridge: 0.1, threads: 2 });
			expect(await solveEquations(model, both[to]!, { ridge: 0.1, threads: 2 })).toEqual(alone);
		}
		expect(both.outputs).toMatchObject({ features: m, targets: m, rows: windows.tokens.length });
	});

	it("to outputs explains what its map does, whichever way it is asked for", async () => {
		const equations = await sumsOf(0, "outputs");
		const alone = await solveEquations(model, equations, { ridge: 0.1, threads: 2 });
		const through = await solveEquations(model, equations, { ridge: 0.1, through: await weights(), threads: 2 });
		expect(alone.update).toHaveLength(shape().outputs ** 2);
		expect(through.explained).toBe(alone.explained);
		expect(through.explained).toBeGreaterThan(0.1);
		await expect(solveEquations(model, equations, { ridge: 0.1, through: new Float32Array(5), threads: 2 })).rejects.toThrow(
			/as many values as the update takes/,
		);
	});

	it("gives the same whether blocks run from the tokens or from a state", async () => {
		const [from] = await hiddenStates(model, run, [0]);
		const settings = { weight: name, after: 2, target };
		const whole = await solveEquations(model, await sumsOf(0), { ridge: 0.1, threads: 2 });
		const rest = { ...run, kept: run.kept.filter((block) => block > 0), from };
		const { inputs: resumed } = await normalEquations(model, rest, settings, ["inputs"]);
		expect(difference((await solveEquations(model, resumed!, { ridge: 0.1, threads: 2 })).update, whole.update)).toBeLessThan(1e-6);
	});

	it("stops when it is cancelled", async () => {
		const abort = new AbortController();
		const settings = { weight: name, after: 2, target };
		const job = normalEquations(model, { ...run, windows: fixtureWindows(10), signal: abort.signal }, settings, ["inputs"]);
		const whole = hiddenStates(model, { ...run, kept: all, windows: fixtureWindows(10), signal: abort.signal }, [11]);
		abort.abort(new Error("enough"));
		await expect(whole).rejects.toThrow("enough");
		await expect(job).rejects.toThrow("enough");
	});

	it("says what does not fit", async () => {
		const settings = { weight: name, after: 2, target };
		const summed = (over: typeof run, what: typeof settings) => normalEquations(model, over, what, ["inputs"]);
		await expect(summed(run, { ...settings, weight: "blk.3.ffn_down.weight" })).rejects.toThrow(/does not multiply each token/);
		await expect(summed(run, { ...settings, after: 3 })).rejects.toThrow(/block 3 is not among those that run/);
		await expect(summed({ ...run, windows: fixtureWindows(2) }, settings)).rejects.toThrow(EvaluationError);
	});
});

describe("the way of a matrix to the residual stream", () => {
	it("is direct for the last matrix of a block, and not for one before it", async () => {
		const direct = await outputPath(model, run, { weight: name, after: 2 });
		expect(direct.scale).toBeCloseTo(1, 4);
		expect(direct.unexplained).toBeLessThan(1e-5);
		// The feed-forward part sees what attention adds.
		const indirect = await outputPath(model, run, { weight: "blk.2.attn_output.weight", after: 2 });
		expect(indirect.unexplained).toBeGreaterThan(1e-2);
		const further = await outputPath(model, run, { weight: name, after: 4 });
		expect(further.unexplained).toBeGreaterThan(1e-2);
	});
});

describe("replaced tensors", () => {
	const measure = async () =>
		(await model.createEvaluator().evaluate([fullSet, removing(3, 7)], windows, { digest: true })).map(({ digests }) => digests);

	it("change what is computed, and nothing is left of them", async () => {
		const before = await measure();
		const values = await weights();
		await model.replaceTensor(name, { type: F32, bytes: bytesOf(values.map((value) => value * 0.9)) });
		const changed = await measure();
		expect(changed).not.toEqual(before);
		await model.replaceTensor(name, { type: model.file.tensor(name)!.type, bytes: await readTensor(model.file.tensor(name)!) });
		expect(await measure()).toEqual(before);
		await model.replaceTensor(name);
		expect(await measure()).toEqual(before);
	});

	it("are refused where they are of another size or name", async () => {
		await expect(model.replaceTensor(name, { type: F32, bytes: new Uint8Array(4) })).rejects.toThrow(/takes \d+ bytes of type F32, not 4/);
		await expect(model.replaceTensor("blk.99.ffn_down.weight", { type: F32, bytes: new Uint8Array(4) })).rejects.toThrow(/no tensor/);
	});
});

describe("conversion of weights", () => {
	it("is that of ggml", async () => {
		const tensor = model.file.tensor(name)!;
		const bytes = await readTensor(tensor);
		const values = await dequantizeBytes(model, bytes, { type: tensor.type, rowLength: tensor.dims[0]! });
		expect(values).toEqual(dequantize(bytes, tensor.type));
		const halves = await quantizeValues(model, values, { type: 1, rowLength: tensor.dims[0]! });
		expect(difference(dequantize(halves, 1), values)).toBeLessThan(1e-3);
	});

	it("refuses rows that a type cannot hold", async () => {
		await expect(quantizeValues(model, new Float32Array(48), { type: 8, rowLength: 48 })).rejects.toThrow(QuantizeError);
	});
});
