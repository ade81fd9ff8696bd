import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { FrontierCell, FrontierOptions } from "../../../src/api/index.js";
import { frontierText } from "../../../src/cli/quantized-views.js";
import { InvalidOptionError } from "../../../src/errors.js";
import { Coalition } from "../../../src/game/coalition.js";
import { findFrontier } from "../../../src/jobs/frontier/frontier.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { Model } from "../../../src/model/runtime/model.js";
import { blocksArgument, formatBlocks } from "../../../src/notation.js";
import { fixturePath, mean } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";
import { keptSplit } from "../../helpers/kept.js";

const { out, fresh, home } = ownHomes();

const attention = {
	...{ windows: 3, windowLength: 64, threads: 2, maxBlocks: 2 },
	...{ search: { granularity: "attention", effort: "quick" }, quantize: { types: ["Q4_0"] } },
} satisfies FrontierOptions;

it("counts attention parts: each row has time and KV cache at the context, and later positions are scored", async () => {
	const saveResult = `${fresh("frontier")}.json`;
	const result = await findFrontier(fixturePath, { ...attention, saveResult });
	const { cells, context, best } = result;
	expect(cells).toHaveLength(6);
	expect(cells.flatMap(({ removed }) => removed).every((position) => position % 1 === 0.25 && position > 1)).toBe(true);
	expect(result).toMatchObject({ computeAxis: "time", goal: { maxAdded: 0.1, least: "time" }, granularity: { used: "attention" } });
	expect(context).toMatchObject({ context: 256, seen: { windows: 3, windowLength: 64, scoreFrom: 32 } });
	const cellOf = (type: string, count: number) => cells.find((cell) => cell.type === type && cell.removed.length === count)!;
	const { model, attention: part } = context!.times!;
	for (const count of [0, 1, 2]) {
		// 12 blocks of 2 pairs of heads of 32 values, in F16.
		for (const type of ["own", "Q4_0"])
			expect(cellOf(type, count)).toMatchObject({ kvCache: (12 - count) * 2 * 2 * 32 * 2 * 256, blocks: 12 });
		expect(cellOf("own", count).milliseconds).toBeCloseTo(1000 * (model - count * part), 9);
	}
	// A copy runs at a speed of its own.
	expect(cellOf("Q4_0", 0).milliseconds).not.toBe(cellOf("own", 0).milliseconds);
	for (const cell of cells) expect(cell.dominated).toEqual(dominatedOf(cell, cells));
	const fastest = Math.min(...cells.filter(({ fits }) => fits).map(({ milliseconds }) => milliseconds!));
	expect(best?.milliseconds ?? Number.POSITIVE_INFINITY).toBe(fastest);

	const windows = keptSplit(home(), "validation", 64);
	const two = cellOf("own", 2);
	const written = await pruneGguf(fixturePath, out(), { ...small, remove: [...two.removed] });
	expect(two.bytes).toBe(written.output!.size);
	await using loaded = await Model.load(fixturePath, { threads: 2 });
	const sets = [Coalition.full(12), Coalition.ofRemoved(12, two.removed)];
	const [full, without] = await loaded.createEvaluator().evaluate(sets, windows, { scoreFrom: 32 });
	expect(two.added.mean).toBeCloseTo(mean(without!.losses) - mean(full!.losses), 10);
	expect(two.divergence!.mean).toBeGreaterThan(0);

	const kept = JSON.parse(readFileSync(saveResult, "utf8")) as { cells: { removed: string }[] };
	expect(kept.cells.map(({ removed }) => removed)).toEqual(cells.map(({ removed }) => formatBlocks(removed)));
	const text = frontierText(result, { width: 400 });
	expect(text).toMatch(/ms per token at 256 +KV cache at 256 +file size/);
	expect(text).toMatch(/nats added, by ms per token at 256, derived[\s\S]*nats added, by KV cache at 256/);
	expect(text).not.toMatch(/blocks kept|\bblocks? [^(]*removed/);
	expect(text).toContain("flatters removing attention parts");

	const faster = await findFrontier(fixturePath, { ...attention, targetSpeedup: 1.02 });
	// Times are kept.
	for (const type of ["own", "Q4_0"]) {
		const again = faster.cells.find((cell) => cell.type === type && cell.removed.length === 0)!;
		expect(again.milliseconds).toBe(cellOf(type, 0).milliseconds);
	}
	for (const { speedup, milliseconds, fits } of faster.cells) {
		expect(speedup!.value).toBeCloseTo((1000 * model) / milliseconds!, 9);
		expect(fits).toBe(speedup!.value >= 1.02);
	}
	const [command] = faster.commands;
	const removed = faster.best?.removed ?? [];
	if (removed.length > 0) expect(command).toContain(` --remove ${blocksArgument(removed)} --context 256 --windows 3 --window-length 64 `);
});

function dominatedOf(cell: FrontierCell, cells: readonly FrontierCell[]) {
	const axes = {
		bytes: [({ bytes }: FrontierCell) => bytes],
		compute: [({ milliseconds }: FrontierCell) => milliseconds!],
		kvCache: [({ kvCache }: FrontierCell) => kvCache!],
	};
	const beaten = (some: readonly ((one: FrontierCell) => number)[]) => {
		const all = [({ loss }: FrontierCell) => loss.mean!, ...some];
		return cells.some((other) => all.every((of) => of(other) <= of(cell)) && all.some((of) => of(other) < of(cell)));
	};
	const { bytes, compute, kvCache } = axes;
	return {
		...{ bytes: beaten(bytes), compute: beaten(compute), kvCache: beaten(kvCache) },
		both: beaten([...bytes, ...compute, ...kvCache]),
	};
}

it.each<[string, FrontierOptions, RegExp]>([
	["a number of blocks to run", { targetCompute: 1.2 }, /target-compute counts blocks, .* give --target-speedup/],
	["a speed of prompts", { targetSpeedup: { prompt: 1.2 } }, /leave prompt: out/],
	["more than can go", { maxBlocks: 12 }, /max-blocks: at most 11 of 12 attention parts can go, got 12/],
	["a size out of reach", { targetSize: 1000 }, /out of reach: 2 attention parts less .* Allow more attention parts \(--max-blocks\)/],
	["a context beyond the model's", { context: 512 }, /trained on a context of 256 tokens/],
	["a method of whole blocks", { search: { granularity: "attention", method: "first" } }, /granularity.* first does not read it/],
	["a context of whole blocks", { search: { granularity: "block" }, context: 256 }, /--context .* belongs to --granularity attention/],
])("refuses %s before it measures", async (_, bad, message) => {
	const job = findFrontier(fixturePath, { ...attention, ...bad });
	await expect(job).rejects.toThrow(InvalidOptionError);
	await expect(job).rejects.toThrow(message);
});
