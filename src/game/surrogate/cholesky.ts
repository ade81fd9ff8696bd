/**
 * The lower factor of a symmetric positive definite matrix, kept as one row-major array.
 * Written here instead of taken from a library: walking rows in memory order is several times faster at these sizes.
 */
export class Cholesky {
	readonly size: number;
	readonly #lower: Float64Array;

	/**
	 * @param matrix symmetric (the lower triangle is read), size x size, row-major; overwritten
	 * @param factored the matrix already is its lower factor
	 * @throws RangeError if it is not positive definite
	 */
	constructor(matrix: Float64Array, size: number, factored = false) {
		for (let i = 0; i < size && !factored; i++) factorRow(matrix, size, i);
		this.size = size;
		this.#lower = matrix;
	}

	/** The same in slices of a few milliseconds, with a pause after each. */
	static async inSlices(matrix: Float64Array, size: number, pause: (() => Promise<void>) | undefined): Promise<Cholesky> {
		let work = 0;
		for (let i = 0; i < size; i++) {
			factorRow(matrix, size, i);
			work += i * i;
			if (work < SLICE) continue;
			work = 0;
			await pause?.();
		}
		return new Cholesky(matrix, size, true);
	}

	/** L^-1 b */
	forward(b: Float64Array): Float64Array {
		const { size } = this;
		const x = b.slice();
		for (let i = 0; i < size; i++) {
			let sum = x[i] as number;
			const row = i * size;
			for (let k = 0; k < i; k++) sum -= (this.#lower[row + k] as number) * (x[k] as number);
			x[i] = sum / (this.#lower[i * size + i] as number);
		}
		return x;
	}

	/** L^-T b */
	backward(b: Float64Array): Float64Array {
		const { size } = this;
		const x = b.slice();
		for (let i = size - 1; i >= 0; i--) {
			const value = (x[i] as number) / (this.#lower[i * size + i] as number);
			x[i] = value;
			// Row by row, to follow the memory order.
			for (let k = 0; k < i; k++) x[k]! -= (this.#lower[i * size + k] as number) * value;
		}
		return x;
	}

	/** A^-1 b */
	solve(b: Float64Array): Float64Array {
		return this.backward(this.forward(b));
	}

	/** Diagonal of A^-1. */
	inverseDiagonal(): Float64Array {
		const { size } = this;
		const diagonal = new Float64Array(size);
		const column = new Float64Array(size);
		for (let j = 0; j < size; j++) {
			// Column j of L^-1: zero above j.
			column.fill(0);
			column[j] = 1;
			let total = 0;
			for (let i = j; i < size; i++) {
				let sum = column[i] as number;
				for (let k = j; k < i; k++) sum -= (this.#lower[i * size + k] as number) * (column[k] as number);
				const value = sum / (this.#lower[i * size + i] as number);
				column[i] = value;
				total += value * value;
			}
			diagonal[j] = total;
		}
		return diagonal;
	}

	/** log |A| */
	logDeterminant(): number {
		let sum = 0;
		for (let i = 0; i < this.size; i++) sum += 2 * Math.log(this.#lower[i * this.size + i] as number);
		return sum;
	}
}

/** Work between two pauses, in halves of multiplications: about ten milliseconds. */
const SLICE = 16_000_000;

/** Row i of the factor, from the rows before it. */
function factorRow(matrix: Float64Array, size: number, i: number): void {
	const row = i * size;
	for (let j = 0; j < i; j++) {
		const other = j * size;
		matrix[row + j] = ((matrix[row + j] as number) - dot(matrix, row, other, j)) / (matrix[other + j] as number);
	}
	const pivot = (matrix[row + i] as number) - dot(matrix, row, row, i);
	if (!(pivot > 0)) throw new RangeError(`the matrix is not positive definite (pivot ${i} is ${pivot}); raise the penalty (the noise)`);
	matrix[row + i] = Math.sqrt(pivot);
}

/** Dot product of two parts of one array, in four chains: a single chain would wait for itself at every step. */
function dot(values: Float64Array, a: number, b: number, length: number): number {
	let s0 = 0;
	let s1 = 0;
	let s2 = 0;
	let s3 = 0;
	let k = 0;
	for (; k + 3 < length; k += 4) {
		s0 += (values[a + k] as number) * (values[b + k] as number);
		s1 += (values[a + k + 1] as number) * (values[b + k + 1] as number);
		s2 += (values[a + k + 2] as number) * (values[b + k + 2] as number);
		s3 += (values[a + k + 3] as number) * (values[b + k + 3] as number);
	}
	for (; k < length; k++) s0 += (values[a + k] as number) * (values[b + k] as number);
	return s0 + s1 + (s2 + s3);
}
