// Sets that are tied in a search on a copy, on a share of the positions or with states in half precision. The race decides between them, on
// all positions and with states in full precision.
import { type Measurement, meanLoss } from "../../game/game.js";
import type { Session } from "../session/session.js";
import type { ProposedSet } from "../methods/selection-context.js";
import { isWithoutCuts } from "./kinds.js";

/** Sets of one size that are raced beside the best one, at most. */
const most = 3;
/** Nats within which such a search may order two sets wrongly. */
const margin = 0.02;

/**
 * The searched sets without half-block cuts of each size that come next to the best one. None where the search ran on the model itself and on all
 * positions. How many half-block cuts are raced is settled where they are proposed: more of them would win by chance.
 */
export function nearBest(session: Session, sizes: readonly number[]): ProposedSet[] {
	const { search } = session.games;
	if (session.exactSearch) return [];
	const played = search
		.played()
		.filter((set) => isWithoutCuts(set.coalition) && search.allows(set.coalition) && Number.isFinite(meanLoss(set)));
	const removedOf = ({ coalition }: Measurement) => coalition.removed().length;
	return sizes.flatMap((size) => {
		const sets = played.filter((set) => removedOf(set) === size).sort((a, b) => meanLoss(a) - meanLoss(b));
		const [best, ...others] = sets;
		if (!best) return [];
		return others
			.filter((set) => meanLoss(set) <= meanLoss(best) + margin)
			.slice(0, most)
			.map(({ coalition }) => ({ removed: coalition.removed(), method: "near the best" }));
	});
}
