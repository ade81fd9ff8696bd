import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { Model } from "../../../src/model/runtime/model.js";
import type { TextMix } from "../../../src/model/calibration/index.js";
import { llamaPin } from "../../../src/model/runtime/paths.js";
import { keptSamples, keptWindows, samplesPath } from "../../../src/pipeline/session/cached-samples.js";
import { calibrationOf } from "../../../src/pipeline/session/calibration-windows.js";
import { Session } from "../../../src/pipeline/session/session.js";
import { hashOf } from "../../../src/storage/hash.js";
import { windowsPath } from "../../../src/storage/runs.js";
import { chatFixture, fixturePath } from "../../helpers/fixture.js";
import { ownHomes } from "../../helpers/home.js";
import { tempFolder } from "../../helpers/temp-folder.js";

ownHomes();
const folder = tempFolder();
const shape = { count: 2, length: 2 };

it("cached tokens are as many as were drawn, all of the vocabulary", () => {
	expect(keptWindows([0, 1, 2, 9], shape, 10)).toMatchObject({ count: 2, length: 2 });
	for (const tokens of [undefined, [0, 1, 2], [0, 1, 2, 10], [0, 1, 2, -1], [0, 1, 2, null], [0, 1, 2, 0.5], [0, 1, 2, "3"]])
		expect(keptWindows(tokens, shape, 10)).toBeUndefined();
});

it("cached text of another shape is drawn again", async () => {
	await using model = await Model.load(fixturePath, { threads: 1 });
	const cached = () => join(folder, readdirSync(folder).find((name) => name.endsWith(".windows.json"))!);
	const change = (name: RegExp, to: string) => writeFileSync(cached(), readFileSync(cached(), "utf8").replace(name, to));
	const options = { windows: 2, windowLength: 8 };
	const draw = () => calibrationOf(model, folder, { seed: 0, by: "this" }, options);
	const { splits: straight, kinds } = await draw();
	expect(kinds).toEqual({ search: ["document", "document"], validation: ["document", "document"], heldOut: Array(3).fill("document") });
	expect((await draw()).kinds).toEqual(kinds);
	// Text of an earlier version has none.
	const saved = readFileSync(cached(), "utf8");
	for (const other of [undefined, { ...kinds, search: ["document"] }, { ...kinds, search: ["document", "other"] }]) {
		writeFileSync(cached(), JSON.stringify({ ...(JSON.parse(saved) as object), kinds: other }));
		const read = await draw();
		expect([read.splits, read.kinds]).toEqual([straight, undefined]);
	}
	writeFileSync(cached(), saved);
	change(/"validation":\[\d+,/, '"validation":[null,');
	expect((await draw()).splits).toEqual(straight);
	change(/"heldOut":\[\d+,/, '"heldOut":[');
	expect((await draw()).splits).toEqual(straight);
	const other = mkdtempSync(join(folder, "more-"));
	const more = () => keptSamples({ model, folder: other }, { seed: 0, count: 2, length: 8 }, { name: "more", version: 1, phase: "" }, {});
	const first = await more();
	const path = join(other, readdirSync(other)[0]!);
	writeFileSync(path, readFileSync(path, "utf8").replace(/\[\d+,/, "[99999999,"));
	expect(await more()).toEqual(first);
});

it("text that begins otherwise has a name of its own, half chats the one that all text had at first", async () => {
	const nameOf = (mix?: TextMix) => samplesPath(folder, { ...shape, seed: 0 }, { name: "more", version: 1, phase: "", mix });
	expect(nameOf("chats")).toBe(windowsPath(folder, hashOf(["more", 1, llamaPin.commit, 2, 2, 0])));
	expect(nameOf()).toBe(nameOf("documents"));
	expect(new Set([nameOf("documents"), nameOf("chats"), nameOf("wide")]).size).toBe(3);
	const place = mkdtempSync(join(folder, "mixes-"));
	await using model = await Model.load(await chatFixture(join(place, "chat.gguf")), { threads: 1 });
	const draw = async (selfText?: TextMix) => {
		const notes: string[] = [];
		const onLog = ({ message }: { message: string }) => notes.push(message);
		const { splits, kinds } = await calibrationOf(model, place, { seed: 0, by: "this" }, { windows: 2, windowLength: 60, selfText, onLog });
		return { tokens: Array.from(splits.heldOut.tokens), kinds: kinds!.heldOut, notes };
	};
	const [documents, chats, wide] = [await draw(), await draw("chats"), await draw("wide")];
	expect(documents.kinds).toEqual(["document", "document", "document"]);
	expect(chats.kinds).toContain("chat");
	expect(wide.kinds.some((kind) => kind !== "document" && kind !== "chat")).toBe(true);
	for (const [drawn, again] of [
		[documents, await draw("documents")],
		[chats, await draw("chats")],
		[wide, await draw("wide")],
	] as const)
		expect([again.tokens, again.notes]).toEqual([drawn.tokens, []]);
	await using plain = await Model.load(fixturePath, { threads: 1 });
	const notesOf = async (options: object) => {
		const notes: string[] = [];
		const settings = { windows: 2, windowLength: 8, ...options, onLog: ({ message }: { message: string }) => notes.push(message) };
		await calibrationOf(plain, place, { seed: 0, by: "this" }, settings);
		return notes;
	};
	expect(await notesOf({ selfText: "chats" })).toEqual([expect.stringMatching(/^--self-text chats changes nothing: .* no chat template/)]);
	const text = join(place, "text.txt");
	writeFileSync(text, "It was a dark and stormy night. ".repeat(200));
	expect(await notesOf({ selfText: "wide", calibration: [text] })).toEqual([
		expect.stringMatching(/^--self-text wide changes .*--calibration/),
	]);
	// A race by loss needs twice the windows of a search by divergence, if nobody says how many.
	// A text that may still become less says nothing of racing.
	expect(await notesOf({ racing: true, windows: undefined })).toEqual([]);
});

it("warns of racing on self-generated text if it takes more windows, and if something is searched", async () => {
	const text = join(mkdtempSync(join(folder, "racing-")), "text.txt");
	writeFileSync(text, "It was a dark and stormy night. ".repeat(200));
	const notesOf = async (options: object, masks = 20) => {
		const notes: string[] = [];
		const settings = {
			windowLength: 16,
			threads: 1,
			racing: true,
			...options,
			onLog: ({ message }: { message: string }) => notes.push(message),
		};
		await (await Session.open(fixturePath, settings, { masks, weights: "own" })).close();
		return notes.filter((note) => note.includes("racing"));
	};
	// A race by loss needs twice the windows of a search by divergence, if nobody says how many.
	expect(await notesOf({})).toEqual([
		expect.stringMatching(/^with --racing the search measures 10 windows .* without it 5 by the divergence/),
	]);
	expect(await notesOf({}, 0)).toEqual([]);
	expect(await notesOf({ windows: 5 })).toEqual([]);
	expect(await notesOf({ calibration: [text] })).toEqual([]);
});
