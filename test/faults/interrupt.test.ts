import { expect, it } from "vitest";
import { thorough } from "../helpers/slow.js";

// 300 outside: node scripts/faults/interrupt.mjs --count 300

interface Interrupt {
	interrupt(options: { count: number; seed: number }): Promise<{ signals: number; trials: number; faults: object[] }>;
}
const { interrupt } = (await import(new URL("../../scripts/faults/interrupt.mjs", import.meta.url).href)) as Interrupt;

it.skipIf(process.platform === "win32")(
	"a run that is interrupted or killed gives the plan and the bytes of an undisturbed one when it is started again",
	async () => {
		const { signals, faults } = await interrupt({ count: thorough ? 30 : 3, seed: 7 });
		expect(faults).toEqual([]);
		expect(signals).toBeGreaterThanOrEqual(3);
	},
	1_800_000,
);
