import { describe, expect, it } from "vitest";
import type { FrontierCell, FrontierOptions } from "../../../src/api/index.js";
import { frontierCommands } from "../../../src/jobs/frontier/commands.js";
import { resolveJob } from "../../../src/pipeline/preflight/job.js";

const figure = (mean: number) => ({ mean, standardError: 0.01 });
const cell = (type: FrontierCell["type"], removed: number[], added: number, more: Partial<FrontierCell> = {}): FrontierCell => ({
	...{ type, removed, blocks: 12 - removed.length, compute: 1, bytes: 1000, fits: true },
	...{ loss: figure(3 + added), added: figure(added), divergence: null, agreement: null },
	dominated: { bytes: false, compute: false, both: false },
	...more,
});
const commandsOf = (best: FrontierCell, given: FrontierOptions = {}) =>
	frontierCommands(best, {
		...{ model: "a/m.gguf", threads: 2, sourceQuantized: false, options: resolveJob("frontier", given) },
		goal: given.targetSize === undefined ? { maxAdded: 0.1 } : { targetSize: given.targetSize },
	});

describe("the commands of a frontier", () => {
	it("write the best choice, and heal it where it costs more than a little", () => {
		const write = "prune-gguf a/m.gguf m-minus-2-Q4_0.gguf --remove 3,6";
		expect(commandsOf(cell("Q4_0", [3, 6], 0.09))).toEqual([
			expect.stringMatching(/^prune-gguf a\/m\.gguf m-minus-2-Q4_0\.gguf --remove 3,6 /),
		]);
		const [plain, healed, ...none] = commandsOf(cell("Q4_0", [3, 6], 0.3), { search: { seed: 7 } });
		expect(none).toEqual([]);
		expect(plain).toContain(write);
		expect(plain).not.toContain("--heal");
		expect(healed).toContain(write);
		expect(healed).toMatch(/ --heal( |$)/);
		expect(healed!.replace(" --heal", "")).toBe(plain);
		// What counts is the held-out split.
		expect(commandsOf(cell("Q4_0", [3, 6], 0.09, { heldOut: cell("Q4_0", [3, 6], 0.2) }))).toHaveLength(2);
	});

	it("heal in the file's own type where a size was asked for, so that the file does not grow", () => {
		expect(commandsOf(cell("own", [3], 0.3), { targetSize: 2000 })[1]).toMatch(/--heal .*--heal-type same|--heal-type same .*--heal/);
		expect(commandsOf(cell("own", [3], 0.3))[1]).not.toContain("--heal-type");
		expect(commandsOf(cell("Q4_0", [3], 0.3), { targetSize: 2000 })[1]).not.toContain("--heal-type");
	});

	it.each<[string, FrontierCell, FrontierOptions]>([
		["was refused", cell("own", [3], 0.3), { heal: false }],
		["was tried", cell("own", [3], 0.3), { heal: true }],
		["cannot be combined with other weights", cell("Q4_0", [3], 0.3), { quantize: { from: "f16.gguf" } }],
		["has no cut", cell("Q2_K", [], 0.3), {}],
	])("do not heal what %s", (_, best, options) => {
		expect(commandsOf(best, options)).toHaveLength(1);
	});

	it("heal what was best healed", () => {
		const [only, ...none] = commandsOf(cell("own", [3], 0.3, { healed: true }), { heal: { tokens: 2048 } });
		expect([only!.includes("--heal=2048"), none]).toEqual([true, []]);
	});

	it("are llama.cpp's own where nothing is removed", () => {
		expect(commandsOf(cell("Q2_K", [], 0.9))).toEqual(["llama-quantize a/m.gguf m-Q2_K.gguf Q2_K"]);
		expect(commandsOf(cell("own", [], 0))).toEqual([]);
	});
});
