// Which measured sets race although no method proposes them.
import type { Coalition } from "../../game/coalition.js";

/** Whether a half-block cut is among removed positions; attention parts are none. */
export const holdsCut = (removed: readonly number[]): boolean => removed.some((position) => position % 1 === 0.5);

/** Whether no half-block cut is among what is removed: there are so many of these that the best one measured is often best by chance. */
export const isWithoutCuts = (coalition: Coalition): boolean => coalition.whole || !holdsCut(coalition.removed());
