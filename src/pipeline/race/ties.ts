// Sets that are tied on the validation split get more text of its kind, until one is left or the rest are as good.
import type { Effort } from "../../api/index.js";
import type { Coalition } from "../../game/coalition.js";
import type { Game, Measurement } from "../../game/game.js";
import { bySource } from "../../game/sources.js";
import { isWithoutCuts } from "./kinds.js";
import { above, isSound, isWorse, lowest, lowestWithoutCuts, matters, mayWin, meanOf } from "./beats.js";

/** Rounds at most, each of which doubles the text: twice, four times, eight times the validation split's. */
export const tieRounds: Readonly<Record<Effort, number>> = { quick: 1, standard: 2, thorough: 3 };

/** Parts of further text, each as large as the validation split, that were measured after so many rounds. */
export const partsAfter = (round: number) => 2 ** round - 1;

/**
 * Sets of a size that get the further text of a round (from 1) at most: half as many in each (successive halving), and one more where half-block cuts
 * must beat whole blocks. In replays of made-up games that took a third to a half less than further text for all that are tied, and the regret rose by
 * 0.004 nats at most (docs/research/decisions.md).
 */
export const mostTied = (round: number) => Math.max(2, 8 >> round);

/**
 * Sets times parts of further text that so many tied sets of a size are measured on at most.
 * @param cuts whether half-block cuts are among them: beside two of these there are the whole blocks that they must beat
 */
export function furtherAtMost(effort: Effort, tied: number, cuts = false): number {
	const rounds = Array.from({ length: tieRounds[effort] }, (_, i) => i + 1);
	const most = (round: number) => Math.min(tied, Math.max(cuts ? 3 : 2, mostTied(round)));
	return rounds.reduce((sum, round) => sum + most(round) * (partsAfter(round) - partsAfter(round - 1)), 0);
}

export interface TieOptions {
	/** Gives the parts of further text in their order; undefined where there is no more. */
	readonly further: (part: number) => Promise<Pick<Game, "measure"> | undefined>;
	/** Rounds at most. */
	readonly rounds: number;
	/** Sets times parts that are measured at most. */
	readonly masks: number;
	/** Sets of a size that get the further text of a round (from 1) at most, the best of them; at least 2. @default all that are tied */
	readonly most?: ((round: number) => number) | undefined;
	/** Orders those that are left by what else is known of them, the best one first. @default by the mean on the text of the race */
	readonly supported?: ((field: Field) => Field) | undefined;
	readonly signal?: AbortSignal | undefined;
}

export interface ToldApart {
	/** The best set of each size and those tied with it, on all the text that these were measured on. */
	readonly fields: readonly Field[];
	/** Sets that got no more text though they were not surely worse than the best of their size. */
	readonly leftOut: readonly LeftOut[];
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

/** A set that got no more text, and all that were in the race with it, each on the text that it had then. */
export interface LeftOut {
	readonly set: Measurement;
	readonly among: readonly Measurement[];
}

/** The sets of one size that are still in the race. */
interface Contest {
	readonly field: Field;
	/** The lowest of those without half-block cuts, on the same text as the field, of which it may be none; undefined where none was measured. */
	readonly whole: Measurement | undefined;
}

/**
 * A race by rounds. In each one the sets that are not surely worse than the best of their size (95 % interval of the difference, paired by
 * window) are measured on as much further text as they had, all on the same; those that then are surely worse drop out, and of the others all but
 * the best `most` by all that is known, though nothing is known against them. A size is decided
 * when one set is left, or none can be better than another by more than {@link indifference}. Where the masks do not reach for all sizes,
 * those with the fewest sets come first; of the next one the best sets go on, as many as the masks reach for but at least two, and the others
 * drop out though nothing is known against them. The best set without half-block cuts goes on as long as a cut in the race does not beat it: no cut
 * is taken that did not. Each look is one at 95 % and beside the lowest mean, so that of sets that are the same some drop
 * out: of two one in about a tenth of the races, of eight nearly always some. That costs the choice nothing.
 * @param sizes of each size distinct sets, measured on the same text; the first of those with the lowest mean is the best
 */
export async function tellApart(sizes: readonly (readonly Measurement[])[], options: TieOptions): Promise<ToldApart> {
	const parts: Coalition[][] = [];
	let leftOut: LeftOut[] = [];
	const { supported = (field: Field) => field } = options;
	/** Those of each size that were left out last. */
	const spares: Measurement[][] = [];
	let contests = sizes.map(contestOf);
	let left = options.masks;
	let stopped: ToldApart["stopped"];
	for (let round = 1; round <= options.rounds; round++) {
		const wanted = partsAfter(round) - parts.length;
		const going = contests.flatMap((contest) => contestantsOf(contest, round, options));
		const open = affordable(going, Math.floor(left / wanted));
		if (going.some(({ contest, sets }) => (open.get(contest)?.length ?? 0) < sets.length)) stopped = "masks";
		const sets = [...open.values()].flat().map(({ coalition }) => coalition);
		if (sets.length === 0) break;
		const measured = await measureParts(sets, parts.length, wanted, options);
		for (const _ of measured) parts.push(sets);
		left -= measured.length * sets.length;
		const more = new Map(sets.map(({ key }, i) => [key, measured.map((part) => part[i]!)]));
		// Sets that were not measured further cannot be compared with those that were, window by window.
		if (measured.length > 0)
			contests = contests.map((contest, i) => {
				const further = open.get(contest);
				if (!further) return contest;
				const rest = supported(contest.field).filter((set) => !further.includes(set));
				if (rest.length > 0) spares[i] = rest;
				const joint = further.map((set) => joined([set, ...more.get(set.coalition.key)!]));
				// Those that break on further text lose to those that it is not known of.
				const spare = spares[i] ?? [];
				if (!joint.some(isSound) && spare.some(isSound)) {
					leftOut = leftOut.filter(({ set }) => !spare.includes(set));
					return contestOf(spare);
				}
				leftOut.push(...rest.map((set) => ({ set, among: [...contest.field, ...further] })));
				return contestOf(joint);
			});
		if (measured.length < wanted) {
			stopped = "text";
			break;
		}
	}
	const fields = contests.map(({ field, whole }) => withTakenFirst(supported(field), whole));
	return { fields, leftOut, parts, stopped: contests.some(({ field }) => isUndecided(field)) ? stopped : undefined };
}

const contestOf = (sets: readonly Measurement[]): Contest => ({ field: fieldOf(sets), whole: lowestWithoutCuts(sets) });

/** A set that breaks the model on the text loses to any that does not. */
function fieldOf(sets: readonly Measurement[]): Field {
	const sound = sets.filter(isSound);
	const [first, ...others] = sound.length > 0 ? sound : sets;
	const best = lowest([first!, ...others])!;
	const tied = sound.filter((set) => set !== best && !isWorse(above(set, best)));
	return [best, ...tied.sort((a, b) => meanOf(a) - meanOf(b))];
}

/** @param field in the order in which sets are to be taken */
function withTakenFirst(field: Field, whole: Measurement | undefined): Field {
	const taken = field.find((set) => mayWin(set, whole)) ?? field[0];
	return [taken, ...field.filter((set) => set !== taken)];
}

/** Whether one of the field may be worth more than the first. */
const isUndecided = ([best, ...tied]: Field): boolean => tied.some((set) => matters(above(set, best)));

/** A contest, and those of its sets that get further text if it is affordable, the best first. */
interface Going {
	readonly contest: Contest;
	readonly sets: Field;
}

/**
 * Those that need further text, the best of them by all that is known: none if it does not matter which of these is taken. Whole blocks that are surely
 * worse than the best set need it too, if it is not sure that they are worse than all others.
 */
function contestantsOf(contest: Contest, round: number, { most, supported = (field) => field }: TieOptions): Going[] {
	const { field, whole } = contest;
	if (!isUndecided(field)) return [];
	const [best] = field;
	const [first, ...others] = supported(field);
	// All are tied with the lowest mean, which tells whether it matters which one is taken: it is among the first two.
	const ordered: Field = [first, ...(first === best ? [] : [best]), ...others.filter((set) => set !== best)];
	const joins = whole && !field.includes(whole) && !field.every((set) => mayWin(set, whole));
	const all: Field = joins ? [...ordered, whole] : ordered;
	const sets = bestOf(all, contest, { count: most?.(round) ?? all.length, least: 2 });
	return sets === all || isUndecided(fieldOf(sets)) ? [{ contest, sets }] : [];
}

/** What so many masks reach for: the contests with the fewest sets, and the best sets of the next one. */
function affordable(going: readonly Going[], masks: number): Map<Contest, Field> {
	const open = new Map<Contest, Field>();
	let left = masks;
	for (const { contest, sets } of [...going].sort((a, b) => a.sets.length - b.sets.length)) {
		const reached = left < 2 ? undefined : bestOf(sets, contest, { count: left, least: 1 });
		// Where all that is reached is as good, it does not matter which one is taken.
		if (reached && (reached === sets || isUndecided(fieldOf(reached)))) open.set(contest, reached);
		if (reached !== sets) break;
		left -= sets.length;
	}
	return open;
}

/**
 * So many of the sets, in their order: all if there are no more. The whole blocks that half-block cuts among them must beat are there too, in the place of
 * the last one but for the first `least`, which stay: so there may be one more.
 */
function bestOf(sets: Field, { field, whole }: Contest, { count, least }: { readonly count: number; readonly least: number }): Field {
	if (sets.length <= count) return sets;
	const [best, ...others] = sets;
	const first: Field = [best, ...others.slice(0, count - 1)];
	const isNeeded = whole && sets.includes(whole) && !first.includes(whole) && !first.every(({ coalition }) => isWithoutCuts(coalition));
	if (!isNeeded || (!field.includes(whole) && first.every((set) => mayWin(set, whole)))) return first;
	return [best, ...others.slice(0, Math.max(least, count - 1) - 1), whole];
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
