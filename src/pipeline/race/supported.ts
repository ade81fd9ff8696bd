// Which finalist is best by all that was measured of it: on the comparison's own text and on the search split.
import type { Coalition } from "../../game/coalition.js";
import { type Measurement, meanLoss } from "../../game/game.js";
import { pool, type PooledText } from "../../game/search/pooled.js";
import type { Session } from "../session/session.js";
import type { Field } from "./ties.js";

/** What is known of finalists beside the text that they are compared on. */
export interface Support {
	/** As the search measured it; undefined if it did not. */
	readonly searched: (set: Coalition) => Measurement | undefined;
	/** Standard deviation of what the search's way of measuring adds to each set, nats per token. */
	readonly ownError: number;
}

/** A search on a copy, on a share of the positions or with states in half precision may order two sets wrongly by this much, nats per token. */
const COPY_ERROR = 0.01;
/**
 * What the search split counts beside the comparison's text: finalists are there since they came out low on it, by chance too. In replays of measured
 * games a half did better than nothing, and no worse than all of it; what a surrogate predicts did harm (docs/research/decisions.md).
 */
const SEARCH_TRUST = 0.5;

/** What a search knows of sets. @param played what it measured */
export function supportOf({ exactSearch }: Pick<Session, "exactSearch">, played: readonly Measurement[]): Support {
	const known = new Map(played.map((set) => [set.coalition.key, set]));
	return { searched: ({ key }) => known.get(key), ownError: exactSearch ? 0 : COPY_ERROR };
}

/**
 * The same sets, the one with the best posterior mean first: each text counts by its precision. One that is ahead on the comparison's text by less
 * than its error stays behind one that the search supports. Sets that break the model on a text are not weighed.
 */
export function bySupport(field: Field, { searched, ownError }: Support): Field {
	const sets = field.filter(isSound);
	const known = sets.map(({ coalition }) => searched(coalition));
	const sound = known.filter((set) => set !== undefined && isSound(set));
	const [first] = sound;
	// A set that the search did not measure is compared with the others on the comparison's text alone.
	if (first === undefined || sound.length < 2) return field;
	const losses = known.map((set) => (set && isSound(set) && set.losses.length === first.losses.length ? set.losses : undefined));
	const texts: PooledText[] = [
		{ losses: sets.map((set) => set.losses), sources: sets[0]!.sources },
		{ losses, sources: first.sources, ownError, trust: SEARCH_TRUST },
	];
	const { means } = pool(sets.length, texts);
	const [best, ...others] = sets.map((set, i) => ({ set, mean: means[i]! })).sort((a, b) => a.mean - b.mean);
	return [best!.set, ...others.map(({ set }) => set), ...field.filter((set) => !isSound(set))];
}

const isSound = (set: Measurement) => Number.isFinite(meanLoss(set));
