import { existsSync, readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { exactWindowSemivalue } from "../../../src/game/attribution/exact.js";
import { auto } from "../../../src/game/search/auto-method.js";
import { Coalition } from "../../../src/game/coalition.js";
import { meanLoss } from "../../../src/game/game.js";
import { TableGame } from "../../../src/game/table-game.js";
import { firstOf, thorough } from "../../helpers/slow.js";

// Small models trained and measured by scripts/study: every set of their blocks, mean losses on 10 windows of 128 tokens.
const folder = new URL("../../games/", import.meta.url);
const files = existsSync(folder)
	? readdirSync(folder)
			.filter((name) => name.endsWith(".jsonl.gz"))
			.sort()
	: [];
const kmax = 8;

test("there are measured games", () => expect(files.length).toBeGreaterThan(0));

describe.each(firstOf(2, files))("%s", (file) => {
	const text = gunzipSync(readFileSync(new URL(file, folder))).toString();
	const table = TableGame.parse(text);
	const { players } = table;
	const full = meanLoss(table.all().find(({ coalition }) => coalition.size === players)!);
	const best = new Map<number, number>();
	for (const measurement of table.all()) {
		const count = players - measurement.coalition.size;
		best.set(count, Math.min(best.get(count) ?? Number.POSITIVE_INFINITY, meanLoss(measurement) - full));
	}

	test("at most 300 masks: median regret 0, nine in ten below 0.01 nats; contributions as exact enumeration has them", async () => {
		const regrets: number[] = [];
		for (let seed = 0; seed < (thorough ? 3 : 1); seed++) {
			const game = TableGame.parse(text);
			const { found, contributions } = await auto(game, { kmax, budget: 300, seed, patience: 0 });
			expect(game.evaluated).toBeLessThanOrEqual(300);
			for (const [count, { removed, addedLoss }] of found.byCount) {
				const [measured] = await game.measure([Coalition.ofRemoved(players, removed)]);
				expect(meanLoss(measured!) - full).toBeCloseTo(addedLoss, 9);
				regrets.push(addedLoss - best.get(count)!);
			}
			const critical = found.critical.filter(({ frozen }) => frozen).flatMap(({ blocks }) => blocks);
			const frozen = new Map(critical.map((block) => [block, "critical"]));
			const window = Math.min(kmax, players - frozen.size);
			const exact = (await exactWindowSemivalue(new TableGame(table.all(), frozen), { kmax: window })).contributions;
			const movable = [...exact.keys()].filter((block) => !frozen.has(block));
			const center = movable.reduce((sum, i) => sum + exact[i]!, 0) / movable.length;
			const squares = (values: number[]) => values.reduce((sum, x) => sum + x * x, 0);
			const error = squares(movable.map((i) => contributions!.contributions[i]! - exact[i]!));
			const spread = squares(movable.map((i) => exact[i]! - center));
			// At most 0.066 over these games and 8 seeds.
			expect(Math.sqrt(error / spread)).toBeLessThan(0.08);
		}
		regrets.sort((a, b) => a - b);
		expect(regrets[regrets.length >> 1]).toBeLessThan(1e-9);
		expect(regrets[Math.floor(0.9 * regrets.length)]).toBeLessThanOrEqual(0.01);
	});
});
