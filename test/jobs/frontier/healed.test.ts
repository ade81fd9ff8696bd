import { readdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { FrontierOptions, FrontierResult } from "../../../src/api/index.js";
import { frontierText } from "../../../src/cli/quantized-views.js";
import { InvalidOptionError } from "../../../src/errors.js";
import { findFrontier } from "../../../src/jobs/frontier/frontier.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { fixturePath } from "../../helpers/fixture.js";
import { f16Fixture } from "../../helpers/f16.js";
import { ownHomes, small } from "../../helpers/home.js";
import { thorough } from "../../helpers/slow.js";

const { folder, out, home, newHome } = ownHomes();
let f16: string;

const text = { ...small, windows: 10, windowLength: 128 };
const options = {
	...{
		...text,
		search: { method: "leave-one-out", granularity: "block" },
		maxBlocks: 2,
		quantize: { types: ["Q4_0"] },
		heal: { tokens: 6144 },
		targetCompute: 1.2,
	},
} satisfies FrontierOptions;
const cellOf = ({ cells }: FrontierResult, type: string, removed: number, healed?: true) =>
	cells.find((cell) => cell.type === type && cell.removed.length === removed && cell.healed === healed)!;

describe("a frontier with healing", { timeout: 400_000 }, () => {
	let result: FrontierResult;
	beforeAll(async () => {
		f16 = await f16Fixture(folder);
	});

	it.runIf(thorough)("has each set healed beside itself, and its figures are those of the written files", async () => {
		newHome();
		result = await findFrontier(f16, options);
		for (const type of ["own", "Q4_0"]) {
			const [plain, healed] = [cellOf(result, type, 2), cellOf(result, type, 2, true)];
			expect(healed.removed).toEqual(plain.removed);
			expect(healed.loss.mean).toBeLessThan(plain.loss.mean!);
			expect(plain.healed).toBeUndefined();
		}
		expect(result.cells.filter(({ healed, removed }) => healed && removed.length === 0)).toEqual([]);
		// The best has two blocks removed, and is healed: its command writes it.
		const best = result.best!;
		expect(best).toMatchObject({ healed: true, fits: true });
		expect(result.verdict.text).toMatch(/without blocks .*, healed \(/);
		expect(result.commands[0]).toContain("--heal=6144");
		expect(frontierText(result, {})).toMatch(/^> .*, healed$/m);
		const run = { ...text, remove: [...best.removed], heal: { tokens: 6144 } };
		const own = await pruneGguf(f16, out(), run);
		const ownCell = cellOf(result, "own", 2, true);
		expect(ownCell.bytes).toBe(own.output!.size);
		expect(ownCell.loss.mean).toBeCloseTo(own.plan!.heal!.validation!.after!, 10);
		const { plan, output } = await pruneGguf(f16, out(), { ...run, quantize: "Q4_0" });
		const quantized = cellOf(result, "Q4_0", 2, true);
		expect(quantized.bytes).toBe(output!.size);
		const reported = quantized.heldOut ?? quantized;
		expect(quantized.heldOut).toBeDefined();
		expect(reported.loss.mean).toBeCloseTo(plan!.quantized!.loss.mean!, 10);
		expect(reported.divergence!.mean).toBeCloseTo(plan!.quantized!.divergence!.mean!, 10);
	});

	it.runIf(thorough)("heals nothing twice, and cached figures of unhealed sets stay unhealed", async () => {
		newHome();
		const phases = new Set<string>();
		const first = await findFrontier(f16, { ...options, quantize: { ...options.quantize, types: [] } });
		const again = await findFrontier(f16, {
			...options,
			quantize: { ...options.quantize, types: [] },
			onProgress: ({ phase }) => phases.add(phase),
		});
		// How fast this machine heals is timed for the estimate.
		expect([...phases].filter((phase) => /heal/.test(phase) && phase !== "timing healing")).toEqual([]);
		expect({ ...again, seconds: 0 }).toEqual({ ...first, seconds: 0 });
		// Another type needs the new matrices again, from the recorded decisions.
		const more = await findFrontier(f16, { ...options, onProgress: ({ phase }) => phases.add(phase) });
		expect(phases.has("healing the cuts")).toBe(true);
		expect(cellOf(more, "own", 2, true).loss).toEqual(cellOf(first, "own", 2, true).loss);
		expect(cellOf(more, "Q4_0", 2, true).loss).toEqual(cellOf(result, "Q4_0", 2, true).loss);
		const kept = readdirSync(join(home(), "runs"), { recursive: true }).filter((name) => String(name).endsWith(".heal.json"));
		expect(kept).toHaveLength(2);
		newHome();
		const { heal, ...without } = options;
		const plain = await findFrontier(f16, without);
		expect(plain.cells.every(({ healed }) => healed === undefined)).toBe(true);
		expect(cellOf(plain, "own", 2).loss).toEqual(cellOf(more, "own", 2).loss);
		expect(cellOf(plain, "Q4_0", 2).divergence).toEqual(cellOf(more, "Q4_0", 2).divergence);
	});

	it.each<[string, FrontierOptions, RegExp]>([
		["other weights", { quantize: { from: "f16" } }, /cannot be combined with --quantize-from/],
		["too few tokens", { heal: { tokens: 10 } }, /the tokens of heal must be a whole number from 1024 to 16000000, got 10/],
		["too many tokens", { heal: { tokens: 1e12 } }, /the tokens of heal must be a whole number from 1024 to 16000000, got 1000000000000/],
	])("refuses %s", async (_, bad, message) => {
		const given = bad.quantize === undefined ? bad : { quantize: { from: f16 } };
		const job = findFrontier(fixturePath, { ...options, ...given });
		await expect(job).rejects.toThrow(InvalidOptionError);
		await expect(job).rejects.toThrow(message);
	});
});
