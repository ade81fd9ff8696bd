import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PruneOptions } from "../../src/api/index.js";
import { Gate } from "../../src/pipeline/gate/gate.js";
import { findFrontier } from "../../src/jobs/frontier/frontier.js";
import { healingKey } from "../../src/pipeline/healing/cached.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { Evaluator } from "../../src/model/runtime/evaluator.js";
import { hashWindows } from "../../src/model/runtime/windows.js";
import { Session } from "../../src/pipeline/session/session.js";
import { fixturePath } from "../helpers/fixture.js";
import { ownHomes } from "../helpers/home.js";
import { firstOf, thorough } from "../helpers/slow.js";

// A search of attention parts scores the second half of each window of its splits. Whatever healing measures on them scores the same
// positions: losses of other positions cannot be compared with these.

ownHomes();
const quick = {
	...{ search: { effort: "quick" }, speed: false, samples: 0, report: false, threads: 2 },
	...{ windows: 3, windowLength: 64, removeAttention: 2, heal: { tokens: 1024 } },
} as const satisfies PruneOptions;
const calibration = ["docs/choosing.md"];

/** First scored positions of the windows of each length and content that were measured. */
const scored = new Map<string, Set<number>>();
beforeEach(() => {
	scored.clear();
	const { evaluate } = Evaluator.prototype;
	vi.spyOn(Evaluator.prototype, "evaluate").mockImplementation(function (this: Evaluator, masks, windows, options = {}) {
		const key = hashWindows(windows);
		const from = options.positions?.scoreFrom ?? options.scoreFrom ?? 0;
		scored.set(key, (scored.get(key) ?? new Set()).add(from));
		return evaluate.call(this, masks, windows, options);
	});
});
afterEach(() => vi.restoreAllMocks());

describe("a healed set of attention parts", { timeout: 120_000 }, () => {
	it.each(
		firstOf(0, [
			["on self-generated text", {}],
			["on a text", { calibration }],
			["with a limit on the perplexity", { limits: { maxPplRatio: 50 } }],
			["with a limit on the divergence", { limits: { maxKl: 50 }, calibration }],
		] as const),
	)("is compared on the positions that the search scored, %s", async (_, options) => {
		const { plan } = await pruneGguf(fixturePath, undefined, { ...quick, ...options });
		expect(plan!.heal!.cuts).toHaveLength(2);
		expect(plan!.context!.seen).toMatchObject({ windows: 3, windowLength: 64, scoreFrom: 32 });
		const { search, validation, heldOut } = plan!.calibration;
		expect([search, validation, heldOut].map((split) => [...(scored.get(split!.sha256) ?? [])])).toEqual([[32], [32], [0]]);
	});

	it.runIf(thorough)("is judged by a limit alone", async () => {
		const { removeAttention: _, ...asked } = quick;
		const search = { effort: "quick", granularity: "attention" } as const;
		const { plan } = await pruneGguf(fixturePath, undefined, { ...asked, search, limits: { maxPplRatio: 1.5, maxKl: 5 } });
		expect(plan!.removed.length).toBeGreaterThan(0);
		const { validation, heldOut } = plan!.calibration;
		expect([validation, heldOut].map((split) => [...(scored.get(split!.sha256) ?? [])])).toEqual([[32], [0]]);
	});
});

it.runIf(thorough)(
	"that a frontier healed adds to the original model at the positions of a later run, which takes it as it was kept",
	async () => {
		const { windows, windowLength, threads, heal } = quick;
		const search = { effort: "quick", granularity: "attention" } as const;
		const frontier = { windows, windowLength, threads, heal, search, maxBlocks: 1, quantize: { types: [] } };
		const { cells, text } = await findFrontier(fixturePath, frontier);
		const [set] = cells.filter(({ removed }) => removed.length === 1);
		const { plan } = await pruneGguf(fixturePath, undefined, { ...quick, removeAttention: 1 });
		expect([plan!.removed, plan!.calibration.heldOut!.count]).toEqual([set!.removed, text.heldOut]);
		expect(plan!.timings.healing).toBeUndefined();
		const { added, heldOut } = plan!.heal!;
		expect(added!.mean).toBeCloseTo(heldOut!.after! - plan!.losses.heldOut!.original.mean!, 9);
	},
);

it("without a new matrix is measured as it is under its mask, and its healing has a key of its own", async () => {
	const setting = { windows: 3, windowLength: 64, threads: 2 };
	const task = { masks: 8, weights: "own" as const, compared: true };
	const removed = [3.25, 7.25];
	const late = await Session.open(fixturePath, { ...setting, scoreFrom: 32 }, task);
	const key = healingKey(late, setting);
	try {
		const limits = [
			{ kind: "ratio", name: "max-ppl-ratio", limit: 50 },
			{ kind: "divergence", name: "max-kl", limit: 50 },
		] as const;
		const gate = Gate.open(late, limits, {});
		for (const split of ["validation", "heldOut"] as const) {
			const stands = await gate.figuresAsItStands(split, removed, await gate.whole(split));
			expect(stands.map(({ value }) => value)).toEqual((await gate.figures(split, removed)).map(({ value }) => value));
		}
	} finally {
		await late.close();
	}
	const whole = await Session.open(fixturePath, setting, task);
	expect(healingKey(whole, setting)).not.toBe(key);
	await whole.close();
});
