import { expect, it } from "vitest";
import type { RankOptions } from "../../src/api/index.js";
import { rankText } from "../../src/cli/rank-views.js";
import { InvalidOptionError } from "../../src/errors.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { rankBlocks } from "../../src/jobs/rank.js";
import { blocksAsText, formatBlocks } from "../../src/notation.js";
import { fixturePath } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";
import { thorough } from "../helpers/slow.js";

ownHomes();

const measured = { windows: 3, windowLength: 64, threads: 2 } as const;
const ranked = (search: RankOptions["search"], more: RankOptions = {}) =>
	rankBlocks(fixturePath, { ...measured, ...more, search: { granularity: "attention", ...search } });

it("ranks attention parts by what each adds alone, as the main job measures it, and names them as people do", async () => {
	const result = await ranked({}, { removeBlocks: [2, 4] });
	expect(result).toMatchObject({ estimator: "leave-one-out", granularity: { used: "attention" }, cut: 4 });
	// The length of the windows was given, so nothing depends on the context.
	expect(result.context).toEqual({ seen: { windows: 3, windowLength: 64, scoreFrom: 32 } });
	// The first block keeps its own.
	expect(result.importance.map(({ removed }) => removed)).toEqual(Array.from({ length: 11 }, (_, i) => [i + 1.25]));
	expect(result.frozen).toEqual([{ block: 0, removed: [0.25], reason: expect.stringContaining("must keep its attention") }]);
	expect(result.cuts.map(({ cut, verdicts }) => [cut, verdicts.length])).toEqual([
		[2, 11],
		[4, 11],
	]);
	expect(result.evaluations).toBe(12);
	const search = { granularity: "attention", method: "leave-one-out" } as const;
	const { plan } = await pruneGguf(fixturePath, undefined, { ...small, ...measured, removeAttention: 2, search });
	const rows = result.importance.map(({ block, value }) => [block, value]);
	expect(plan!.importance!.map(({ block, value }) => [block, value])).toEqual(rows);

	const json = JSON.parse(JSON.stringify(result, blocksAsText)) as Record<"importance" | "frozen" | "verdicts", { removed: string }[]>;
	expect([json.frozen[0]!.removed, json.importance[9]!.removed, json.verdicts[0]!.removed]).toEqual(["0a", "10a", "1a"]);
	const text = rankText(result, {});
	expect(text).toMatch(/^Importance of the attention parts of blocks 0 to 11 by leave-one-out; [\s\S]*\npart +nats added/);
	expect(text).toMatch(/^ +10a +\+\d/m);
	expect(text).toContain("as many least important attention parts as");
});

it("ranks them by estimators, which measure the same game, and by the surrogate, which knows pairs", async () => {
	const estimated = await ranked({ method: "common-sets", maxEvaluations: 50 });
	expect(estimated).toMatchObject({ estimator: "common-sets", cut: 5 });
	// All single removals, and sets of several.
	expect(estimated.evaluations).toBeGreaterThan(12);
	expect(estimated.evaluations).toBeLessThanOrEqual(50);
	expect(estimated.importance.every(({ removed }) => removed![0]! % 1 === 0.25)).toBe(true);
	const known = await ranked({ method: "auto", effort: "quick" }, { removeBlocks: 2 });
	expect(known.importance.every(({ unit }) => unit === "value")).toBe(true);
	const [pair] = known.interactions;
	expect(pair!.units).toEqual(pair!.blocks.map((block) => [block + 0.25]));
	expect(rankText(known, {})).toMatch(/attention parts( that need each other)?: \d+a and \d+a/);
});

it("names parts that no candidate removes, in its note and in JSON", async () => {
	const { onLog, notes } = noted();
	const result = await ranked({ method: "permutation", maxEvaluations: 17 }, { onLog, removeBlocks: 2 });
	const positions = result.unseen.map(({ removed }) => removed![0]!);
	expect(positions.length).toBeGreaterThan(2);
	expect(positions.every((position) => position % 1 === 0.25)).toBe(true);
	expect(notes.filter((note) => note.startsWith("permutation: "))).toEqual([
		`permutation: no candidate removes ${formatBlocks(positions)}, so their importance is unknown: raise --max-evaluations`,
	]);
	const { unseen } = JSON.parse(JSON.stringify(result, blocksAsText)) as { unseen: unknown[] };
	expect(unseen[0]).toEqual({ block: Math.floor(positions[0]!), removed: `${Math.floor(positions[0]!)}a` });
	expect(rankText(result, {}).match(/never measured/g)).toHaveLength(positions.length);
});

it.runIf(thorough)(
	"has a context if the length of the windows follows from it, else it says that a given one changes nothing",
	async () => {
		const nothing = "--context 256 changes nothing: --window-length 64 says how long the windows are";
		const quick = { granularity: "attention", method: "permutation", maxEvaluations: 17 } as const;
		const given = noted();
		const { context } = await ranked(quick, { onLog: given.onLog, removeBlocks: 2, context: 256 });
		expect(context).toEqual({ seen: { windows: 3, windowLength: 64, scoreFrom: 32 } });
		expect(given.notes).toContain(nothing);
		const { windowLength: _, ...free } = measured;
		const { onLog, notes } = noted();
		const result = await rankBlocks(fixturePath, { ...free, windows: 2, removeBlocks: 2, context: 256, search: quick, onLog });
		expect(result.context).toEqual({ context: 256, seen: { windows: 2, windowLength: 256, scoreFrom: 128 } });
		expect(notes.join()).not.toContain("changes nothing");
	},
);

function noted() {
	const notes: string[] = [];
	return { notes, onLog: ({ message }: { message: string }) => notes.push(message) };
}

it.each<[string, RankOptions["search"], RankOptions, RegExp]>([
	[
		"a baseline",
		{ method: "magnitude" },
		{},
		/^magnitude ranks whole blocks only: .* --method auto, leave-one-out, shapley, .* or least-squares$/,
	],
	["the paper's method", { method: "paper" }, {}, /^paper ranks whole blocks only: --granularity attention needs/],
	["more than can go", {}, { removeBlocks: 12 }, /at most 11 of 12 attention parts can be removed/],
	["a context of questions", {}, { context: 256, metric: "accuracy", questions: "q.jsonl" }, /--metric accuracy sees its questions whole/],
	["a context of whole blocks", { granularity: "block" }, { context: 256 }, /belongs to --granularity attention$/],
	["a context beyond the model's", {}, { context: 512 }, /trained on a context of 256 tokens/],
	["half-block cuts with an estimator", { method: "shapley", granularity: "half-block" }, {}, /needs --method auto or leave-one-out$/],
])("refuses %s before it measures", async (_, search, more, message) => {
	const job = ranked(search, more);
	await expect(job).rejects.toThrow(InvalidOptionError);
	await expect(job).rejects.toThrow(message);
});
