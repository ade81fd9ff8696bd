// Measured games with the loss of each window, and parts of them.
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { load } from "./lib.mjs";

const { Coalition } = await load("game/coalition.js");
const { TableGame } = await load("game/table-game.js");
const { Random } = await load("game/random.js");

/** Windows of a made-up game over which its truth is the mean. */
const trueWindows = 600;

/** The windows of several files side by side, of the coalitions that all of them hold. */
export function readWindows(paths) {
	const tables = paths.map(
		(path) =>
			new Map(
				TableGame.parse(gunzipSync(readFileSync(path)).toString())
					.all()
					.map((one) => [one.coalition.key, one]),
			),
	);
	const [first, ...others] = tables;
	const losses = new Map();
	for (const [key, { losses: own }] of first) {
		if (!others.every((table) => table.has(key))) continue;
		losses.set(key, Float64Array.from([own, ...others.map((table) => table.get(key).losses)].flatMap((part) => [...part])));
	}
	const [key, some] = losses.entries().next().value;
	return { losses, players: key.length, windows: some.length };
}

/** The windows shuffled by a seed and dealt: so many to each name, the rest to `truth`. */
export function dealt({ losses, players, windows }, counts, seed) {
	const order = new Random(`deal ${seed}`).shuffle(Array.from({ length: windows }, (_, i) => i));
	let at = 0;
	const games = {};
	for (const [name, count] of [...Object.entries(counts), ["truth", windows]]) {
		const taken = order.slice(at, at + count);
		at += count;
		games[name] = new TableGame(
			[...losses].map(([key, all]) => ({ coalition: Coalition.parse(key), losses: Float64Array.from(taken, (w) => all[w]) })),
		);
	}
	return { ...games, players };
}

/**
 * A made-up game of many windows: blocks and pairs of neighbors cost something, in each window another share of it. So what a window adds is as
 * smooth over the sets as the game itself.
 * @param spread of a block's cost between windows, as a share of it
 */
export function madeUp({ players, seed, spread }) {
	const random = new Random(`made up ${seed}`);
	const own = Array.from({ length: players }, (_, i) => (i < 2 || i === players - 1 ? 1 : 0.03 + 0.12 * random.uniform()));
	const near = Array.from({ length: players }, () => 0.12 * (random.uniform() - 0.3));
	const shares = [];
	const sharesOf = (w) => {
		if (shares[w]) return shares[w];
		const drawn = new Random(`window ${seed} ${w}`);
		const each = () => Math.exp(spread * drawn.normal() - spread ** 2 / 2);
		shares[w] = { level: 3 + drawn.normal(), own: own.map((x) => x * each()), near: near.map((x) => x * each()) };
		return shares[w];
	};
	const loss = (removed, w) => {
		const { level, own: costs, near: pairs } = sharesOf(w);
		let link = 0;
		for (const [at, i] of removed.entries()) {
			link += costs[i];
			if (removed[at + 1] === i + 1) link += pairs[i];
		}
		return level + Math.expm1(Math.max(0, link));
	};
	const known = new Map();
	const on = (windows) => gameOf(players, windows, loss, known);
	/** Windows dealt in order: they are as good as shuffled. */
	const dealt = (counts) => {
		let at = trueWindows;
		const games = Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, on(Array.from({ length: count }, () => at++))]));
		return { ...games, truth: on(Array.from({ length: trueWindows }, (_, w) => w)), known, players };
	};
	return { players, dealt };
}

function gameOf(players, windows, loss, known) {
	const measured = new Map();
	return {
		players,
		frozen: new Map(),
		allows: () => true,
		get evaluated() {
			return measured.size;
		},
		measure: async (sets) =>
			sets.map((coalition) => {
				known.set(coalition.key, coalition);
				const losses = measured.get(coalition.key) ?? Float64Array.from(windows, (w) => loss(coalition.removed(), w));
				measured.set(coalition.key, losses);
				return { coalition, losses };
			}),
	};
}

/** The same game, counted in passes of a window, and with stages if there are any. */
export function counted(game, windows, stages = []) {
	const passes = new Map();
	const count = (sets, done) => {
		for (const { key } of sets) passes.set(key, Math.max(passes.get(key) ?? 0, done));
	};
	return {
		...{ players: game.players, frozen: game.frozen, allows: (set) => game.allows(set), stages, windows },
		passes: () => [...passes.values()].reduce((sum, done) => sum + done, 0),
		measure: (sets) => {
			count(sets, windows);
			return game.measure(sets);
		},
		measureFirst: async (sets, first) => {
			count(sets, first);
			return (await game.measure(sets)).map(({ coalition, losses }) => ({ coalition, losses: losses.slice(0, first) }));
		},
		seen: () => undefined,
	};
}
