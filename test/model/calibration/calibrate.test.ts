import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { calibrate, deal, splitNames, furtherParts, furtherText, selfGeneratedWindows } from "../../../src/model/calibration/index.js";
import { CalibrationError, InvalidOptionError } from "../../../src/errors.js";
import { Model } from "../../../src/model/runtime/model.js";
import { makeWindows, type TokenWindows } from "../../../src/model/runtime/windows.js";
import { openings } from "../../../src/model/calibration/openings.js";
import { chatFixture, fixturePath, fixtureWindows } from "../../helpers/fixture.js";
import { tempFolder } from "../../helpers/temp-folder.js";

const folder = tempFolder();
let model: Model;
let chat: Model;
beforeAll(async () => {
	model = await Model.load(fixturePath, { threads: 2 });
	chat = await Model.load(await chatFixture(join(folder, "chat.gguf")), { threads: 2 });
});
afterAll(async () => {
	await model.dispose();
	await chat.dispose();
});

const rows = ({ tokens, count, length }: TokenWindows) =>
	Array.from({ length: count }, (_, i) => [...tokens.subarray(i * length, (i + 1) * length)]);
const prose = (count: number) => model.detokenize(fixtureWindows(count).tokens, { special: false });

describe("self-generated text", () => {
	it("are reproducible by the seed, and begin with the start token", async () => {
		const a = await selfGeneratedWindows(model, { count: 6, length: 40, seed: 5 });
		const b = await selfGeneratedWindows(model, { count: 6, length: 40, seed: 5 });
		const c = await selfGeneratedWindows(model, { count: 6, length: 40, seed: 6 });
		expect(a).toEqual(b);
		expect(rows(a)).not.toEqual(rows(c));
		expect(new Set(rows(a).map(String)).size).toBe(6);
		for (const row of rows(a)) expect(row[0]).toBe(0);
	});

	it("are more likely to the model than another's", async () => {
		const own = await selfGeneratedWindows(model, { count: 8, length: 128, seed: 0 });
		const shuffled = makeWindows(own.tokens.slice().reverse(), 128);
		const losses = async (windows: TokenWindows) => {
			const [evaluation] = await model.createEvaluator().evaluate([{ toBytes: () => new Uint8Array(12).fill(1) }], windows);
			return evaluation!.losses.reduce((sum, loss) => sum + loss, 0) / windows.count;
		};
		expect(await losses(own)).toBeLessThan(4);
		expect(await losses(shuffled)).toBeGreaterThan(5);
	});

	it("are documents, and no chats where nobody asks for them", async () => {
		const [here, there] = [model, chat].map(async (from) => rows(await selfGeneratedWindows(from, { count: 3, length: 60, seed: 2 })));
		expect(await there).toEqual(await here);
		expect(await there).toEqual(rows(await selfGeneratedWindows(model, { count: 3, length: 60, seed: 2, mix: "chats" })));
	});

	it("hold chats of its own if they are to and there is a template, every second window", async () => {
		const length = 160;
		const windows = rows(await selfGeneratedWindows(chat, { count: 6, length, seed: 2, mix: "chats" }));
		expect(windows.length).toBe(6);
		windows.forEach((row, i) => {
			expect(row.length).toBe(length);
			const text = chat.detokenize(Int32Array.from(row), { special: true });
			const isChat = /^(<\|endoftext\|>)?<\|im_start\|>user\n[\s\S]*<\|im_end\|>\n<\|im_start\|>assistant\n/.test(text);
			expect(isChat, text).toBe(i % 2 === 1);
		});
		expect(new Set(windows.map(String)).size).toBe(6);
		expect(windows).toEqual(rows(await selfGeneratedWindows(chat, { count: 6, length, seed: 2, mix: "chats" })));
	});

	it("go on with openings of many kinds if they are to be wide, the same for the same seed", async () => {
		const wide = (from: Model, seed = 4) => selfGeneratedWindows(from, { count: 12, length: 64, seed, mix: "wide" });
		const windows = rows(await wide(model));
		expect(windows).toEqual(rows(await wide(model)));
		expect(windows).not.toEqual(rows(await wide(model, 5)));
		const begun = openings.map(({ text }) => [...model.tokenize(text, { addSpecial: true }).subarray(0, 25)].join());
		const continued = windows.map((row) => begun.findIndex((opening) => row.join().startsWith(opening)));
		// The fixture knows 1,024 tokens of English: some it cannot go on with, and text from nothing stands in.
		const used = continued.filter((at) => at >= 0);
		expect(used.length).toBeGreaterThan(2);
		expect(used.length).toBeLessThanOrEqual(6);
		expect(new Set(used.map((at) => openings[at]!.kind)).size).toBeGreaterThan(2);
		for (const row of windows) expect(row.length).toBe(64);
	});

	it.each([
		["documents", 1],
		["chats", 2],
		["wide", 4],
	] as const)("are of the kinds that are said, in every split: %s", async (mix, kindsAtLeast) => {
		const counts = { search: 3, validation: 4, heldOut: 5 };
		const { splits, kinds } = await calibrate(chat, { counts, length: 160, seed: 4, mix });
		const begun = openings.map(({ text, kind }) => ({
			kind,
			start: [...chat.tokenize(text, { addSpecial: true }).subarray(0, 64)].join(),
		}));
		const kindOf = (row: readonly number[]) => {
			const opening = begun.find(({ start }) => row.join().startsWith(start));
			if (opening) return opening.kind;
			return chat.detokenize(Int32Array.from(row), { special: true }).includes("<|im_start|>assistant") ? "chat" : "document";
		};
		for (const split of splitNames) expect(kinds![split]).toEqual(rows(splits[split]).map(kindOf));
		expect(new Set(Object.values(kinds!).flat()).size).toBeGreaterThanOrEqual(kindsAtLeast);
	});

	it.each([
		["loops", (prompt: Int32Array, length: number) => Int32Array.from({ length }, (_, i) => prompt[i] ?? 7)],
		["goes on in a foreign script", (prompt: Int32Array, length: number) => Int32Array.from({ length }, (_, i) => prompt[i] ?? 1000 + i)],
	])("leave out what %s", async (_, write) => {
		const drawn: number[] = [];
		const made = {
			facts: { bos: 0, eos: 0 },
			applyChatTemplate: () => undefined,
			tokenize: (text: string) => Int32Array.from([0, ...Array.from(text, (letter) => letter.codePointAt(0)! % 500)]),
			detokenize: (tokens: Int32Array) => (tokens.some((token) => token >= 1000) ? "ᚠᚢᚦᚨᚱᚲ" : "words"),
			sample: async (prompts: readonly Int32Array[], { length }: { length: number }) => {
				drawn.push(prompts.length);
				return prompts.map((prompt) => (prompt.length === 1 ? Int32Array.from({ length }, (_, i) => i) : write(prompt, length)));
			},
		} as unknown as Model;
		const windows = rows(await selfGeneratedWindows(made, { count: 8, length: 40, seed: 0, mix: "wide" }));
		// Three tries with other openings, then all eight from nothing.
		expect(drawn).toEqual([4, 4, 4, 8]);
		expect(windows).toEqual(Array.from({ length: 8 }, () => Array.from({ length: 40 }, (_, i) => i)));
	});

	it("report progress up to the total", async () => {
		for (const [from, mix] of [
			[model, "documents"],
			[chat, "chats"],
			[model, "wide"],
		] as const) {
			const seen: [number, number][] = [];
			await selfGeneratedWindows(from, { count: 4, length: 100, seed: 0, mix, onProgress: (done, total) => seen.push([done, total]) });
			expect(seen.at(-1)).toEqual([400, 400]);
			expect(seen.map(([done]) => done)).toEqual(seen.map(([done]) => done).sort((a, b) => a - b));
		}
	});
});

describe("windows of files", () => {
	const counts = { search: 3, validation: 3, heldOut: 4 };
	const options = { counts, length: 32, seed: 0 };

	it("are disjoint pieces of the text in three splits, spread over it, the same every time", async () => {
		const path = join(folder, "prose.txt");
		writeFileSync(path, prose(8));
		const calibration = await calibrate(model, { ...options, files: [path] });
		expect(calibration.source).toBe("prose.txt");
		expect(calibration.splits).toEqual((await calibrate(model, { ...options, files: [path], seed: 9 })).splits);
		const tokens = [...model.tokenize(prose(8), { addSpecial: false })].join();
		const places = splitNames.flatMap((name) => {
			expect(calibration.splits[name].count).toBe(counts[name]);
			return rows(calibration.splits[name]).map((row) => {
				expect(row[0]).toBe(0);
				const at = tokens.indexOf(row.slice(1).join());
				expect(at).toBeGreaterThanOrEqual(0);
				return { name, at: tokens.slice(0, at).split(",").length - 1 };
			});
		});
		const sorted = places.map(({ at }) => at).sort((a, b) => a - b);
		sorted.forEach((at, i) => {
			if (i > 0) expect(at - sorted[i - 1]!).toBeGreaterThanOrEqual(31);
		});
		expect(sorted.at(-1)!).toBeGreaterThan(0.7 * tokens.split(",").length);
	});

	it("come from all files, chats written by the template", async () => {
		const plain = join(folder, "plain.txt");
		const lines = join(folder, "chats.jsonl");
		writeFileSync(plain, prose(4));
		const messages = [
			{ role: "user", content: prose(3) },
			{ role: "assistant", content: prose(3) },
		];
		writeFileSync(lines, `${JSON.stringify({ messages })}\n${JSON.stringify({ text: prose(1) })}\n`);
		const { splits, source } = await calibrate(chat, { ...options, files: [plain, lines] });
		expect(source).toBe("plain.txt, chats.jsonl");
		expect(splitNames.map((name) => splits[name].count)).toEqual([3, 3, 4]);
		const text = splitNames.flatMap((name) => rows(splits[name]).map((row) => chat.detokenize(Int32Array.from(row)))).join("\n");
		expect(text).toContain("im_start");
		await expect(calibrate(model, { ...options, files: [lines] })).rejects.toThrow(/no chat template/);
	});

	it("too short a text is an error that says how much there is and how much is needed", async () => {
		const path = join(folder, "short.txt");
		writeFileSync(path, "Call me Ishmael.");
		const error = await calibrate(model, { ...options, files: [path] }).catch((problem: unknown) => problem as Error);
		expect(error).toBeInstanceOf(CalibrationError);
		expect((error as Error).message).toMatch(
			new RegExp(`short.txt holds ${model.tokenize("Call me Ishmael.").length - 1} tokens; 10 windows of 32 need 310`),
		);
	});

	it("longer windows than the context are refused before anything is drawn", async () => {
		const beyond = calibrate(model, { ...options, length: 257 });
		await expect(beyond).rejects.toThrow(InvalidOptionError);
		await expect(beyond).rejects.toThrow("exceed the model's context of 256: give --window-length 256 or less");
	});
});

describe("further windows", () => {
	const counts = { search: 3, validation: 3, heldOut: 4 };
	const options = { counts, length: 32, seed: 0 };

	it("of files lie between those of the splits, as many of each file as validation has, until the text is used up", async () => {
		const [first, second] = [join(folder, "first.txt"), join(folder, "second.txt")];
		writeFileSync(first, prose(10));
		const other = prose(10).split(" ").reverse().join(" ");
		writeFileSync(second, other);
		const given = { ...options, files: [first, second] };
		const { splits, sources } = await calibrate(model, given);
		expect(sources.map((source) => source.counts.validation)).toEqual([2, 1]);
		const further = furtherText(model, { calibration: given, splits: Object.values(splits) });
		const parts: TokenWindows[] = [];
		for (let part = 0; part < furtherParts; part++) parts.push((await further(part))!);
		expect(await further(furtherParts)).toBeUndefined();
		const texts = [prose(10), other].map((text) => [...model.tokenize(text, { addSpecial: false })].join());
		const placesIn = (source: number, all: number[][]) =>
			all.map((row) => texts[source]!.slice(0, texts[source]!.indexOf(row.slice(1).join())).split(",").length - 1);
		for (const part of parts) expect(part.count).toBe(3);
		for (const source of [0, 1]) {
			const mine = (windows: TokenWindows, from: readonly number[]) =>
				source === 0 ? rows(windows).slice(0, from[0]) : rows(windows).slice(from[0]);
			const used = splitNames.flatMap((name) =>
				mine(
					splits[name],
					sources.map((each) => each.counts[name]),
				),
			);
			const places = placesIn(source, [...used, ...parts.flatMap((part) => mine(part, [2, 1]))]).sort((a, b) => a - b);
			places.forEach((at, i) => {
				if (i > 0) expect(at - places[i - 1]!).toBeGreaterThanOrEqual(31);
			});
			expect(places.at(-1)! - places[0]!).toBeGreaterThan(0.8 * texts[source]!.split(",").length);
		}
		// Already the first part is spread over the text, and stays away from the windows of the splits.
		const early = placesIn(0, rows(parts[0]!).slice(0, 2)).sort((a, b) => a - b);
		expect(early[1]! - early[0]!).toBeGreaterThan(0.2 * texts[0]!.split(",").length);
	});

	it("of files are as many as the text holds, and none if it was changed or deleted", async () => {
		const path = join(folder, "little.txt");
		const given = { ...options, files: [path] };
		writeFileSync(path, prose(4));
		const { splits } = await calibrate(model, given);
		const problems: string[] = [];
		const open = () =>
			furtherText(model, { calibration: given, splits: Object.values(splits), onProblem: (message) => problems.push(message) });
		// 512 tokens hold 16 windows of 31, ten of which are dealt; none lies between them.
		expect(await open()(0)).toBeUndefined();
		writeFileSync(path, prose(9));
		expect(await open()(0)).toBeUndefined();
		rmSync(path);
		const gone = open();
		expect([await gone(0), await gone(1)]).toEqual([undefined, undefined]);
		expect(problems).toEqual([
			expect.stringMatching(/little.txt changed while this run was going on/),
			expect.stringMatching(/little.txt cannot be read/),
		]);
	});

	it("of self-generated text are drawn again, the same for the same seed and part", async () => {
		const { splits } = await calibrate(model, options);
		const open = (seed: number) => furtherText(model, { calibration: { ...options, seed }, splits: Object.values(splits) });
		const further = open(0);
		const parts = [await further(0), await further(1), await open(1)(0)];
		expect(await open(0)(1)).toEqual(parts[1]);
		expect(await further(furtherParts)).toBeUndefined();
		const all = [...parts, ...Object.values(splits)].flatMap((windows) => rows(windows!).map(String));
		expect(new Set(all).size).toBe(all.length);
		expect(parts.map((windows) => windows!.count)).toEqual([3, 3, 3]);
	});
});

it("deals every window to exactly one split, evenly from first to last", () => {
	fc.assert(
		fc.property(fc.nat(12), fc.nat(12), fc.nat(20), (search, validation, heldOut) => {
			const total = search + validation + heldOut;
			fc.pre(total > 0);
			const windows = makeWindows(
				Int32Array.from({ length: 2 * total }, (_, i) => i),
				2,
			);
			const counts = { search, validation, heldOut };
			const splits = deal(windows, counts);
			expect(splitNames.map((name) => splits[name].count)).toEqual([search, validation, heldOut]);
			expect(splitNames.flatMap((name) => rows(splits[name]).map(String)).sort()).toEqual(rows(windows).map(String).sort());
			for (const name of splitNames) {
				// By any point in the text a split has its share, to within three windows.
				rows(splits[name]).forEach((row, i) => {
					expect(Math.abs(row[0]! / 2 - (i * total) / counts[name])).toBeLessThan(3 * Math.ceil(total / counts[name]));
				});
			}
		}),
	);
});
