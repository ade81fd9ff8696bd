// How much the default job runs, as its code has it: tests hold these numbers against src/.

/** src/pipeline/session/calibration-windows.ts, src/model/runtime/ubatch.ts; half-block cuts as nearly every architecture has them */
export const usual = { windows: undefined, windowLength: 128, effort: "standard", granularity: "half-block" };
/** src/pipeline/session/working-weights.ts: what is left of the work of single masks where they share leading blocks. */
export const sharedTime = 0.6;

/** Windows of the splits. A search of self-generated text goes by the divergence, on half as many where no option says how many. */
export function splitsOf(windows, text = false) {
	const validation = windows ?? 10;
	return { search: windows ?? (text ? 10 : 5), validation, heldOut: Math.ceil(1.5 * validation) };
}

/** Candidates that the search measures at most (src/pipeline/methods/budget.ts). */
export function candidatesOf(blocks, most, effort, granularity) {
	const budgets = {
		quick: Math.max(40, blocks + 6 * most),
		standard: Math.max(100, 2 * blocks + 8 * most),
		thorough: Math.max(300, Math.min(800, 26 * blocks)),
	};
	return Math.round(budgets[effort] * (granularity === "half-block" ? 1.25 : 1));
}

/** Sets of one size in the final comparison, and those of them that are measured on each part of further text (budget.ts, race/ties.ts). */
export const finalists = { quick: 7, standard: 21, thorough: 21 };
/** The same where several sizes are compared, at most. */
const finalistsOfEach = 11;
/** Further sets of one size, with half-block cuts. */
const furtherFinalists = { block: 0, "half-block": 2 };
const furtherSets = { quick: [4], standard: [4, 2, 2], thorough: [4, 2, 2, 2, 2, 2, 2] };
/** With half-block cuts the whole blocks that they must beat are there too. */
const withWhole = (sets, granularity) => (granularity === "half-block" ? Math.max(3, sets) : sets);
const furtherShare = 0.25;
/** Parts after each round of further text, which compares at least two sets. */
const rounds = [1, 3, 7];
/** Sets of fewer blocks that are measured if the choice costs much, at most: five of each of three numbers (race/smaller.ts). */
const smallerSets = (removed) => 5 * Math.max(0, Math.min(3, removed - 1));

/**
 * What is run where a number of blocks to remove is given, at most: candidates, and tokens through the original model's work.
 * `curve`: without a number, where all sizes up to a third of the blocks are compared.
 */
export function workOf(blocks, { removed, text = false, ...how }) {
	const { windows, windowLength, effort, granularity } = { ...usual, ...defined(how) };
	const curve = removed === undefined;
	const most = removed ?? Math.max(1, Math.floor(blocks / 3));
	const splits = splitsOf(windows, text);
	const tokens = {
		search: splits.search * windowLength,
		validation: splits.validation * windowLength,
		heldOut: splits.heldOut * windowLength,
	};
	const candidates = candidatesOf(blocks, most, effort, granularity);
	const field = Math.min(finalists[effort], curve ? finalistsOfEach : Number.POSITIVE_INFINITY) + furtherFinalists[granularity];
	const sizes = curve ? most : 1;
	const compared = field * sizes;
	const all = furtherSets[effort].map((sets) => withWhole(sets, granularity) * sizes);
	const further = Math.min(
		all.reduce((sum, sets) => sum + sets),
		Math.floor(candidates * furtherShare),
	);
	// Parts of further text that those evaluations reach.
	const parts = rounds.filter((some) => some <= all.length && further >= 2 * some).at(-1) ?? 0;
	const smaller = curve ? 0 : smallerSets(removed);
	return {
		...{ most, candidates, compared, further, parts, smaller, tokens, splits, windowLength },
		search: candidates * tokens.search,
		// The original model is compared too, and its distributions on each text are made for that if it is the model's own.
		validation: (1 + compared + further + smaller) * tokens.validation,
		references: text ? 0 : (1 + parts) * tokens.validation,
		searchReference: text ? 0 : tokens.search,
		figures: 2 * tokens.validation + 4 * tokens.heldOut,
	};
}

const defined = (how) => Object.fromEntries(Object.entries(how).filter(([, value]) => value !== undefined));

/** Windows that are drawn at once, and how many tokens one by one (native/sampler.cpp). */
export function drawsOf(count, { windowLength }) {
	const together = Math.max(1, Math.min(64, Math.floor(8192 / windowLength)));
	const draws = [];
	for (let left = count; left > 0; left -= together) draws.push({ sequences: Math.min(left, together), steps: windowLength - 1 });
	return draws;
}

/** Tokens that trying ways to cut up the work runs: none for a short search (src/model/runtime/shape.ts). */
export function probeTokens({ candidates, windowLength }, vocabulary, secondsPerToken) {
	if (candidates < 60) return 0;
	const call = 512;
	const twice = call * secondsPerToken < 3 ? 2 : 1;
	return windowLength + twice * call * (1 + otherUbatches(vocabulary, windowLength));
}

/** Ubatches that are tried beside the usual one. */
function otherUbatches(vocabulary, windowLength) {
	const start = usualUbatch(vocabulary);
	const cut = (ubatch) => (ubatch < 2 * windowLength ? Math.min(ubatch, windowLength) : Math.floor(ubatch / windowLength) * windowLength);
	const tried = [start / 2, start / 4, start * 2].filter((ubatch) => ubatch >= 64 && 4 * vocabulary * ubatch <= 2 ** 28);
	return new Set(tried.map(cut).filter((tokens) => tokens !== cut(start))).size;
}

export const usualUbatch = (vocabulary) => Math.max(64, Math.min(512, Math.floor(2 ** 28 / (4 * vocabulary) / 64) * 64));

/**
 * Tokens of a repetition of the speed measurement, halved until it fits its time (src/pipeline/speed/figures.ts), and runs at most: the repetitions
 * are made again if the ratios are not clear, but not by a model that is too slow for that.
 */
export function speedTokens(prompt, generation) {
	const once = 14;
	const halved = (tokens, least, speed) => {
		let left = tokens;
		while (left > least && (once * left) / speed > 4) left /= 2;
		return left;
	};
	const tokens = { prompt: halved(512, 16, prompt), generated: halved(64, 4, generation) };
	const seconds = once * (tokens.prompt / prompt + tokens.generated / generation);
	return { rounds: 2 * seconds > 16 ? once : 2 * once, ...tokens };
}

/** Bytes that measuring takes at most, by what takes them (src/model/runtime/memory.ts), of a model with keys and values in all blocks. */
export function memoryOf(
	{ bytes, blocks, width, kvWidth, vocabulary },
	{ windows = usual.windows, windowLength = usual.windowLength } = {},
) {
	const { validation, heldOut } = splitsOf(windows);
	const ubatch = Math.min(usualUbatch(vocabulary), heldOut * windowLength);
	const together = Math.max(1, Math.min(heldOut, Math.floor(ubatch / windowLength)));
	const reference = 2 * validation * (windowLength - 1) * vocabulary;
	const need = {
		weights: bytes,
		context: together * 256 * Math.ceil(windowLength / 256) * blocks * kvWidth * 2,
		states: Math.min(2 ** 30, blocks * heldOut * windowLength * width * 4),
		logits: 2 * ubatch * vocabulary * 4,
		// One of the split, and one of further text; none where one would take more than 1 GiB.
		references: reference <= 2 ** 30 ? 2 * reference : 0,
		rest: 64 * 2 ** 20 + 8 * ubatch * width * 4,
	};
	return { ...need, total: Object.values(need).reduce((sum, part) => sum + part, 0) };
}
