// The sets that a run knows after it raced: a race stays as it was run, what was found beside it stands here.
import type { Finalist, Race } from "./race.js";

/** What a run knows of sets of each size. */
export interface Standing {
	/** As it was run. */
	readonly race: Race;
	/** The set that stands for each number of removed blocks: the winner of the race, or one that was found better afterwards. */
	readonly winners: ReadonlyMap<number, Finalist>;
	/** Every set that was measured on the validation split, those of the race first. */
	readonly finalists: readonly Finalist[];
}

/** What a race alone says. */
export function standingOf(race: Race): Standing {
	return { race, winners: race.winners, finalists: race.finalists };
}

/** The same with another set in the place of that of its size. @param measured sets that were measured to find it */
export function withWinner({ race, winners, finalists }: Standing, winner: Finalist, measured: readonly Finalist[]): Standing {
	return { race, winners: new Map([...winners, [winner.removed.length, winner]]), finalists: [...finalists, ...measured] };
}
