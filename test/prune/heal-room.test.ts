import { describe, expect, it } from "vitest";
import type { HealOptions, PruneOptions } from "../../src/api.js";
import { applyPlan } from "../../src/apply.js";
import { bytesToDeliver } from "../../src/deliver.js";
import { NotEnoughMemoryError } from "../../src/errors.js";
import { findFrontier } from "../../src/frontier.js";
import { GgufFile } from "../../src/gguf/index.js";
import { checkRoom, checkHealable, healBytes, kindsFor } from "../../src/heal-room.js";
import { readHeader } from "../../src/header.js";
import { pruneGguf } from "../../src/prune.js";
import { availableMemory } from "../../src/runtime/memory.js";
import { Model } from "../../src/runtime/model.js";
import { vocabularyOf } from "../../src/runtime/ubatch.js";
import { fixturePath } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";

const { out } = ownHomes();
/** More states than any machine holds. */
const heal = { heal: true, healTokens: 2 ** 40 };
const [width, inputs] = [128, 384];

describe("memory of healing", () => {
	it("is that of the states of all cuts, of the equations and of their solution", async () => {
		const file = await GgufFile.read(fixturePath);
		const states = 3 * 6144 * width * 4;
		const refit = 8 * inputs * (inputs + width);
		const map = 8 * width * (width + width);
		const copies = 5 * 4 * inputs * width;
		const shape = { cuts: 3, tokens: 6144 };
		expect(healBytes(file, shape)).toBe(states + refit + map + 8 * inputs * width + copies);
		expect(healBytes(file, { ...shape, kinds: ["refit"] })).toBe(states + refit + 8 * inputs * width + copies);
		expect(healBytes(file, { ...shape, kinds: ["map"] })).toBe(states + map + 8 * width * width + copies);
	});

	it("that is too small for whole matrices leaves maps", async () => {
		const file = await GgufFile.read(fixturePath);
		const shape = { cuts: 2, tokens: 6144 };
		const [needed, maps] = [healBytes(file, shape), healBytes(file, { ...shape, kinds: ["map"] })];
		expect(kindsFor(file, shape, "auto", needed)).toEqual(["refit", "map"]);
		expect(kindsFor(file, shape, "auto", needed - 1)).toEqual(["map"]);
		expect(kindsFor(file, shape, "auto", maps)).toEqual(["map"]);
		expect(kindsFor(file, shape, "auto", maps - 1)).toEqual(["refit", "map"]);
		expect(kindsFor(file, shape, "refit", maps)).toEqual(["refit"]);
		expect(kindsFor(file, shape, "map", needed)).toEqual(["map"]);
		const many = { ...shape, tokens: 1024, kinds: ["refit"] } as const;
		const few = healBytes(file, { ...many, kinds: ["map"] });
		expect(() => checkRoom(file, many, few)).toThrow(/free: give --heal-kind map, or leave out --heal$/);
	});

	it("that is too small is said with the tokens that fit, where some do", async () => {
		const file = await GgufFile.read(fixturePath);
		const shape = { cuts: 2, tokens: 25_600 };
		const needed = healBytes(file, shape);
		expect(() => checkRoom(file, shape, needed)).not.toThrow();
		expect(() => checkRoom(file, shape, needed - 1)).toThrow(NotEnoughMemoryError);
		expect(() => checkRoom(file, shape, needed - 1)).toThrow(/give --heal-tokens 24576 or less/);
		expect(() => checkRoom(file, { ...shape, tokens: 24_576 }, needed - 1)).not.toThrow();
		expect(() => checkRoom(file, shape, 1e6)).toThrow(/free: leave out --heal/);
		expect(() => checkRoom(file, { ...shape, cuts: 0 }, 0)).not.toThrow();
		expect(() => checkRoom(file, { ...shape, cuts: 0, heads: true }, 0)).toThrow(/free: leave out --heal-heads/);
	});

	it("is with heads also that of the whole model's distributions and of the matrices that are tried", async () => {
		const file = await GgufFile.read(fixturePath);
		const shape = { cuts: 3, tokens: 6144 };
		const matrix = Math.max(...["attn_q", "attn_output"].map((name) => file.tensor(`blk.0.${name}.weight`)!.source.size));
		const distributions = 2 * 0.25 * 8192 * vocabularyOf(file);
		expect(healBytes(file, { ...shape, heads: true }) - healBytes(file, shape)).toBe(distributions + 80 * matrix);
	});

	it("is looked at before anything is searched", async () => {
		const phases = new Set<string>();
		const onProgress = ({ phase }: { phase: string }) => void phases.add(phase);
		const watched = { ...small, ...heal, onProgress };
		const runs = [
			() => pruneGguf(fixturePath, out(), { ...watched, removeBlocks: 2 }),
			() => pruneGguf(fixturePath, out(), { ...watched, remove: [3, 6] }),
			() => findFrontier(fixturePath, { ...watched, types: [], maxBlocks: 2 }),
			() => applyPlan(fixturePath, out(), { ...heal, onProgress, remove: [3], threads: 2 }),
			() => applyPlan(fixturePath, out(), { ...heal, onProgress, remove: [3], threads: 2, maxKl: 5, windows: 3, windowLength: 32 }),
		];
		for (const run of runs) await expect(run()).rejects.toThrow(NotEnoughMemoryError);
		const opening = ["loading the model", "sampling the model's own text", "trying ways to cut up the work"];
		expect([...phases].filter((phase) => !opening.includes(phase))).toEqual([]);
	});

	it("that holds one cut and not all is warned of", async () => {
		await using model = await Model.load(fixturePath, { threads: 2 });
		const warnings: string[] = [];
		const onLog = ({ message }: { message: string }) => void warnings.push(message);
		// Of what is free now: half of it for each cut.
		const healTokens = Math.floor((0.5 * availableMemory()) / (4 * width));
		checkHealable(model, 6, { heal: true, healTokens, onLog });
		expect(warnings).toEqual([expect.stringMatching(/^healing 6 cuts would need .*; --heal-tokens \d+ fits whatever is chosen$/)]);
		checkHealable(model, 6, { heal: true, healTokens: 2048, onLog });
		expect(warnings).toHaveLength(1);
		expect(() => checkHealable(model, [1, 3, 5], { heal: true, healTokens })).toThrow(NotEnoughMemoryError);
	});
});

describe("maps alone", () => {
	it("are what is healed with where memory is short, and that is said", async () => {
		await using model = await Model.load(fixturePath, { threads: 2 });
		const lines: string[] = [];
		const onLog = ({ message }: { message: string }) => void lines.push(message);
		const shape = { cuts: 1, tokens: 1024 };
		const enough = healBytes(model.file, shape);
		const check = (removed: number[] | number, available: number, options: HealOptions = {}) => {
			lines.length = 0;
			checkHealable(model, removed, { heal: true, healTokens: shape.tokens, onLog, ...options }, available);
			return lines.join("\n");
		};
		expect(check([3], enough)).toBe("");
		expect(check([3], enough - 1)).toMatch(/^matrices are healed by square maps only: fitting .* are free$/);
		expect(check([3], enough - 1, { healKind: "map" })).toBe("");
		expect(() => check([3], healBytes(model.file, { ...shape, kinds: ["refit"] }) - 1, { healKind: "refit" })).toThrow(
			NotEnoughMemoryError,
		);
		// One cut fits with whole matrices, two only with maps.
		expect(check(2, enough)).toMatch(/^healing 2 cuts would need .* are free: such a set is healed by square maps only/);
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
	it("needs room for what healed matrices take more", async () => {
		const header = await readHeader(fixturePath, {});
		const rows = header.file.tensor("blk.2.ffn_down.weight")!;
		const more = 2 * rows.dims[0]! * rows.dims[1]! - rows.source.size;
		const heal = { heal: true, healType: "F16" } as const;
		const extra = (set: number | number[], options: PruneOptions) => bytesToDeliver(header, set, options) - bytesToDeliver(header, set, {});
		// Two cuts, each matrix padded.
		expect(extra([3, 6, 7], heal) - 2 * more).toBeLessThanOrEqual(2 * header.file.alignment);
		expect(extra([3, 6, 7], heal)).toBeGreaterThanOrEqual(2 * more);
		expect(extra(3, heal)).toBeGreaterThanOrEqual(more);
		expect(extra(3, heal)).toBeLessThan(2 * more);
		expect(extra([3, 6, 7], { heal: true })).toBe(0);
		// What is quantised was written healed before.
		const quantized = { quantize: "Q4_0" } as const;
		expect(bytesToDeliver(header, [3, 6, 7], { ...heal, ...quantized }) - bytesToDeliver(header, [3, 6, 7], quantized)).toBe(
			extra([3, 6, 7], heal),
		);
	});
});
