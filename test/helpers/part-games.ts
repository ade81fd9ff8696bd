import { Coalition } from "../../src/game/coalition.js";
import { FunctionGame } from "../../src/game/function-game.js";
import type { Game } from "../../src/game/game.js";
import { removalsOf } from "../../src/game/pairs.js";
import { keptParts } from "../../src/game/parts.js";
import { Random } from "../../src/game/random.js";

/**
 * A game of parts as measured ones look. Attention parts cost less than feed-forward parts, parts near one another substitute for each
 * other, so that removing both costs more than their sum, and some pairs matter for each other wherever they are.
 */
export function partGame(players: number, seed: number): FunctionGame {
	const random = new Random(seed);
	const own = Array.from({ length: 2 * players }, (_, part) =>
		part % 2 === 0 ? 0.01 + 0.08 * random.uniform() : 0.03 + 0.12 * random.uniform(),
	);
	return gameOf(own, random);
}

/** The same, but costs of alike parts change slowly with the depth: one part says something of the next of its kind. */
export function smoothPartGame(players: number, seed: number): FunctionGame {
	const random = new Random(seed);
	const depth = [random.normal(), random.normal()];
	const own = Array.from({ length: 2 * players }, (_, part) => {
		const kind = part % 2;
		depth[kind] = 0.8 * depth[kind]! + 0.6 * random.normal();
		return (kind === 0 ? 0.04 : 0.08) * Math.exp(0.6 * depth[kind]!);
	});
	return gameOf(own, random);
}

/** @param own cost of each part, before what others add to it */
function gameOf(own: readonly number[], random: Random): FunctionGame {
	const parts = own.length;
	const players = parts / 2;
	const near = Array.from({ length: parts }, () => 0.06 * random.uniform());
	const linked = Array.from({ length: players }, () => ({
		one: random.integer(parts),
		other: random.integer(parts),
		by: 0.04 * random.normal(),
	}));
	return new FunctionGame({
		players,
		loss: (coalition) => {
			const kept = keptParts(players, coalition.removed());
			const gone = (part: number) => kept[part] === false;
			let link = 0;
			for (let part = 0; part < parts; part++) {
				if (!gone(part)) continue;
				link += own[part]!;
				for (const apart of [1, 2, 3, 4]) if (gone(part + apart)) link += near[part]! / apart;
			}
			for (const { one, other, by } of linked) if (gone(one) && gone(other)) link += by;
			return 3 + Math.expm1(Math.max(-0.5, link));
		},
	});
}

/** What the best set of each size adds, nats per token, of all sets of blocks, and of all sets of pairs. */
export async function bestOf(game: Game, kmax: number): Promise<{ whole: number[]; halves: number[] }> {
	const [full] = await game.measure([Coalition.full(game.players)]);
	const best = { whole: [] as number[], halves: [] as number[] };
	for (let count = 1; count <= kmax; count++) {
		const sets = removalsOf(game.players, count).map((removed) => Coalition.ofRemoved(game.players, removed));
		const added = (await game.measure(sets)).map(({ losses }) => losses[0]! - full!.losses[0]!);
		best.halves.push(Math.min(...added));
		best.whole.push(Math.min(...added.filter((_, i) => sets[i]!.whole)));
	}
	return best;
}
