import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bestRuns } from "../../../src/model/baselines/angular.js";
import { blockInfluence } from "../../../src/model/baselines/block-influence.js";
import { cutLowest } from "../../../src/model/baselines/cut.js";
import { firstScores, lastScores } from "../../../src/model/baselines/edges.js";
import { magnitudes, sumOfSquares } from "../../../src/model/baselines/magnitude.js";
import { randomSets } from "../../../src/model/baselines/random.js";
import { InvalidOptionError } from "../../../src/errors.js";
import type { Coalition } from "../../../src/game/coalition.js";
import { Random } from "../../../src/game/random.js";
import { type contentOf, GgufFile } from "../../../src/model/gguf/index.js";
import { Model } from "../../../src/model/runtime/model.js";
import { changedFixture, fixturePath, fixtureWindows, fullSet, mean, removing } from "../../helpers/fixture.js";
import { ownHomes } from "../../helpers/home.js";

const board = (players: number, frozen: number[] = [], allows: (set: Coalition) => boolean = () => true) => ({
	players,
	frozen: new Map(frozen.map((block) => [block, "frozen"])),
	allows,
});
const removedOf = (sets: readonly Coalition[]) => sets.map((set) => set.removed());
/** Similarities of 4 hidden states (3 blocks), symmetric, from those above the diagonal: 01 02 03 12 13 23. */
const square = ([a, b, c, d, e, f]: number[], self: number) => [self, a!, b!, c!, a!, self, d!, e!, b!, d!, self, f!, c!, e!, f!, self];

describe("block influence", () => {
	it("is 1 minus the cosine between neighboring states", () => {
		const scores = blockInfluence(square([0.5, 0, 0, 0.9, 0, 0.75], 1));
		expect(Array.from(scores, (score) => Number(score.toFixed(12)))).toEqual([0.5, 0.1, 0.25]);
	});

	it("refuses what is no square", () => {
		expect(() => blockInfluence([1, 0, 0])).toThrow(RangeError);
		expect(() => blockInfluence([1])).toThrow(/at least 2 x 2/);
	});
});

describe("runs of least angular distance", () => {
	const angular = square([0.3, 0.5, 0.9, 0.1, 0.4, 0.2], 0);

	it("are the best of each length", () => {
		expect(removedOf(bestRuns(board(3), angular, 3))).toEqual([[1], [1, 2], [0, 1, 2]]);
		expect(removedOf(bestRuns(board(3), angular, 1))).toEqual([[1]]);
	});

	it("go around frozen blocks and rules", () => {
		expect(removedOf(bestRuns(board(3, [1]), angular, 3))).toEqual([[2]]);
		expect(
			removedOf(
				bestRuns(
					board(3, [], (set) => set.removed().length !== 2 || set.has(2)),
					angular,
					2,
				),
			),
		).toEqual([[1], [0, 1]]);
	});

	it("need the game's own matrix", () => {
		expect(() => bestRuns(board(4), angular, 2)).toThrow(/5 hidden states/);
	});
});

describe("cutting by scores", () => {
	it("takes the lowest, one ranking for every size, equal ones in order", () => {
		expect(removedOf(cutLowest(board(4), [3, 1, 2, 1], { kmax: 3 }))).toEqual([[1], [1, 3], [1, 2, 3]]);
	});

	it("leaves frozen blocks and keeps units together", () => {
		expect(removedOf(cutLowest(board(4, [1]), [3, 1, 2, 1], { kmax: 3 }))).toEqual([[3], [2, 3], [0, 2, 3]]);
		const units = [
			[0, 1],
			[2, 3],
		];
		expect(removedOf(cutLowest(board(4), [0, 9, 4, 4], { kmax: 3, units }))).toEqual([[2, 3]]);
	});

	it("comes back to a block that the game did not allow first", () => {
		// Block 0 only after block 2.
		const game = board(3, [], (set) => (set.has(0) ? true : !set.has(2)));
		expect(removedOf(cutLowest(game, [0, 5, 1], { kmax: 2 }))).toEqual([[2], [0, 2]]);
	});

	it("needs one score per block", () => {
		expect(() => cutLowest(board(3), [1, 2], { kmax: 1 })).toThrow(/one score per block/);
		expect(() => cutLowest(board(3), [1, Number.NaN, 2], { kmax: 1 })).toThrow(/block 1 has no score/);
	});

	it("gives the first blocks, and the last ones but the very last", () => {
		expect(removedOf(cutLowest(board(4), firstScores(4), { kmax: 3 }))).toEqual([[0], [0, 1], [0, 1, 2]]);
		expect(removedOf(cutLowest(board(4), lastScores(4), { kmax: 4 }))).toEqual([[2], [1, 2], [0, 1, 2], [0, 1, 2, 3]]);
	});
});

describe("random sets", () => {
	const draw = (counts: number[], masks: number, seed = 1) => randomSets(board(6), { counts, masks, random: new Random(seed) });

	it("are distinct, in equal shares, what a size lacks going to the others", () => {
		const sets = draw([3, 1], 20);
		expect(new Set(sets.map((set) => set.key)).size).toBe(sets.length);
		expect(sets.filter((set) => set.size === 5).length).toBe(6);
		expect(sets.filter((set) => set.size === 3).length).toBe(14);
	});

	it("are the same for the same seed", () => {
		expect(draw([2, 3], 10).map(String)).toEqual(draw([2, 3], 10).map(String));
		expect(draw([2, 3], 10).map(String)).not.toEqual(draw([2, 3], 10, 2).map(String));
	});
});

describe("on the 12-block model", () => {
	const { folder } = ownHomes();
	let model: Model;
	beforeAll(async () => {
		model = await Model.load(fixturePath, { threads: 2 });
	});
	afterAll(() => model.dispose());

	it("block influence puts the blocks that turn least below those that cost most", async () => {
		const windows = fixtureWindows(3, 64);
		const evaluator = model.createEvaluator();
		const scores = blockInfluence((await evaluator.similarities(windows)).cosine);
		expect(scores.length).toBe(12);
		expect(scores.every((score) => score > 0 && score < 2)).toBe(true);
		const [full, cheap, dear] = await evaluator.evaluate(
			[fullSet, removing(scores.indexOf(Math.min(...scores))), removing(scores.indexOf(Math.max(...scores)))],
			windows,
		);
		expect(mean(cheap!.losses) - mean(full!.losses)).toBeLessThan(mean(dear!.losses) - mean(full!.losses));
	});

	it("magnitudes follow the weights", async () => {
		const norms = await magnitudes(model);
		expect(norms.length).toBe(12);
		expect(norms.every((norm) => norm > 1)).toBe(true);
		// Twice the scales of one matrix: four times its share of the square.
		const name = "blk.4.attn_q.weight";
		const doubled = await GgufFile.read(
			await changedFixture(`${folder}/doubled.gguf`, (content) => ({
				...content,
				tensors: content.tensors.map((tensor) => (tensor.name === name ? withF32(tensor, 2) : tensor)),
			})),
		);
		const changed = await magnitudes({ file: doubled, blocks: model.blocks });
		expect([...changed].filter((_, block) => block !== 4)).toEqual([...norms].filter((_, block) => block !== 4));
		const without = changed[4]! ** 2 - 128 * 128 * 4;
		const zeroed = await GgufFile.read(
			await changedFixture(`${folder}/zeroed.gguf`, (content) => ({
				...content,
				tensors: content.tensors.map((tensor) => (tensor.name === name ? withF32(tensor, 0) : tensor)),
			})),
		);
		expect((await magnitudes({ file: zeroed, blocks: model.blocks }))[4]! ** 2).toBeCloseTo(without, 4);
	});

	it("magnitudes of a type that cannot be read name it", async () => {
		const file = await GgufFile.read(
			await changedFixture(`${folder}/iq1.gguf`, (content) => ({
				...content,
				tensors: content.tensors.map((tensor) =>
					tensor.name === "blk.2.attn_q.weight" ? { ...tensor, type: 19, dims: [256, 1], source: new Uint8Array(50) } : tensor,
				),
			})),
		);
		await expect(magnitudes({ file, blocks: model.blocks })).rejects.toThrow(InvalidOptionError);
		await expect(magnitudes({ file, blocks: model.blocks })).rejects.toThrow(/blk\.2\.attn_q\.weight are of type IQ1_S/);
	});

	it("magnitudes stop when told to", async () => {
		await expect(magnitudes(model, { signal: AbortSignal.abort() })).rejects.toThrow(/abort/);
	});
});

/** A matrix of 128 x 128 with one value everywhere. */
function withF32(tensor: ReturnType<typeof contentOf>["tensors"][number], value: number) {
	return { ...tensor, type: 0, source: new Uint8Array(new Float32Array(128 * 128).fill(value).buffer) };
}

it("squares are summed in double precision", () => {
	expect(sumOfSquares(new Float32Array([3, 4]))).toBe(25);
});
