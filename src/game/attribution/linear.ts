/**
 * Solves a symmetric positive semidefinite system and inverts it. A ridge of a billionth of the mean diagonal fixes directions that the
 * data does not determine. Gauss-Jordan with pivots on the diagonal, for at most a few hundred unknowns. @internal
 */
export function solveSymmetric(matrix: Float64Array, right: Float64Array): { solution: Float64Array; inverse: Float64Array } {
	const size = right.length;
	let trace = 0;
	for (let i = 0; i < size; i++) trace += matrix[i * size + i] as number;
	const ridge = Math.max(1e-300, (1e-9 * trace) / size);
	const work = matrix.slice();
	const inverse = new Float64Array(size * size);
	for (let i = 0; i < size; i++) {
		work[i * size + i]! += ridge;
		inverse[i * size + i] = 1;
	}
	for (let p = 0; p < size; p++) {
		const pivot = work[p * size + p] as number;
		for (let c = 0; c < size; c++) {
			work[p * size + c]! /= pivot;
			inverse[p * size + c]! /= pivot;
		}
		for (let r = 0; r < size; r++) {
			const factor = work[r * size + p] as number;
			if (r === p || factor === 0) continue;
			for (let c = 0; c < size; c++) {
				work[r * size + c]! -= factor * (work[p * size + c] as number);
				inverse[r * size + c]! -= factor * (inverse[p * size + c] as number);
			}
		}
	}
	const solution = Float64Array.from({ length: size }, (_, r) => {
		let sum = 0;
		for (let c = 0; c < size; c++) sum += (inverse[r * size + c] as number) * (right[c] as number);
		return sum;
	});
	return { solution, inverse };
}
