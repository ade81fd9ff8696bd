import { afterEach, describe, expect, it, vi } from "vitest";
import type { LogEvent, PruneOptions } from "../../src/api/index.js";
import { findFrontier } from "../../src/jobs/frontier/frontier.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { KeptPartTimes, KeptSpeed } from "../../src/pipeline/speed/kept.js";
import { ATTENTION_MODELS } from "../conformance/attention-models.js";
import { hasTools } from "../conformance/fixtures.js";
import { u32 } from "../conformance/keys.js";
import { makeOwnModel } from "../conformance/own-fixtures.js";
import { fixturePath } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";

// What is said before a search of attention parts. The times are those of an earlier run that measured a machine of our own making.

const { fresh, out } = ownHomes();
afterEach(() => vi.restoreAllMocks());
const { speed: _speed, samples: _samples, ...asUsual } = { ...small, dryRun: true, windowLength: 64 } satisfies PruneOptions;
const attention = { ...asUsual, search: { granularity: "attention", effort: "quick" } } as const satisfies PruneOptions;

/** Milliseconds of a model of twelve blocks, whose attention parts take such a share of a block's time. */
const partsOf = (share: number, model = 20) => ({ model: model / 1000, attention: share / 1000, feedForward: (1 - share) / 1000 });

function keepTimes(share: number, turns = [partsOf(share)]): void {
	const times = { measured: "2026-01-02T03:04:05.000Z", context: 256, measuredAt: 256, ...partsOf(share), attentionBytes: 0.3 };
	vi.spyOn(KeptPartTimes.prototype, "read").mockResolvedValue({ times, turns, keptIn: "kept.speed.json" });
}

async function saidOf(options: PruneOptions, output?: string, model = fixturePath) {
	const said: LogEvent[] = [];
	await pruneGguf(model, output, { ...options, onLog: (event) => said.push(event) });
	const of = (level: LogEvent["level"]) => said.filter((event) => event.level === level).map(({ message }) => message);
	return { notes: of("note"), warnings: of("warning") };
}

describe("times that an earlier run measured", () => {
	it("are dated, with the file to delete", async () => {
		keepTimes(0.7);
		const { notes, warnings } = await saidOf({ ...attention, targetSpeedup: 1.1 });
		expect(notes).toContain("time at a context of 256 measured earlier (2026-01-02 03:04 UTC; delete kept.speed.json to measure again)");
		expect(warnings).toEqual([]);
	});

	it("are dated where the run measures none itself, without the advice to delete them", async () => {
		keepTimes(0.7);
		const { notes } = await saidOf({ ...asUsual, remove: "3a", context: 256 });
		expect(notes).toContain("time at a context of 256 measured by an earlier run (2026-01-02 03:04 UTC; kept in kept.speed.json)");
	});

	it("are warned of if their repetitions leave the number of attention parts open", async () => {
		// 20 ms become 18.2: 1.8 ms are 3 parts of 0.7 ms, 2 of 1 ms or 7 of 0.26 ms.
		keepTimes(0.7, [partsOf(1), partsOf(0.7), partsOf(0.26)]);
		const { warnings } = await saidOf({ ...attention, targetSpeedup: 1.1 });
		expect(warnings).toEqual([
			"the number of attention parts for target-speedup 1.1 is uncertain: repetitions of the measurement differ, so it may take from 2 to 7 attention parts. Another program may be using the processor. To measure again, close other programs and delete kept.speed.json. Or give a number with --remove-attention.",
		]);
	});

	it("say where blocks cost less: below 0.55 of a block's time, wherever attention parts are searched or named", async () => {
		const better = /^at a context of 256 an attention part takes 5\d % of a block's time: .* blocks or half-block cuts cost less/;
		keepTimes(0.54);
		expect((await saidOf(attention)).warnings).toEqual([expect.stringMatching(better)]);
		expect((await saidOf({ ...asUsual, remove: "3a", context: 256 })).warnings).toEqual([expect.stringMatching(better)]);
		expect((await saidOf({ ...asUsual, remove: "3a" })).warnings).toEqual([expect.stringMatching(better)]);
		expect((await saidOf({ ...asUsual, remove: [3], context: 256 })).warnings).toEqual([]);
		keepTimes(0.56);
		expect((await saidOf(attention)).warnings).toEqual([]);
	});

	it.skipIf(!hasTools)("are said to be of an average part if parts differ in size", async () => {
		keepTimes(0.7);
		const unlike = ATTENTION_MODELS.find(({ name }) => name === "deci-some-without")!;
		const own = await makeOwnModel({ ...unlike, plainKeys: { "tokenizer.ggml.bos_token_id": u32(1) } }, fresh("unlike"));
		const about = async (model: string) =>
			(await saidOf(attention, undefined, model)).notes.filter((note) => note.startsWith("times are those of an average part"));
		expect(await about(own)).toEqual([expect.stringContaining("attention parts by a factor of up to 4 and feed-forward parts by")]);
		expect(await about(fixturePath)).toEqual([]);
	});
});

it("a target speed-up is said to be measured before quantizing, of attention parts as of blocks", async () => {
	keepTimes(0.7);
	const [count, measured] = [3, "2026-01-02T03:04:05.000Z"];
	const ratios = new Map([[count, { value: 1.2 }]]);
	vi.spyOn(KeptSpeed.prototype, "read").mockResolvedValue({ count, measured, ratios, range: undefined });
	const warning = "the target speed-up is measured before quantizing: Q4_0 changes the speed further";
	for (const options of [attention, { ...asUsual, search: { granularity: "block" } } as const])
		expect((await saidOf({ ...options, targetSpeedup: 1.1, quantize: "Q4_0" }, out())).warnings).toContain(warning);
	expect((await saidOf({ ...attention, targetSpeedup: 1.1 })).warnings).toEqual([]);
});

it("named attention parts are said to be measured in short windows, beside figures of the context", async () => {
	const about = async (options: PruneOptions) =>
		(await saidOf({ ...asUsual, ...options })).notes.filter((note) => note.startsWith("losses are of windows"));
	const [note, ...more] = await about({ remove: "3a, 7" });
	expect(note).toMatch(
		/^losses are of windows of 64 tokens, at all positions, beside a context of 256\. .*--window-length .*--remove-attention N/,
	);
	expect(more).toEqual([]);
	expect(await about({ remove: "3a, 7", windowLength: 256 })).toEqual([]);
	expect(await about({ remove: [3, 7], context: 256 })).toEqual([]);
});

it("a frontier of attention parts says what a size is better reached with", async () => {
	const said: string[] = [];
	const onLog = ({ message }: LogEvent) => said.push(message);
	const { windows, threads, windowLength, search } = { ...attention };
	const asked = { windows, threads, windowLength, search, maxBlocks: 2, quantize: { types: [] }, dryRun: true, onLog };
	await findFrontier(fixturePath, { ...asked, targetSize: 1e9 });
	expect(said.filter((message) => message.startsWith("a size is better reached with blocks"))).toEqual([
		expect.stringMatching(/attention parts hold \d+ % of the bytes of this model's blocks\. Leave out --granularity attention$/),
	]);
});
