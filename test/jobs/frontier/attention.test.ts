import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { FrontierCell, FrontierOptions, FrontierResult, MeasuredTimes } from "../../../src/api/index.js";
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
import { thorough } from "../../helpers/slow.js";

const { out, fresh, home } = ownHomes();

const attention = {
	...{ windows: 3, windowLength: 64, threads: 2, maxBlocks: 2 },
	...{ search: { granularity: "attention", effort: "quick" }, quantize: { types: ["Q4_0"] } },
} satisfies FrontierOptions;

it.runIf(thorough)("counts attention parts: each row has time and KV cache at the context, and later positions are scored", async () => {
	const saveResult = `${fresh("frontier")}.json`;
	const result = await findFrontier(fixturePath, { ...attention, saveResult });
	const { cells, context, best } = result;
	expect(cells).toHaveLength(6);
	expect(cells.flatMap(({ removed }) => removed).every((position) => position % 1 === 0.25 && position > 1)).toBe(true);
	expect(result).toMatchObject({ computeAxis: "time", goal: { maxAdded: 0.1, least: "time" }, granularity: { used: "attention" } });
	expect(context).toMatchObject({ context: 256, seen: { windows: 3, windowLength: 64, scoreFrom: 32 } });
	const cellOf = (type: string, count: number) => cells.find((cell) => cell.type === type && cell.removed.length === count)!;
	// A copy runs at a speed of its own, and is timed by itself.
	const [times, copied] = context!.times!;
	expect([times!.type, copied!.type, context!.times!.length]).toEqual(["own", "Q4_0", 2]);
	expect(copied!.attentionBytes).not.toBe(times!.attentionBytes);
	for (const { measured } of [times!, copied!]) expect(Date.now() - Date.parse(measured)).toBeLessThan(600_000);
	const { model, attention: part } = times!;
	for (const count of [0, 1, 2]) {
		// 12 blocks of 2 pairs of heads of 32 values, in F16.
		for (const type of ["own", "Q4_0"])
			expect(cellOf(type, count)).toMatchObject({ kvCache: (12 - count) * 2 * 2 * 32 * 2 * 256, blocks: 12 });
		expect(cellOf("own", count).milliseconds).toBeCloseTo(1000 * (model - count * part), 9);
		expect(cellOf("Q4_0", count).milliseconds).toBeCloseTo(1000 * (copied!.model - count * copied!.attention), 9);
	}
	for (const cell of cells) expect(cell.dominated).toEqual(dominatedOf(cell, cells));
	const fastest = Math.min(...cells.filter(({ fits }) => fits).map(({ milliseconds }) => milliseconds!));
	expect(best!.milliseconds).toBe(fastest);

	const [windows, heldOut] = [keptSplit(home(), "validation", 64), keptSplit(home(), "heldOut", 64)];
	const two = cellOf("own", 2);
	const written = await pruneGguf(fixturePath, out(), { ...small, remove: [...two.removed] });
	expect(two.bytes).toBe(written.output!.size);
	await using loaded = await Model.load(fixturePath, { threads: 2 });
	const sets = [Coalition.full(12), Coalition.ofRemoved(12, two.removed)];
	const [full, without] = await loaded.createEvaluator().evaluate(sets, windows, { scoreFrom: 32 });
	expect(two.added.mean).toBeCloseTo(mean(without!.losses) - mean(full!.losses), 10);
	expect(two.divergence!.mean).toBeGreaterThan(0);
	// The limit is held against a loss of the same positions.
	const held = cells.find(({ type, removed, heldOut }) => type === "own" && removed.length > 0 && heldOut)!;
	const both = [Coalition.full(12), Coalition.ofRemoved(12, held.removed)];
	const [before, after] = await loaded.createEvaluator().evaluate(both, heldOut, { scoreFrom: 32 });
	expect(held.heldOut!.added.mean).toBeCloseTo(mean(after!.losses) - mean(before!.losses), 10);
	expect(result.reference.loss.mean).toBeCloseTo(mean(before!.losses), 10);

	const kept = JSON.parse(readFileSync(saveResult, "utf8")) as { cells: { removed: string }[] };
	expect(kept.cells.map(({ removed }) => removed)).toEqual(cells.map(({ removed }) => formatBlocks(removed)));
	const text = frontierText(result, { width: 400 });
	expect(text).toMatch(/ms per token at 256 +KV cache at 256 +file size/);
	expect(text).toMatch(/nats added, by ms per token at 256, derived[\s\S]*nats added, by KV cache at 256/);
	expect(text).not.toMatch(/blocks kept|\bblocks? [^(]*removed/);
	expect(text).toContain("flatters removing attention parts");
	expect(text).toContain(
		`Times of Q4_0 were measured at another moment than those of the original weights (${result.ownType}), not in turns`,
	);
	expect(text).not.toContain("extrapolated");
	expect(text).toContain("windows of the validation split, positions from 32 on.\n");
	expect(text).toMatch(/On the held-out split \(\d+ windows, positions from 32 on, not used/);
	expect(result.verdict.text).toContain(
		"Losses on the validation and held-out splits are of positions from 32 on of windows of 64 tokens.",
	);

	await keptTimesAreTaken(result);
});

/** A second run, after times were rewritten as if a slow machine had measured them after fewer tokens. */
async function keptTimesAreTaken({ context, ownType }: FrontierResult) {
	const [own, copied] = context!.times!;
	const rewritten = new Map([
		[own!.model, { ...slow, model: 0.02 }],
		[copied!.model, { ...slow, model: 0.019 }],
	]);
	for (const { parentPath, name } of readdirSync(join(home(), "runs"), { recursive: true, withFileTypes: true })) {
		if (!name.endsWith(".speed.json")) continue;
		const kept = JSON.parse(readFileSync(join(parentPath, name), "utf8")) as MeasuredTimes;
		writeFileSync(join(parentPath, name), JSON.stringify({ ...kept, ...rewritten.get(kept.model) }));
	}
	const notes: string[] = [];
	const onLog = ({ message }: { message: string }) => notes.push(message);
	const faster = await findFrontier(fixturePath, { ...attention, targetSpeedup: 1.1, onLog });
	expect(faster.context!.times).toEqual([
		{ ...own, ...slow, model: 0.02 },
		{ ...copied, ...slow, model: 0.019 },
	]);
	expect(notes.filter((note) => note.includes("straight line")).map((note) => note.split(",")[0])).toEqual([
		"time at a context of 256 is measured at 64 tokens",
		"time at a context of 256 in Q4_0 is measured at 64 tokens",
	]);
	expect(frontierText(faster, { width: 400 })).toContain(
		`Times at 256 tokens of context are extrapolated in a straight line: ${ownType} from 64, Q4_0 from 64 tokens.\n`,
	);
	for (const { type, removed, speedup, milliseconds, fits } of faster.cells) {
		expect(milliseconds).toBeCloseTo((type === "own" ? 20 : 19) - removed.length, 9);
		expect(speedup!.value).toBeCloseTo(20 / milliseconds!, 9);
		expect(fits).toBe(milliseconds! < 18.1);
	}
	const [command] = faster.commands;
	const { removed } = faster.best!;
	expect(removed.length).toBeGreaterThan(0);
	expect(command).toContain(` --remove ${blocksArgument(removed)} --context 256 --windows 3 --window-length 64 `);
}

const slow = { measuredAt: 64, attention: 0.001, feedForward: 0.0005 };

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

it("a dry run does not know how long copies take to be timed, if no run has timed the model", async () => {
	const stepsOf = async (options: FrontierOptions) => {
		const { steps, seconds, promptTokens } = (await findFrontier(fixturePath, { ...attention, ...options, dryRun: true })).estimate!;
		expect(promptTokens! / seconds).toBeGreaterThan(100);
		return steps;
	};
	const [searching, , measuring] = await stepsOf({});
	expect(searching!.seconds).toBeGreaterThan(0);
	expect(measuring).toEqual({ name: "Measuring" });
	// Without copies nothing is unknown.
	expect((await stepsOf({ quantize: { types: [] } }))[2]!.seconds).toBeGreaterThan(0);
});

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
