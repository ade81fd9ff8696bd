// Sets that are tied on the validation split get more text of its kind, until one is left or the rest are as good.
import type { Effort } from "../../api/index.js";
import type { Coalition } from "../../game/coalition.js";
import type { Game, Measurement } from "../../game/game.js";
import { bySource, fewestWindows } from "../../game/sources.js";
import { differences, meanAndError, studentT95 } from "../../game/statistics.js";

/** Nats per token within which it does not matter which of two sets is taken: half a hundredth of the perplexity. */
export const indifference = 0.005;

/** Rounds at most, each of which doubles the text: twice, four times, eight times the validation split's. */
export const tieRounds: Readonly<Record<Effort, number>> = { quick: 1, standard: 2, thorough: 3 };

/** Parts of further text, each as large as the validation split, that were measured after so many rounds. */
export const partsAfter = (round: number) => 2 ** round - 1;

/** A set above another one, on the same windows. */
export interface Above {
	readonly mean: number;
	/** Paired by window; undefined where a source has a single window. */
	readonly standardError: number | undefined;
	/** Standard errors on either side of the 95 % interval (Student's t); undefined with the error. */
	readonly t: number | undefined;
}

export function above(set: Measurement, from: Measurement): Above {
	const { mean, standardError } = meanAndError(differences(set.losses, from.losses), from.sources);
	const windows = fewestWindows(from.losses.length, from.sources);
	return { mean, standardError, t: windows < 2 ? undefined : studentT95(windows - 1) };
}

/** Half the width of the interval; undefined where there is none. */
const reach = ({ standardError, t }: Above) => (standardError === undefined || t === undefined ? undefined : t * standardError);

/** Whether 0 is in the interval; without one nothing is said. */
export const isTied = (difference: Above): boolean => difference.mean <= (reach(difference) ?? Number.NEGATIVE_INFINITY);

/** Whether one is worse, for all that is known. */
const isWorse = (difference: Above): boolean => difference.mean > (reach(difference) ?? Number.POSITIVE_INFINITY);

/** Whether one of the two may be worth more than another. */
const matters = (difference: Above): boolean => Math.abs(difference.mean) + (reach(difference) ?? Number.POSITIVE_INFINITY) > indifference;

export interface TieOptions {
	/** Gives the parts of further text in their order; undefined where there is no more. */
	readonly further: (part: number) => Promise<Pick<Game, "measure"> | undefined>;
	/** Rounds at most. */
	readonly rounds: number;
	/** Sets times parts that are measured at most. */
	readonly masks: number;
	/** Orders those that are left by what else is known of them, the best one first. @default by the mean on the text of the race */
	readonly supported?: ((field: Field) => Field) | undefined;
	readonly signal?: AbortSignal | undefined;
}

export interface ToldApart {
	/** The best set of each size and those tied with it, on all the text that these were measured on. */
	readonly fields: readonly Field[];
	/** What was measured on each part. */
	readonly parts: readonly (readonly Coalition[])[];
	/** Why sizes were left undecided: no more text, or no more masks; undefined where all rounds were made, or none was needed. */
	readonly stopped?: "text" | "masks" | undefined;
}

/**
 * The sets of one size that are not surely worse than the one with the lowest mean, on the same text, without an interval none. The first is taken:
 * it has the lowest mean, or is best by all that is known.
 */
export type Field = readonly [best: Measurement, ...tied: Measurement[]];

/**
 * A race by rounds. In each one the sets that are not surely worse than the best of their size (95 % interval of the difference, paired by
 * window) are measured on as much further text as they had, all on the same; those that then are surely worse drop out. A size is decided
 * when one set is left, or none can be better than another by more than {@link indifference}. Where the masks do not reach for all sizes,
 * those with the fewest sets come first; of the next one the best sets go on, as many as the masks reach for but at least two, and the others
 * drop out though nothing is known against them. Each look is one at 95 % and beside the lowest mean, so that of sets that are the same some drop
 * out: of two one in about a tenth of the races, of eight nearly always some. That costs the choice nothing.
 * @param sizes of each size distinct sets, measured on the same text; the first of those with the lowest mean is the best
 */
export async function tellApart(sizes: readonly (readonly Measurement[])[], options: TieOptions): Promise<ToldApart> {
	const parts: Coalition[][] = [];
	let fields = sizes.map(fieldOf);
	let left = options.masks;
	let stopped: ToldApart["stopped"];
	for (let round = 1; round <= options.rounds; round++) {
		const wanted = partsAfter(round) - parts.length;
		const undecided = fields.filter(([best, ...tied]) => tied.some((set) => matters(above(set, best))));
		const open = affordable(undecided, Math.floor(left / wanted));
		if (undecided.some((field) => (open.get(field)?.length ?? 0) < field.length)) stopped = "masks";
		const sets = [...open.values()].flat().map(({ coalition }) => coalition);
		if (sets.length === 0) break;
		const measured = await measureParts(sets, parts.length, wanted, options);
		for (const _ of measured) parts.push(sets);
		left -= measured.length * sets.length;
		const more = new Map(sets.map(({ key }, i) => [key, measured.map((part) => part[i]!)]));
		// Sets that were not measured further cannot be compared with those that were, window by window.
		if (measured.length > 0)
			fields = fields.map((field) => {
				const further = open.get(field);
				return further ? fieldOf(further.map((set) => joined([set, ...more.get(set.coalition.key)!]))) : field;
			});
		if (measured.length < wanted) {
			stopped = "text";
			break;
		}
	}
	const { supported = (field) => field } = options;
	return { fields: fields.map((field, i) => wholeFirst(supported(field), field[0], sizes[i]!)), parts, stopped };
}

/**
 * Half-block cuts are more sets than whole blocks are, so that the best of them is more often best by chance. One is taken only if it beats
 * the set of whole blocks with the lowest mean by more than the standard error of their difference, paired by window; else the next one in
 * order is tried, or whole blocks win. Without an error they win.
 * @param field in the order in which sets are to be taken
 * @param best the one with the lowest mean
 * @param all sets of the size, on the split
 */
function wholeFirst(field: Field, best: Measurement, all: readonly Measurement[]): Field {
	const chosen = field.find((set) => set.coalition.whole || mayWin(set, { field, best, all })) ?? best;
	return [chosen, ...field.filter((set) => set !== chosen)];
}

interface Rivals {
	readonly field: Field;
	readonly best: Measurement;
	readonly all: readonly Measurement[];
}

function mayWin(set: Measurement, { field, best, all }: Rivals): boolean {
	const left = lowest(field.filter(({ coalition }) => coalition.whole));
	const onSplit = lowest(all.filter(({ coalition, losses }) => coalition.whole && losses.every(Number.isFinite)));
	if (!onSplit) return true;
	const dropped = !field.some(({ coalition }) => coalition.equals(onSplit.coalition));
	const further = best.losses.length > onSplit.losses.length;
	// Without further text the best whole blocks are surely worse: those that are worse still, but with a larger error, do not take their place.
	if (left && !(dropped && !further)) return beats(set, left);
	if (set === best) return true;
	// They were surely worse than the best one: than another one, only if that beats them where both were measured.
	return beats(all.find(({ coalition }) => coalition.equals(set.coalition)) ?? set, onSplit);
}

/**
 * Whether a set takes the place of another one, on the same windows: with the lower mean. One with half-block cuts takes that of whole blocks
 * only with a mean that is lower by more than the standard error of the difference, paired by window; whole blocks take its place otherwise.
 */
export function beats(set: Measurement, other: Measurement): boolean {
	if (!set.losses.every(Number.isFinite)) return false;
	if (!other.losses.every(Number.isFinite)) return true;
	const { mean, standardError = Number.POSITIVE_INFINITY } = above(other, set);
	if (set.coalition.whole === other.coalition.whole) return mean > 0;
	return set.coalition.whole ? mean >= -standardError : mean > standardError;
}

/** Whether a set takes the place of one that was chosen by more than this text: also among sets of one kind only by more than the standard error. */
export function replaces(set: Measurement, chosen: Measurement): boolean {
	const sound = [set, chosen].every(({ losses }) => losses.every(Number.isFinite));
	if (!sound || set.coalition.whole !== chosen.coalition.whole) return beats(set, chosen);
	const { mean, standardError = Number.POSITIVE_INFINITY } = above(chosen, set);
	return mean > standardError;
}

/** A set that breaks the model on the text loses to any that does not. */
function fieldOf(sets: readonly Measurement[]): Field {
	const whole = sets.filter(({ losses }) => losses.every(Number.isFinite));
	const [first, ...others] = whole.length > 0 ? whole : sets;
	const best = lowest([first!, ...others])!;
	const tied = whole.filter((set) => set !== best && !isWorse(above(set, best)));
	return [best, ...tied.sort((a, b) => meanOf(a) - meanOf(b))];
}

export const meanOf = ({ losses, sources }: Pick<Measurement, "losses" | "sources">) => meanAndError(losses, sources).mean;

/** The first of those with the lowest mean. */
function lowest(sets: readonly Measurement[]): Measurement | undefined {
	return sets.reduce<Measurement | undefined>((best, set) => (best === undefined || meanOf(set) < meanOf(best) ? set : best), undefined);
}

/** What so many masks reach for: the fields with the fewest sets, and the best sets of the next one. */
function affordable(fields: readonly Field[], masks: number): Map<Field, Field> {
	const open = new Map<Field, Field>();
	let left = masks;
	for (const field of [...fields].sort((a, b) => a.length - b.length)) {
		const reached = field.length <= left ? field : left < 2 ? undefined : bestOf(field, left);
		// Where all that is reached is as good, it does not matter which one is taken.
		if (reached?.slice(1).some((set) => matters(above(set, reached[0])))) open.set(field, reached);
		if (reached !== field) break;
		left -= field.length;
	}
	return open;
}

/** The best sets of a field, those of whole blocks with the lowest mean among them: half-block cuts win only against these. */
function bestOf(field: Field, count: number): Field {
	const [best, ...others] = field;
	const wholes = lowest(field.filter(({ coalition }) => coalition.whole));
	const first = others.slice(0, count - 1);
	return [best, ...(!wholes || wholes === best || first.includes(wholes) ? first : [...first.slice(0, -1), wholes])];
}

async function measureParts(
	sets: readonly Coalition[],
	first: number,
	count: number,
	{ further, signal }: TieOptions,
): Promise<Measurement[][]> {
	const measured: Measurement[][] = [];
	while (measured.length < count) {
		const game = await further(first + measured.length);
		if (!game) break;
		measured.push(await game.measure(sets, { phase: "comparing tied candidates on more text", signal }));
	}
	return measured;
}

/** One set on several texts, window after window, source by source. */
function joined(parts: readonly [Measurement, ...Measurement[]]): Measurement {
	const [{ coalition, sources }] = parts;
	if (!sources) return { coalition, losses: concat(parts.map(({ losses }) => losses)) };
	const split = parts.map((part) => bySource(part.losses, part.sources!));
	return {
		coalition,
		losses: concat(sources.flatMap((_, source) => split.map((windows) => windows[source]!))),
		sources: sources.map((share, source) => ({ ...share, count: parts.reduce((sum, part) => sum + part.sources![source]!.count, 0) })),
	};
}

function concat(parts: readonly Float64Array[]): Float64Array {
	return Float64Array.from(parts.flatMap((part) => Array.from(part)));
}
