import type { Disagreement, JobOptions } from "../../api/index.js";
import { Coalition } from "../../game/coalition.js";
import type { BatchOptions, Measurement } from "../../game/game.js";
import { logger } from "../../api/logger.js";
import type { Session } from "../session/session.js";
import { disagreementsOf, disagreementText } from "./by-source.js";
import { above, isTied } from "./beats.js";
import { type Field, type LeftOut, mostTied, tellApart, tieRounds, type ToldApart } from "./ties.js";
import { differences, finite, meanAndError } from "../../game/statistics.js";
import type { ProposedSet } from "../methods/selection-context.js";
import { noteFurther, rivalNotes } from "./notes.js";
import { bySupport, supportOf } from "./supported.js";
import { effortOf } from "../methods/budget.js";
import type { EffortSettings } from "../../api/options/settings.js";

/** A set that the race did not tell from the winner of its size: 0 is in the 95 % interval of the difference, paired by window, or it is ahead. */
export interface TiedFinalist extends ProposedSet {
	/**
	 * Loss above the winner's, and its standard error. It is below 0 for half-block cuts that are better than whole blocks by no more than the
	 * error, and for sets that the comparison alone would take.
	 */
	readonly above: number;
	readonly standardError: number;
	/** Windows on which both were measured: those of the validation split, and further ones of its kind. */
	readonly windows: number;
	/** Where they were compared by their divergence from the original model, which `above` then is. */
	readonly by?: "divergence" | undefined;
}

/** A set measured on the validation split. */
export interface Finalist extends ProposedSet {
	/** Mean loss on the validation split, and what it adds to that of the original model: of a set that did not win, on the search's copy where there is one. */
	readonly loss: number;
	readonly added: number;
	/** Of the added loss, paired by window. */
	readonly standardError: number | undefined;
	/** Means of further figures, by name. */
	readonly figures?: Readonly<Record<string, number | null>> | undefined;
	/** Sets that are tied with a winner, the best first. */
	readonly tied?: readonly TiedFinalist[] | undefined;
}

/** The best set of each number of removed blocks, by the validation split and text of its kind; losses are those on the split. */
export interface Race {
	readonly originalLoss: number;
	/** Means of further figures of the original model. */
	readonly originalFigures?: Finalist["figures"];
	/** Sources that would rather have another set. */
	readonly disagreements: readonly Disagreement[];
	readonly winners: ReadonlyMap<number, Finalist>;
	/** The same sets as they were measured on the validation split: their losses window by window, on the same weights. */
	readonly onSplit: ReadonlyMap<number, Measurement>;
	/** Every set that took part, as it was proposed. */
	readonly finalists: readonly Finalist[];
	/** Sets that were measured on further text, part by part of it. */
	readonly further: readonly (readonly Coalition[])[];
	/** What was measured on the model itself after a race on the search's copy: the original and the winners. */
	readonly confirmed: readonly Coalition[];
	/** Whether sets were compared by their divergence from the original model. */
	readonly byDivergence: boolean;
	/** Where another set won than the method's own, for those who check the run. */
	readonly notes: readonly string[];
}

/** Masks that further text may cost, as a share of those that the search measured. */
export const furtherShare = 0.25;

/** What a race may measure beyond the validation split. */
export interface RaceLimits {
	/** Sets, times parts as large as the validation split, at most. @default a quarter of the masks of the search */
	readonly furtherMasks?: number | undefined;
	/** What the search measured. @default all that was asked of the search split */
	readonly played?: readonly Measurement[] | undefined;
}

/**
 * Decides between the sets of each size on the validation split, and between tied ones on more text of its kind. The metric decides.
 * If that is the loss on self-generated text, the divergence from the original model does, which the loss added there estimates. If sets
 * stay tied, the best by all that is known wins ({@link bySupport}). The method's own set wins if that is even, and the best set of whole blocks
 * wins over one with half-block cuts that is better by no more than the standard error. After a search on a copy of the model the race runs on that
 * copy; the original and the winners are then measured on the model itself, and those figures are reported.
 */
export async function race(
	session: Session,
	choices: readonly ProposedSet[],
	options: EffortSettings & JobOptions,
	limits: RaceLimits = {},
): Promise<Race> {
	const { played = session.games.search.played() } = limits;
	const { furtherMasks = Math.floor(played.length * furtherShare) } = limits;
	const { players } = session.games.validation;
	const sets = choices.map((choice) => Coalition.ofRemoved(players, choice.removed));
	const compare = () => compareSets(session, sets, { played, furtherMasks }, options);
	const { byDivergence, measured, compared, told, confirmed } = await session
		.timed("validation", compare)
		.finally(() => session.races.end());
	const figuresOf = (set: Measurement) => (session.metric === "loss" ? undefined : meansOf(set));
	const [original = measured[0]!, ...best] = confirmed;
	const finalists = choices.map((choice, i) => {
		const exact = best.find(({ coalition }) => coalition.key === sets[i]!.key);
		return asFinalist(session, choice, exact ? { measured: exact, full: original } : { measured: measured[i + 1]!, full: measured[0]! });
	});
	const finalistOf = ({ coalition }: Measurement) => finalists[sets.findIndex(({ key }) => key === coalition.key)]!;
	const winners = new Map(
		told.fields.map((field) => [
			field[0].coalition.removed().length,
			{ ...finalistOf(field[0]), ...tiedOf(field, told.leftOut, finalistOf, byDivergence) },
		]),
	);
	const onSplit = new Map(
		told.fields.map(([{ coalition }]) => [
			coalition.removed().length,
			[...best, ...measured].find((set) => set.coalition.equals(coalition))!,
		]),
	);
	const notes = rivalNotes(winners, choices, told.fields);
	for (const note of notes) logger(options)("debug", note);
	noteFurther(
		told,
		winners,
		limits.furtherMasks === undefined ? "cost above a quarter of the search" : "exceed what this comparison may measure",
		options,
	);
	const disagreements = told.fields.flatMap((field) => disagreementsIn(field, compared));
	for (const disagreement of disagreements) logger(options)("warning", disagreementText(disagreement));
	return {
		originalLoss: meanAndError(original.losses, original.sources).mean,
		originalFigures: figuresOf(original),
		...{ winners, onSplit, finalists, disagreements, byDivergence, notes },
		further: told.parts,
		confirmed: confirmed.map(({ coalition }) => coalition),
	};
}

/** What a comparison of sets found. */
interface Compared {
	/** The original model and the sets on the validation split. */
	readonly measured: readonly Measurement[];
	/** The sets with what they are compared by in the place of the losses. */
	readonly compared: readonly Measurement[];
	readonly byDivergence: boolean;
	readonly told: ToldApart;
	/** After a comparison on a copy: the original model and the winners, measured on the model itself. */
	readonly confirmed: readonly Measurement[];
}

async function compareSets(
	session: Session,
	sets: readonly Coalition[],
	{ played, furtherMasks }: { readonly played: readonly Measurement[]; readonly furtherMasks: number },
	options: EffortSettings & JobOptions,
): Promise<Compared> {
	const { signal } = options;
	const own = session.games.validation;
	const full = Coalition.full(own.players);
	// With one set of each size there is nothing to decide.
	const contested = new Set(sets.map((set) => set.removed().length)).size < new Set(sets.map(({ key }) => key)).size;
	const { game, byDivergence, onCopy } = contested ? await session.races.first() : { game: own, byDivergence: false, onCopy: false };
	const raced = (set: Measurement): Measurement => (byDivergence ? { ...set, losses: set.figures!.divergence! } : set);
	const measured = await game.measure([full, ...sets], { phase: "comparing finalists", signal });
	// The losses are those of the plain split: what comes after need not measure them again.
	if (byDivergence && !onCopy) await own.know(measured.map(({ coalition, losses }) => ({ coalition, losses })));
	const further = async (part: number) => {
		const game = await session.races.further(part);
		return game && { measure: async (some: readonly Coalition[], run: BatchOptions) => (await game.measure(some, run)).map(raced) };
	};
	const compared = measured.slice(1).map(raced);
	const support = supportOf(session, played);
	const supported = (field: Field) => bySupport(field, support);
	const rounds = tieRounds[effortOf(options)];
	const told = await tellApart(sizesOf(compared), { further, rounds, masks: furtherMasks, most: mostTied, supported, signal });
	const best = [full, ...told.fields.map(([set]) => set.coalition)];
	const confirmed = onCopy ? await own.measure(best, { phase: "measuring the best on the model itself", signal }) : [];
	return { measured, compared, byDivergence, told, confirmed };
}

/** A set as it was measured on the validation split, beside the original model. */
export function asFinalist(
	{ metric }: Pick<Session, "metric">,
	choice: ProposedSet,
	{ measured, full }: { readonly measured: Measurement; readonly full: Measurement },
): Finalist {
	const { losses } = measured;
	const { mean: added, standardError } = meanAndError(differences(losses, full.losses), full.sources);
	const figures = metric === "loss" ? undefined : meansOf(measured);
	return { ...choice, loss: meanAndError(losses, full.sources).mean, added, standardError, figures };
}

/** The sets of each size, each once, in the order of the choices. */
function sizesOf(measured: readonly Measurement[]): Measurement[][] {
	const sizes = new Map<number, Map<string, Measurement>>();
	for (const set of measured) {
		const size = set.coalition.removed().length;
		const sets = sizes.get(size) ?? new Map<string, Measurement>();
		sizes.set(size, sets.set(set.coalition.key, sets.get(set.coalition.key) ?? set));
	}
	return [...sizes.values()].map((sets) => [...sets.values()]);
}

/** Each on all the text that it and the winner were measured on. */
function tiedOf(
	[best, ...others]: Field,
	leftOut: readonly LeftOut[],
	choiceOf: (set: Measurement) => ProposedSet,
	byDivergence: boolean,
): Pick<Finalist, "tied"> {
	// Those that were longest in the race first.
	const ordered = [...leftOut].sort((a, b) => b.set.losses.length - a.set.losses.length);
	const earlier = ordered.flatMap(({ set, among }) => {
		const then = among.find(({ coalition }) => coalition.equals(best.coalition));
		return then ? [{ set, from: then }] : [];
	});
	const pairs = [...others.map((set) => ({ set, from: best })), ...earlier];
	const tied = pairs.flatMap(({ set, from }): TiedFinalist[] => {
		const { removed, method } = choiceOf(set);
		const { mean, standardError = 0, t } = above(set, from);
		if (!isTied({ mean, standardError, t })) return [];
		const by = byDivergence ? { by: "divergence" as const } : {};
		return [{ removed, method, above: mean, standardError, windows: from.losses.length, ...by }];
	});
	return tied.length > 0 ? { tied } : {};
}

function meansOf({ figures, sources }: Measurement): Finalist["figures"] {
	if (!figures) return undefined;
	return Object.fromEntries(Object.entries(figures).map(([name, values]) => [name, finite(meanAndError(values, sources).mean)]));
}

/**
 * Sets that were not told from the winner are compared with it on all the text that both were measured on, those that dropped out on the
 * split.
 */
function disagreementsIn(field: Field, measured: readonly Measurement[]): Disagreement[] {
	const [best] = field;
	const left = new Set(field.map(({ coalition }) => coalition.key));
	const sets = measured.filter(({ coalition }) => coalition.removed().length === best.coalition.removed().length);
	const chosen = sets.find(({ coalition }) => coalition.key === best.coalition.key)!;
	const told = disagreementsOf(best, field);
	const others = disagreementsOf(
		chosen,
		sets.filter(({ coalition }) => !left.has(coalition.key)),
	);
	const known = new Set(told.map(({ source }) => source));
	// What further text has shown to be worse may look better on the split.
	const further = others.filter(({ source }) => !known.has(source));
	// Whole blocks may be chosen although a half-block cut is better, by no more than its error: there is nothing to weigh then.
	return [...told, ...further].filter(({ worseOverall }) => worseOverall > 0);
}

/** The winner of a race of one size. */
export function winnerOf({ winners }: Race): Finalist {
	return [...winners.values()][0]!;
}
