import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { InvalidOptionError } from "../../../src/errors.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { attentionAmount, attentionsForSpeedup } from "../../../src/pipeline/pruning/attention-amount.js";
import { removableOf } from "../../../src/pipeline/pruning/removable.js";
import { readModelHeader, ReadOnce } from "../../../src/pipeline/preflight/model-header.js";
import { ATTENTION_MODELS } from "../../conformance/attention-models.js";
import { hasTools } from "../../conformance/fixtures.js";
import { u32, u32s } from "../../conformance/keys.js";
import { makeOwnModel } from "../../conformance/own-fixtures.js";
import { ownHomes, small } from "../../helpers/home.js";
import { firstOf } from "../../helpers/slow.js";

const { folder } = ownHomes();

/** Its blocks have 2, 4, 0, 2, 1, 0, 4 and 2 heads of keys and values, 15 in all. The first attention part stays. */
const model = ATTENTION_MODELS.find(({ name }) => name === "deci-some-without")!;
const plainKeys = { "tokenizer.ggml.bos_token_id": u32(1) };
const unlike = () => makeOwnModel({ ...model, plainKeys }, join(folder, "unlike"));

async function removableFor(kv: number) {
	const header = await readModelHeader(await unlike(), {});
	const amount = attentionAmount(header, { kv }, { granularity: "attention" });
	return removableOf(amount!, header, new ReadOnce(undefined, {}), { granularity: "attention" });
}

describe.skipIf(!hasTools)("a share of the KV cache where blocks have different numbers of heads", () => {
	it("is looked for among all numbers of attention parts that may be the fewest", async () => {
		const { count, counts, kmax, reaches } = await removableFor(0.5);
		expect({ count, counts, kmax }).toEqual({ count: 2, counts: [2, 3, 4], kmax: 4 });
		expect(reaches!([1.25, 6.25])).toBe(true);
		expect(reaches!([3.25, 4.25])).toBe(false);
		expect(reaches!([1.25, 3.25, 4.25])).toBe(false);
		expect(reaches!([3.25, 4.25, 6.25, 7.25])).toBe(true);
		expect((await removableFor(0.99)).counts).toEqual([1]);
		expect((await removableFor(2 / 15)).counts).toEqual([5]);
		await expect(removableFor(0.13)).rejects.toThrow(InvalidOptionError);
		await expect(removableFor(0.13)).rejects.toThrow(/ Give --target-kv 14% or more\.$/);
	});

	it.each(firstOf(1, [false, true]))("is kept to, healed: %s", async (heal) => {
		const options = { ...small, targetKv: 0.5, search: { effort: "quick" }, ...(heal ? { heal: { tokens: 1024 } } : {}) } as const;
		const { plan } = await pruneGguf(await unlike(), undefined, options);
		const { before, after } = plan!.context!.kvCache;
		expect(after).toBeLessThanOrEqual(before / 2);
		expect(plan!.command).toContain("--target-kv 0.5");
	});
});

describe.skipIf(!hasTools)("attention parts beside blocks of which two have none", () => {
	it("may be as many as can go, less those that blocks with attention take", async () => {
		const header = await readModelHeader(await unlike(), {});
		const asked = (attentions: number, blocks: number) => () =>
			attentionAmount(header, { attentions, blocks }, { granularity: "attention" });
		expect(asked(5, 2)()).toEqual({ attentions: 5, blocks: 2 });
		expect(asked(3, 4)()).toEqual({ attentions: 3, blocks: 4 });
		expect(asked(4, 4)).toThrow(
			/^4 attention parts cannot be removed beside 4 blocks, of which at least 2 take theirs with them: at most 5 of 6 attention parts can go, all but 0a .* Give --remove-attention 3 or less, or fewer blocks\.$/,
		);
		expect(asked(6, 1)).toThrow(/ beside 1 block: at most 5 .* Give --remove-attention 5 or less\.$/);
	});

	it("count none of blocks whose attention is linear", async () => {
		const keys = { ...model.keys, "attention.head_count_kv": u32s(2, 4, 0, 0, 1, 0, 4, 2) };
		const header = await readModelHeader(await makeOwnModel({ ...model, keys, plainKeys }, join(folder, "linear")), {});
		expect(header.blocks.withoutAttention).toEqual([2, 5]);
		const asked = (attentions: number, blocks: number) => () =>
			attentionAmount(header, { attentions, blocks }, { granularity: "attention" });
		expect(asked(4, 3)()).toEqual({ attentions: 4, blocks: 3 });
		expect(asked(4, 4)).toThrow(/ beside 4 blocks, of which at least 1 take theirs with them: at most 4 of 5 attention parts can go, /);
	});

	it("are removed beside blocks that leave enough of them", async () => {
		const { plan } = await pruneGguf(await unlike(), undefined, {
			...small,
			removeAttention: 5,
			removeBlocks: 2,
			search: { effort: "quick" },
		});
		expect(plan!.removed).toEqual([1.25, 2, 3.25, 4.25, 5, 6.25, 7.25]);
	});
});

describe.skipIf(!hasTools)("a speed-up", () => {
	// Six attention parts of 1 s and eight feed-forward parts of 1 s, and a second beside them; five attention parts can go.
	const times = {
		measured: "2026-01-02T03:04:05.000Z",
		context: 256,
		measuredAt: 256,
		model: 15,
		attention: 1,
		feedForward: 1,
		attentionBytes: 0.3,
	};
	const kv = [2, 4, 0, 2, 1, 0, 4, 2];
	const of = async (speedup: number, alone = false) =>
		attentionsForSpeedup(await readModelHeader(await unlike(), {}), speedup, { context: 256, kv, times }, alone);

	it("is reached with blocks if attention parts alone do not reach it", async () => {
		expect(await of(1.2)).toMatchObject({ attentions: 3 });
		const { attentions, time } = await of(2);
		expect(attentions).toBe(5);
		expect(time!.reaches([1.25, 3.25, 4.25, 6.25, 7.25])).toBe(false);
		expect(time!.reaches([1, 3, 4, 6])).toBe(true);
		await expect(of(2, true)).rejects.toThrow(
			/by attention parts alone: at most 5 of 6 attention parts can go, all but 0a \(.* Leave out --max-time, .* Or: Give -n N /,
		);
		// With a limit of time too: blocks would not reach it either.
		for (const alone of [false, true])
			await expect(of(100, alone)).rejects.toThrow(/without all attention parts and blocks that can go .* Give a smaller one/);
	});
});
