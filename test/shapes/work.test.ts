import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Granularity } from "../../src/game/pairs.js";
import { GgufFile } from "../../src/model/gguf/index.js";
import { neededMemory } from "../../src/model/runtime/memory.js";
import { defaultUbatch } from "../../src/model/runtime/ubatch.js";
import { raceField } from "../../src/pipeline/methods/budget.js";
import { plannedMasks } from "../../src/pipeline/methods/registry.js";
import { workOf as announcedWork } from "../../src/pipeline/pruning/planned-work.js";
import { smallerAtMost } from "../../src/pipeline/race/smaller.js";
import { splitCounts } from "../../src/pipeline/session/calibration-windows.js";
import { sharedTime } from "../../src/pipeline/session/working-weights.js";
import { secondsOfShape, shapeWithin } from "../../src/pipeline/speed/figures.js";
import { tempFolder } from "../helpers/temp-folder.js";

// The formula for what a run takes says again what the code does: here the two are held against each other.

interface Work {
	readonly most: number;
	readonly candidates: number;
	readonly tokens: Record<"search" | "validation" | "heldOut", number>;
	readonly search: number;
	readonly validation: number;
	readonly references: number;
	readonly searchReference: number;
	readonly figures: number;
}
interface Facts {
	readonly blocks: number;
	readonly weights: number;
	readonly bytes: number;
	readonly activeBlockWeights: number;
	readonly headWeights: number;
}
interface Prediction {
	readonly seconds: number;
	readonly steps: Record<string, number>;
	readonly memory: { readonly total: number; readonly peak: number };
	readonly disk: { readonly output: number; readonly temporary: number };
}

const load = async <T>(name: string) => (await import(new URL(`../../scripts/shapes/${name}`, import.meta.url).href)) as T;
const { workOf, memoryOf, usualUbatch, drawsOf, probeTokens, speedTokens, ...numbers } = await load<{
	workOf(blocks: number, asked: object): Work;
	memoryOf(facts: Facts, asked?: object): Record<string, number>;
	usualUbatch(vocabulary: number): number;
	drawsOf(count: number, how: object): { sequences: number; steps: number }[];
	probeTokens(work: object, vocabulary: number, secondsPerToken: number): number;
	speedTokens(prompt: number, generation: number): { prompt: number; generated: number };
	sharedTime: number;
}>("work.mjs");
const { factsOfShape, factsOfHeader } = await load<{
	factsOfShape(name: string, type: string): Facts;
	factsOfHeader(file: GgufFile, path: string): Facts;
}>("facts.mjs");
const { predict, scaledSpeeds, writtenBytes } = await load<{
	predict(facts: Facts, how: object): Prediction;
	scaledSpeeds(measured: object, from: object, to: Facts): { prompt: number; generation: number };
	writtenBytes(facts: Facts, removed: number): number;
}>("predict.mjs");
const { makeModel } = await load<{ makeModel(output: string, how: object): Promise<number> }>("make.mjs");
const { treeOf, usageOf } = await load<{
	treeOf(pid: number, proc?: string): number[];
	usageOf(pid: number, proc?: string): Record<string, number>;
}>("processes.mjs");

describe("the work of the default job", () => {
	it("is that which a run announces", () => {
		const ways = ["block", "half-block"].flatMap((granularity) =>
			[12, 32, 80].map((blocks) => [granularity as Granularity, blocks] as const),
		);
		const texts = [false, true];
		for (const effort of ["quick", "standard", "thorough"] as const)
			for (const [text, granularity, blocks] of texts.flatMap((text) => ways.map((way) => [text, ...way] as const)))
				for (const removed of [undefined, 1, 3, Math.floor(blocks / 4)]) {
					const work = workOf(blocks, { removed, effort, granularity, text });
					if (granularity === "half-block") expect(workOf(blocks, { removed, effort, text })).toEqual(work);
					const masks = plannedMasks({ method: "auto", blocks, kmax: work.most }, { effort, granularity });
					expect(work.candidates).toBe(masks);
					const announced = announcedWork({
						...{ masks, known: 0, singles: blocks + 1, sizes: removed === undefined ? work.most : 1 },
						...{
							field: raceField("auto", { effort, granularity, sizes: removed === undefined ? work.most : 1 }),
							cuts: granularity === "half-block",
							effort,
							smaller: smallerAtMost(removed ?? 1),
							references: text ? [] : (["search", "validation"] as const),
							tokens: work.tokens,
							secondsPerMask: 1,
							maxTime: undefined,
						},
					});
					expect(work.search + work.validation + work.references + work.searchReference + work.figures).toBe(announced.tokens);
				}
	});

	it("runs on the splits, the ubatch and the sharing that the code has", () => {
		const { length, search, validation, heldOut } = splitCounts({} as never);
		expect(workOf(16, { removed: 4 }).tokens).toEqual({
			search: search * length,
			validation: validation * length,
			heldOut: heldOut * length,
		});
		for (const vocabulary of [1024, 49_152, 128_256, 262_144]) expect(usualUbatch(vocabulary)).toBe(defaultUbatch(vocabulary));
		expect(numbers.sharedTime).toBe(sharedTime);
	});

	it("draws all windows of a kind at once, as far as they fit", () => {
		expect(drawsOf(35, { windowLength: 128 })).toEqual([{ sequences: 35, steps: 127 }]);
		expect(drawsOf(70, { windowLength: 512 }).map(({ sequences }) => sequences)).toEqual([16, 16, 16, 16, 6]);
	});

	it("tries ways only before a long search, each twice where a call is short", () => {
		expect(probeTokens({ candidates: 59, windowLength: 128 }, 128_256, 1)).toBe(0);
		expect(probeTokens({ candidates: 60, windowLength: 128 }, 128_256, 1)).toBe(128 + 3 * 512);
		expect(probeTokens({ candidates: 60, windowLength: 128 }, 128_256, 1e-6)).toBe(128 + 2 * 3 * 512);
	});

	it("measures the speed on as many tokens as the code", () => {
		for (const [prompt, generation] of [
			[4000, 200],
			[60, 12],
			[8, 1.5],
		] as const) {
			const probe = { promptSeconds: Float64Array.of(32 / prompt), generationSeconds: Float64Array.of(4 / generation) };
			const { promptTokens, generatedTokens } = shapeWithin(probe as never, 8, 2, 4096);
			const seconds = secondsOfShape(probe as never, { promptTokens, generatedTokens, repetitions: 6 }, 2, 4096);
			expect(speedTokens(prompt, generation)).toMatchObject({
				...{ prompt: promptTokens, generated: generatedTokens },
				rounds: 2 * seconds > 16 ? 14 : 28,
			});
		}
	});
});

describe("of a file", () => {
	const folder = tempFolder();

	it("the header says what the shape says, and the memory is what the code counts", async () => {
		const path = join(folder, "tiny.gguf");
		await makeModel(path, { shape: "tiny", type: "Q8_0" });
		const file = await GgufFile.read(path);
		const facts = factsOfHeader(file, path);
		expect(facts).toEqual({ ...factsOfShape("tiny", "Q8_0"), name: "tiny.gguf" });
		const { windows, windowLength } = { windows: 15, windowLength: 128 };
		const need = neededMemory(file, { windows, windowLength, ubatch: 512, stateBytes: 2 ** 30, referencePositions: 2 * 10 * 127 });
		const { weights, total } = memoryOf(facts);
		expect(weights).toBe(need.tensors);
		expect(total).toBe(need.total);
	});

	it("the process tree is read from /proc", () => {
		const proc = join(folder, "proc");
		const add = (pid: number, parent: number, kilobytes: number) => {
			mkdirSync(join(proc, String(pid)), { recursive: true });
			writeFileSync(join(proc, String(pid), "stat"), `${pid} (a) b) S ${parent} 1 1`);
			writeFileSync(join(proc, String(pid), "status"), `Name: a\nVmRSS:\t ${kilobytes} kB\nRssAnon:\t 1 kB\n`);
			writeFileSync(join(proc, String(pid), "io"), "rchar: 1\nwrite_bytes: 10\n");
		};
		add(5, 1, 100);
		add(6, 5, 20);
		add(7, 6, 3);
		add(8, 1, 1000);
		expect(treeOf(5, proc)).toEqual([5, 6, 7]);
		expect(usageOf(5, proc)).toEqual({ resident: 123 * 1024, anonymous: 3 * 1024, written: 30 });
	});
});

describe("a prediction", () => {
	const [one, eight, mixture] = [factsOfShape("1b", "Q8_0"), factsOfShape("8b", "Q4_0"), factsOfShape("8x7b", "Q4_0")];

	it("is as long as the speeds are low", () => {
		const at = (speed: number) => predict(one, { prompt: 100 * speed, generation: 10 * speed, removed: 4, disk: 1e15 });
		expect(at(1).steps.search! / at(2).steps.search!).toBeCloseTo(2, 6);
		// A quarter more than 100 candidates; 2 N + 8 k would be more at 16 blocks only from 9 removed blocks on.
		expect(at(1).steps.search!).toBeCloseTo(((0.6 * 125 + 1) * 640 * (1 + one.headWeights / one.activeBlockWeights)) / 100, 6);
		expect(Object.keys(at(1).steps)).toEqual(["load", "calibration", "search", "validation", "figures", "write", "speed", "samples"]);
	});

	it("of the curve writes nothing, of given text draws nothing", () => {
		const curve = predict(one, { prompt: 100, generation: 10 });
		expect(curve.steps.write).toBeUndefined();
		expect(curve.disk.output).toBe(0);
		const own = predict(one, { prompt: 100, generation: 10, removed: 4 });
		const given = predict(one, { prompt: 100, generation: 10, removed: 4, text: true });
		expect(given.steps.calibration!).toBeLessThan(own.steps.calibration!);
	});

	it("counts copies of the weights only where some are tried", () => {
		const how = { prompt: 20, generation: 4, removed: 8 };
		expect(predict(eight, how).disk.temporary).toBe(2 * eight.weights);
		// The copy of type Q8_0 is there when F16 is asked about.
		expect(predict(eight, { ...how, available: 22e9 }).disk.temporary).toBeCloseTo((34 / 32) * eight.weights, 0);
		expect(predict(eight, { ...how, available: 8e9 }).disk.temporary).toBe(0);
		expect(predict(eight, { ...how, gpu: true }).disk.temporary).toBe(0);
		expect(predict(one, how).disk.temporary).toBe(0);
	});

	it("scales speeds by the weights that a token meets", () => {
		expect(mixture.activeBlockWeights).toBeLessThan(mixture.weights / 3);
		const same = scaledSpeeds({ prompt: 20, generation: 4 }, { facts: eight }, eight);
		expect(same).toEqual({ prompt: 20, generation: 4 });
		expect(scaledSpeeds({ prompt: 20, generation: 4 }, { facts: eight }, one).prompt).toBeGreaterThan(100);
		expect(writtenBytes(eight, 8)).toBeLessThan(eight.bytes);
	});
});
