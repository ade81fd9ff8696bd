/**
 * The lower factor of a symmetric positive definite matrix, kept as one row-major array.
 * Written here rather than taken from a library: rows are walked in memory order, which is several times faster at these sizes.
 */
export class Cholesky {
	readonly size: number;
	readonly #lower: Float64Array;

	/**
	 * @param matrix symmetric, size x size, row-major; overwritten
	 * @throws RangeError where it is not positive definite
	 */
	constructor(matrix: Float64Array, size: number) {
		for (let i = 0; i < size; i++) {
			const row = i * size;
			for (let j = 0; j <= i; j++) {
				const other = j * size;
				let sum = matrix[row + j] as number;
				for (let k = 0; k < j; k++) sum -= (matrix[row + k] as number) * (matrix[other + k] as number);
				if (i !== j) matrix[row + j] = sum / (matrix[other + j] as number);
				else if (sum > 0) matrix[row + i] = Math.sqrt(sum);
				else throw new RangeError(`the matrix is not positive definite (pivot ${i} is ${sum}); raise the penalty`);
			}
		}
		this.size = size;
		this.#lower = matrix;
	}

	/** L^-1 b */
	forward(b: Float64Array): Float64Array {
		const { size } = this;
		const x = b.slice();
		for (let i = 0; i < size; i++) {
			let sum = x[i] as number;
			for (let k = 0; k < i; k++) sum -= (this.#lower[i * size + k] as number) * (x[k] as number);
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
			// Row by row, so that memory is walked in order.
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
