import { Coalition } from "../../game/coalition.js";
import type { Game } from "../../game/game.js";
import { statesOf } from "./block-influence.js";

/**
 * The run of k neighboring blocks across which the hidden state turns least, for every k (Gromov et al., arXiv 2403.17887). It has the
 * least angular distance between the state before the run and the state after it. The paper uses the last token of each sample, this all tokens.
 * @param angular (n + 1) x (n + 1) mean angles, arccos(cosine) / pi, as `Evaluator.similarities` gives them
 * @param kmax longest run
 * @returns one run of each length that the game allows, ascending; the first one among equals
 * @throws RangeError if the matrix is not that of the game's blocks
 */
export function bestRuns(game: Pick<Game, "players" | "frozen" | "allows">, angular: ArrayLike<number>, kmax: number): Coalition[] {
	const { players, frozen } = game;
	const states = statesOf(angular);
	if (states !== players + 1)
		throw new RangeError(`expected similarities of ${players + 1} hidden states for ${players} blocks, got ${states}`);
	const runs: Coalition[] = [];
	for (let length = 1; length <= Math.min(kmax, players); length++) {
		let best: { run: Coalition; distance: number } | undefined;
		for (let start = 0; start + length <= players; start++) {
			const blocks = Array.from({ length }, (_, i) => start + i);
			const distance = angular[start * states + start + length]!;
			if (best && distance >= best.distance) continue;
			const run = Coalition.ofRemoved(players, blocks);
			if (!blocks.some((block) => frozen.has(block)) && game.allows(run)) best = { run, distance };
		}
		if (best) runs.push(best.run);
	}
	return runs;
}
