import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { Coalition } from "../../src/game/coalition.js";
import { FunctionGame } from "../../src/game/function-game.js";
import type { LossFunction } from "../../src/game/predictor.js";
import { Random } from "../../src/game/random.js";
import { type Sample, toSamples } from "../../src/game/sample.js";
import { TableGame } from "../../src/game/table-game.js";

/** The measured game of the 12-block fixture model: all coalitions but the empty one. */
export const fixtureGame = (): TableGame => tableOf("fixture-12l.jsonl.gz");

/** All sets of up to 6 blocks and shifted pairs, of the same model and text. */
export const fixturePairsGame = (): TableGame => tableOf("fixture-12l.pairs.jsonl.gz");

function tableOf(name: string): TableGame {
	return TableGame.parse(gunzipSync(readFileSync(new URL(`../../fixture/${name}`, import.meta.url))).toString());
}

export const FIXTURE_FULL_LOSS = 3.292742;

/** Every coalition of the fixture game as surrogates see it. */
export function fixtureSamples(game = fixtureGame()): Sample[] {
	return toSamples(game.all(), 3.292742);
}

/** Results of many draws from a surrogate's posterior for a set: their values, mean and standard deviation. */
export function drawnLinks(draws: readonly LossFunction[], set: Coalition) {
	const removed = set.toBytes().map((kept) => 1 - kept);
	const values = draws.map((draw) => draw.of(removed));
	const center = values.reduce((a, b) => a + b) / values.length;
	return { removed, values, center, spread: Math.sqrt(values.reduce((sum, x) => sum + (x - center) ** 2, 0) / values.length) };
}

/** A game with given values v(S): its loss is -log v. */
export function valueGame(players: number, value: (coalition: Coalition) => number): FunctionGame {
	return new FunctionGame({ players, loss: (coalition) => -Math.log(value(coalition)) });
}

/** Loss added by blocks and by neighboring pairs, as measured games look: quadratic in what is removed. */
export function quadraticGame(players: number, seed: number): FunctionGame {
	const random = new Random(seed);
	const own = Array.from({ length: players }, () => 0.05 + 0.2 * random.uniform());
	const near = Array.from({ length: players }, () => 0.3 * random.uniform());
	return new FunctionGame({
		players,
		loss: (coalition) => {
			const removed = coalition.removed();
			let link = 0;
			for (const i of removed) {
				link += own[i] as number;
				if (removed.includes(i + 1)) link += near[i] as number;
			}
			return 3 + Math.expm1(link);
		},
	});
}
