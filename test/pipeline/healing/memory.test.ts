import { beforeEach, describe, expect, it, vi } from "vitest";
import { applyPlan } from "../../../src/jobs/apply.js";
import { bytesToDeliver } from "../../../src/pipeline/pruning/write-model.js";
import { NotEnoughMemoryError } from "../../../src/errors.js";
import { findFrontier } from "../../../src/jobs/frontier/frontier.js";
import { GgufFile } from "../../../src/model/gguf/index.js";
import { checkHealable, checkHealMemory, healBytes, settleKind } from "../../../src/pipeline/healing/memory.js";
import type { FitKind } from "../../../src/model/fitting/kinds.js";
import { readModelHeader } from "../../../src/pipeline/preflight/model-header.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { availableMemory } from "../../../src/model/runtime/memory.js";
import { Model } from "../../../src/model/runtime/model.js";
import { vocabularyOf } from "../../../src/model/runtime/ubatch.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";
import type { HealSettings } from "../../../src/api/options/settings.js";

vi.mock("../../../src/model/runtime/memory.js", { spy: true });

const { out } = ownHomes();
/** The most that can be asked for: states of 8 GB. */
const heal = { heal: { tokens: 16_000_000 } };
const short = () => vi.mocked(availableMemory).mockReturnValue(2 ** 31);
beforeEach(() => {
	vi.mocked(availableMemory).mockReset();
});
const [width, inputs] = [128, 384];

describe("memory of healing", () => {
	it("is that of the states of all cuts, of the equations and of their solution", async () => {
		const file = await GgufFile.read(fixturePath);
		const states = 3 * 6144 * width * 4;
		const refit = 8 * inputs * (inputs + width);
		const map = 8 * width * (width + width);
		const copies = 7 * 4 * inputs * width;
		const shape = { cuts: 3, tokens: 6144 };
		expect(healBytes(file, shape)).toBe(states + refit + map + 8 * inputs * width + copies);
		expect(healBytes(file, { ...shape, kinds: ["refit"] })).toBe(states + refit + 8 * inputs * width + copies);
		expect(healBytes(file, { ...shape, kinds: ["map"] })).toBe(states + map + 8 * width * width + copies);
	});

	it("that is too small for both kinds leaves one, and that is said", async () => {
		const file = await GgufFile.read(fixturePath);
		const shape = { cuts: 2, tokens: 6144 };
		const needed = (kinds: FitKind[]) => healBytes(file, { ...shape, kinds });
		const lines: string[] = [];
		const onLog = ({ message }: { message: string }) => void lines.push(message);
		const settled = (available: number, options: HealSettings = {}) => {
			lines.length = 0;
			return settleKind(file, shape, { ...options, onLog }, available).healKind;
		};
		expect([settled(needed(["refit", "map"])), lines]).toEqual([undefined, []]);
		expect(settled(needed(["refit", "map"]) - 1)).toBe("refit");
		expect(lines).toEqual([
			expect.stringMatching(/^only one kind of healing is tried \(refit\): .* are free; both with --heal=5120 or less$/),
		]);
		expect(settled(needed(["refit"]) - 1, { healKind: "auto" })).toBe("map");
		expect(lines).toEqual([expect.stringMatching(/^only one kind of healing is tried \(map\): both need about/)]);
		expect([settled(needed(["map"]), { healKind: "map" }), lines]).toEqual(["map", []]);
		expect(() => settled(needed(["map"]) - 1)).toThrow(NotEnoughMemoryError);
		expect(() => settled(needed(["refit"]) - 1, { healKind: "refit" })).toThrow(/give --heal=5120 or less/);
		const few = healBytes(file, { cuts: 1, tokens: 1024, kinds: ["map"] });
		expect(() => checkHealMemory(file, { cuts: 1, tokens: 1024, kinds: ["refit"] }, few)).toThrow(
			/free: give --heal-kind map, or leave out --heal$/,
		);
	});

	it("that is too small is said with the tokens that fit, where some do", async () => {
		const file = await GgufFile.read(fixturePath);
		const shape = { cuts: 2, tokens: 25_600 };
		const needed = healBytes(file, shape);
		expect(() => checkHealMemory(file, shape, needed)).not.toThrow();
		expect(() => checkHealMemory(file, shape, needed - 1)).toThrow(NotEnoughMemoryError);
		expect(() => checkHealMemory(file, shape, needed - 1)).toThrow(/give --heal=24576 or less/);
		expect(() => checkHealMemory(file, { ...shape, tokens: 24_576 }, needed - 1)).not.toThrow();
		expect(() => checkHealMemory(file, shape, 1e6)).toThrow(/free: leave out --heal/);
		expect(() => checkHealMemory(file, { ...shape, cuts: 0 }, 0)).not.toThrow();
		expect(() => checkHealMemory(file, { ...shape, cuts: 0, heads: true }, 0)).toThrow(/free: leave out --heal-heads/);
	});

	it("is lowered by fewer windows only where options say how many", async () => {
		const file = await GgufFile.read(fixturePath);
		const shape = { cuts: 2, tokens: 25_600, references: 1e6 };
		expect(() => checkHealMemory(file, shape, 1e6)).toThrow(/for the original model's distributions.*--windows, --window-length/);
		expect(() => checkHealMemory(file, { ...shape, sized: false }, 1e6)).toThrow(/leave out --heal$/);
		short();
		const wanted = { ...heal, quantize: "Q4_0", threads: 2 } as const;
		const refused = applyPlan(fixturePath, out(), { remove: [3], ...wanted });
		await expect(refused).rejects.toThrow(/distributions\).* leave out --heal$/);
	});

	it("is with heads also that of the original model's distributions and of the matrices that are tried", async () => {
		const file = await GgufFile.read(fixturePath);
		const shape = { cuts: 3, tokens: 6144 };
		const matrix = Math.max(...["attn_q", "attn_output"].map((name) => file.tensor(`blk.0.${name}.weight`)!.source.size));
		const distributions = 2 * 0.25 * 8192 * vocabularyOf(file);
		expect(healBytes(file, { ...shape, heads: true }) - healBytes(file, shape)).toBe(distributions + 80 * matrix);
	});

	it("is looked at before anything is searched", async () => {
		short();
		const phases = new Set<string>();
		const onProgress = ({ phase }: { phase: string }) => void phases.add(phase);
		const watched = { ...small, ...heal, onProgress };
		const runs = [
			() => pruneGguf(fixturePath, out(), { ...watched, removeBlocks: 2 }),
			() => pruneGguf(fixturePath, out(), { ...watched, remove: [3, 6] }),
			() => findFrontier(fixturePath, { ...watched, quantize: { types: [] }, maxBlocks: 2 }),
			() => applyPlan(fixturePath, out(), { ...heal, onProgress, remove: [3], threads: 2 }),
			() =>
				applyPlan(fixturePath, out(), { ...heal, onProgress, remove: [3], threads: 2, limits: { maxKl: 5 }, windows: 3, windowLength: 32 }),
		];
		for (const run of runs) await expect(run()).rejects.toThrow(NotEnoughMemoryError);
		const opening = ["loading the model", "generating text", "finding the fastest settings"];
		expect([...phases].filter((phase) => !opening.includes(phase))).toEqual([]);
	});

	it("that holds one cut and not all is warned of", async () => {
		await using model = await Model.load(fixturePath, { threads: 2 });
		const warnings: string[] = [];
		const onLog = ({ message }: { message: string }) => void warnings.push(message);
		// Half of the free memory for each cut.
		const healTokens = Math.floor((0.5 * availableMemory()) / (4 * width));
		checkHealable(model, { blocks: 6, attentions: 0 }, { heal: true, healTokens, onLog });
		expect(warnings).toEqual([expect.stringMatching(/^healing 6 cuts needs .*; --heal=\d+ fits whatever is chosen$/)]);
		checkHealable(model, { blocks: 6, attentions: 0 }, { heal: true, healTokens: 2048, onLog });
		expect(warnings).toHaveLength(1);
		// Each attention part is a cut of its own, beyond half of the blocks too.
		checkHealable(model, { blocks: 2, attentions: 8 }, { heal: true, healTokens, onLog });
		expect(warnings[1]).toMatch(/^healing 10 cuts needs /);
		expect(() => checkHealable(model, [1, 3, 5], { heal: true, healTokens })).toThrow(NotEnoughMemoryError);
	});
});

describe("one kind alone", () => {
	it("is what is healed with where memory is short: of the set, of one cut, or of all sets alike", async () => {
		await using model = await Model.load(fixturePath, { threads: 2 });
		const lines: string[] = [];
		const onLog = ({ message }: { message: string }) => void lines.push(message);
		const bytes = (cuts: number, kinds?: FitKind[]) => healBytes(model.file, { cuts, tokens: 1024, kinds });
		const check = (removed: number[] | number, available: number, options: HealSettings = {}, alike = false) => {
			lines.length = 0;
			const given = { heal: true, healTokens: 1024, onLog, ...options };
			return checkHealable(model, typeof removed === "number" ? { blocks: removed, attentions: 0 } : removed, given, { available, alike })
				.healKind;
		};
		expect([check([3], bytes(1)), lines]).toEqual([undefined, []]);
		expect(check([3], bytes(1, ["map"]))).toBe("map");
		expect(lines).toHaveLength(1);
		expect(check([3, 6], bytes(2, ["refit"]))).toBe("refit");
		// One cut fits with both kinds, two only with one.
		expect(check(2, bytes(1))).toBeUndefined();
		expect(lines).toEqual([expect.stringMatching(/^healing 2 cuts needs .* are free: such a candidate is healed by one kind only/)]);
		expect(check(2, bytes(1), {}, true)).toBe("map");
		expect(lines).toEqual([expect.stringMatching(/^only one kind of healing is tried \(map\)/)]);
		// The fewest tokens, if a time says how many.
		expect(check([3], bytes(1), { healTokens: undefined, healTime: 60 })).toBeUndefined();
		expect(() => check([3], bytes(1, ["map"]), { healTokens: undefined })).toThrow(NotEnoughMemoryError);
	});
});

describe("a model without a start token", () => {
	it("is not healed, and that is said before anything is searched", async () => {
		await using model = await Model.load(fixturePath, { threads: 2 });
		const without = (facts: object) => ({ file: model.file, facts: { ...model.facts, ...facts } }) as Model;
		expect(() => checkHealable(without({ bos: undefined }), [3], { heal: true })).not.toThrow();
		expect(() => checkHealable(without({ bos: undefined, eos: undefined }), [3], { heal: true })).toThrow(
			/no start token .*leave out --heal/,
		);
	});
});

describe("the disk", () => {
	it("needs space for the larger healed matrices", async () => {
		const header = await readModelHeader(fixturePath, {});
		const rows = header.file.tensor("blk.2.ffn_down.weight")!;
		const more = 2 * rows.dims[0]! * rows.dims[1]! - rows.source.size;
		const heal = { heal: true, healType: "F16" } as const;
		const extra = (set: number | number[], options: HealSettings) => bytesToDeliver(header, set, options) - bytesToDeliver(header, set, {});
		// Two cuts, each matrix padded.
		expect(extra([3, 6, 7], heal) - 2 * more).toBeLessThanOrEqual(2 * header.file.alignment);
		expect(extra([3, 6, 7], heal)).toBeGreaterThanOrEqual(2 * more);
		expect(extra(3, heal)).toBeGreaterThanOrEqual(more);
		expect(extra(3, heal)).toBeLessThan(2 * more);
		expect(extra([3, 6, 7], { heal: true })).toBe(0);
		for (const alone of [{ healTime: 60 }, { healKind: "map" as const }, { healHeads: true }])
			expect(extra([3, 6, 7], { ...alone, healType: "F16" })).toBe(extra([3, 6, 7], heal));
		expect(extra([3], { healKind: "map" })).toBe(extra([3], { heal: true }));
		// What is quantized was written healed before.
		const quantized = { quantize: "Q4_0" } as const;
		expect(bytesToDeliver(header, [3, 6, 7], { ...heal, ...quantized }) - bytesToDeliver(header, [3, 6, 7], quantized)).toBe(
			extra([3, 6, 7], heal),
		);
	});
});
