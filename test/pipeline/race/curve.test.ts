import { describe, expect, it } from "vitest";
import type { CurvePoint } from "../../../src/api/index.js";
import { suggest } from "../../../src/pipeline/race/curve.js";
import type { Session } from "../../../src/pipeline/session/session.js";

const curve = (...added: number[]): CurvePoint[] =>
	[0, ...added].map((one, i) => ({ removed: Array.from({ length: i }, (_, k) => k + 1), loss: 2 + one, added: one }));
const suggested = (added: number[], metric = "loss") => suggest(curve(...added), { metric } as Session);

describe("what a curve suggests", () => {
	it("is the most blocks with a small cost, which the run measures again on other text", () => {
		expect(suggested([0.03, 0.08, 0.3])).toEqual({
			removed: [1, 2],
			reason:
				"This is the largest measured number of blocks with a small cost: perplexity rises by 8 % on the validation split (up to 10.5 % counts as small). The run that removes them measures again on other text.",
		});
		expect(suggested([0.08], "kl").reason).toContain("the KL divergence is 0.080 nats per token on the validation split (up to 0.1 counts");
	});

	it("may be none", () => {
		const { removed, reason } = suggested([0.2]);
		expect(removed).toEqual([]);
		expect(reason).toMatch(/^Even without block 1 alone, perplexity rises by 22 % \(/);
	});
});
