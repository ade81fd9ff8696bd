// Fewer blocks than were chosen, if those cost too much: what the search says of them is measured on the validation split as well, so that
// the verdict does not advise what leads to the same verdict again.
import type { JobOptions } from "../../api/index.js";
import { Coalition } from "../../game/coalition.js";
import { sensibleLoss } from "../../report/trade.js";
import type { Choices } from "../methods/selection-context.js";
import type { Session } from "../session/session.js";
import { countSets, finalists } from "./finalists.js";
import { standingForSizes } from "./kinds.js";
import { asFinalist, type Finalist } from "./race.js";
import type { Standing } from "./standing.js";

/** Numbers of blocks of which sets are measured at most. */
const mostCounts = 3;
/** Sets of each that the default method proposes at most: its own and those next to it, four together, and leave-one-out's. */
const setsOfEach = 5;

/** Sets that {@link withSmaller} measures at most. @param least blocks that are removed in any case */
export const smallerAtMost = (least: number): number => setsOfEach * Math.max(0, Math.min(mostCounts, least - 1));

type Decided = Standing & { readonly chosen: Finalist };

/**
 * Numbers of blocks of which sets are measured, the largest first, until one is sensible: at most three that are below any that was raced
 * and whose cost on the search split is small, the smallest number always among them.
 */
export function smallerCounts({ found }: Pick<Choices, "found">, { chosen, finalists }: Pick<Decided, "chosen" | "finalists">): number[] {
	const size = ({ removed }: { readonly removed: readonly number[] }) => removed.length;
	if (chosen.added <= sensibleLoss || isAnySensible(finalists.filter((one) => size(one) < size(chosen)))) return [];
	const least = Math.min(size(chosen), ...finalists.map(size));
	const smaller = [...found.byCount.values()]
		.filter(({ removed, addedLoss }) => removed.length > 0 && removed.length < least && Number.isFinite(addedLoss))
		.sort((a, b) => b.removed.length - a.removed.length);
	const cheap = smaller.filter(({ addedLoss }, i) => addedLoss <= sensibleLoss || i === smaller.length - 1);
	// Each takes an evaluation or more: the most blocks, the middle and the fewest say enough.
	const some = cheap.length > mostCounts ? [cheap[0]!, cheap[cheap.length >> 1]!, cheap.at(-1)!] : cheap;
	return some.map(size);
}

/** Whether the verdict will name one of these. */
const isAnySensible = (sets: readonly Finalist[]) => standingForSizes(sets).some(({ added }) => added <= sensibleLoss);

/** How they are measured. */
interface SmallerOptions extends Pick<JobOptions, "signal"> {
	/** Whether there is time for so many sets: without it no more are measured. @default always */
	readonly fits?: (sets: number) => boolean;
}

/** The decision with such sets among those that were measured: none if its cost is small, or no verdict is made of the metric. */
export async function withSmaller<T extends Decided>(
	session: Session,
	choices: Choices | undefined,
	decided: T,
	{ signal, fits = () => true }: SmallerOptions,
): Promise<T> {
	if (!choices || session.metric === "accuracy") return decided;
	const game = session.games.validation;
	const measured: Finalist[] = [];
	for (const count of smallerCounts(choices, decided)) {
		// Those that the curve would compare: the set that is best on the search split is not always the best one here.
		const sets = finalists(session, choices, [count]);
		if (!fits(countSets(sets))) break;
		const coalitions = [Coalition.full(game.players), ...sets.map((set) => Coalition.ofRemoved(game.players, set.removed))];
		const [full, ...found] = await session.timed("validation", () =>
			game.measure(coalitions, { phase: "comparing smaller candidates", signal }),
		);
		const these = found.map((one, i) => asFinalist(session, sets[i]!, { measured: one, full: full! }));
		measured.push(...these);
		if (isAnySensible(these)) break;
	}
	return { ...decided, finalists: [...decided.finalists, ...measured] };
}
