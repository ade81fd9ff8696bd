import { describe, expect, it } from "vitest";
import { Coalition } from "../../../src/game/coalition.js";
import type { EvaluateCandidatesOptions, Evaluator } from "../../../src/model/runtime/evaluator.js";
import { makeWindows } from "../../../src/model/runtime/windows.js";
import { windowsMetric } from "../../../src/pipeline/session/metrics.js";

const windows = makeWindows(
	Int32Array.from({ length: 16 }, (_, i) => i),
	8,
);

/** What an evaluator is told of the positions that are scored. */
async function toldTo(scored: Parameters<typeof windowsMetric>[3]): Promise<EvaluateCandidatesOptions> {
	let told: EvaluateCandidatesOptions = {};
	const evaluator = {
		evaluate: async (_sets: unknown, _windows: unknown, options: EvaluateCandidatesOptions) => {
			told = options;
			return [];
		},
	} as unknown as Evaluator;
	await windowsMetric(windows, {}, undefined, scored).measure(evaluator, [Coalition.full(2)], { onMeasurement: () => {} });
	return told;
}

describe("losses of windows", () => {
	it("are of all positions, of those from one on, or of drawn ones", async () => {
		expect(await toldTo(undefined)).toMatchObject({ scoreFrom: undefined, positions: undefined });
		expect(await toldTo({ scoreFrom: 4 })).toMatchObject({ scoreFrom: 4, positions: undefined });
		const positions = { flags: new Uint8Array(16), scoreFrom: 4 };
		expect(await toldTo({ positions })).toMatchObject({ positions });
	});

	it("say from which position on, for what is kept of them", () => {
		const of = (scored: Parameters<typeof windowsMetric>[3]) => windowsMetric(windows, {}, undefined, scored).scoreFrom;
		expect([of(undefined), of({ scoreFrom: 4 }), of({ positions: { flags: new Uint8Array(16), scoreFrom: 2 } })]).toEqual([
			undefined,
			4,
			2,
		]);
	});
});
