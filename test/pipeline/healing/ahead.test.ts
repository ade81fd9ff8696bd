import { expect, it, vi } from "vitest";
import { withHealTimeOf } from "../../../src/pipeline/healing/of-session.js";
import * as timeBudget from "../../../src/pipeline/healing/time-budget.js";
import { mostRemoved } from "../../../src/pipeline/pruning/asked-amount.js";
import { removableOf } from "../../../src/pipeline/pruning/removable.js";
import { readModelHeader, ReadOnce } from "../../../src/pipeline/preflight/model-header.js";
import type { Session } from "../../../src/pipeline/session/session.js";
import { fixturePath } from "../../helpers/fixture.js";

vi.mock("../../../src/pipeline/healing/time-budget.js", { spy: true });

it("counts a cut for each attention part that a search removes, and two for its blocks", async () => {
	const split = { tokens: [] };
	const session = {
		model: { facts: { blocks: 12 } },
		calibration: { splits: { search: split, validation: split, heldOut: split } },
		metric: "loss",
	} as unknown as Session;
	const planned = async (most: { blocks: number; attentions: number }, every = false) => {
		vi.mocked(timeBudget.withHealTime).mockImplementationOnce(async (_, __, options) => ({ options, seconds: 1 }));
		await withHealTimeOf(session, most, { heal: true }, every);
		const [, { cuts, mostCuts }] = vi.mocked(timeBudget.withHealTime).mock.calls.at(-1)!;
		return [cuts, mostCuts];
	};
	expect(await planned({ blocks: 5, attentions: 0 })).toEqual([2, 5]);
	expect(await planned({ blocks: 0, attentions: 9 })).toEqual([9, 9]);
	expect(await planned({ blocks: 1, attentions: 4 })).toEqual([5, 5]);
	// Sets of every number have half as many in the mean.
	expect(await planned({ blocks: 0, attentions: 9 }, true)).toEqual([5, 9]);
});

it("takes what is removed at most for attention parts wherever these are searched", async () => {
	const header = await readModelHeader(fixturePath, {});
	const most = async (amount: "gate" | "curve" | { readonly attentions: number; readonly blocks?: number }) =>
		mostRemoved(await removableOf(amount, header, new ReadOnce(undefined, {}), { granularity: "attention" }));
	expect(await most("gate")).toEqual({ blocks: 0, attentions: 5 });
	expect(await most("curve")).toEqual({ blocks: 0, attentions: 5 });
	expect(await most({ attentions: 4, blocks: 2 })).toEqual({ blocks: 2, attentions: 4 });
	expect(mostRemoved({ kmax: 4 })).toEqual({ blocks: 4, attentions: 0 });
});
