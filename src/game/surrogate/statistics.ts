import { average } from "../statistics.js";

/** 1 - squared error / variance of the truth; NaN if the truth does not vary. Can be negative. */
export function rSquared(truth: ArrayLike<number>, guess: ArrayLike<number>): number {
	const mean = average(truth);
	let error = 0;
	let total = 0;
	for (let i = 0; i < truth.length; i++) {
		error += ((truth[i] as number) - (guess[i] as number)) ** 2;
		total += ((truth[i] as number) - mean) ** 2;
	}
	return total > 0 ? 1 - error / total : Number.NaN;
}

/** Rank correlation, equal values share their mean rank; NaN if either side does not vary. */
export function spearman(a: ArrayLike<number>, b: ArrayLike<number>): number {
	if (a.length !== b.length) throw new RangeError(`expected two lists of one length, got ${a.length} and ${b.length}`);
	return pearson(ranks(a), ranks(b));
}

/** Linear correlation; NaN if either side does not vary. */
export function pearson(a: ArrayLike<number>, b: ArrayLike<number>): number {
	const meanA = average(a);
	const meanB = average(b);
	let ab = 0;
	let aa = 0;
	let bb = 0;
	for (let i = 0; i < a.length; i++) {
		const x = (a[i] as number) - meanA;
		const y = (b[i] as number) - meanB;
		ab += x * y;
		aa += x * x;
		bb += y * y;
	}
	return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : Number.NaN;
}

/** Ranks from 1; ties share their mean. */
export function ranks(values: ArrayLike<number>): Float64Array {
	const order = Array.from({ length: values.length }, (_, i) => i).sort((i, j) => compare(values[i] as number, values[j] as number));
	const result = new Float64Array(values.length);
	for (let start = 0; start < order.length; ) {
		let end = start + 1;
		while (end < order.length && values[order[end] as number] === values[order[start] as number]) end++;
		for (let at = start; at < end; at++) result[order[at] as number] = (start + end + 1) / 2;
		start = end;
	}
	return result;
}

/** Unlike subtraction, this treats two infinities as equal. */
function compare(a: number, b: number): number {
	return a < b ? -1 : a > b ? 1 : 0;
}
