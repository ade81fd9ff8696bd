import { describe, expect, it } from "vitest";
import { areSound, countKinds, selfGeneratedWindows, windowsAsDrawn } from "../../../src/model/calibration/index.js";
import { selfGeneratedText } from "../../../src/model/calibration/self-generated.js";
import type { SampleOptions, TextModel } from "../../../src/model/runtime/text-model.js";

const length = 24;
type Written = "text" | "loop" | "broken";

/**
 * A model that writes what it is told to in each draw, as many windows as were asked for of each; tokens are characters, and 1 starts a document.
 * @param draws for each draw what each of its windows is
 */
function writer(draws: readonly (readonly Written[])[], { chats = false } = {}) {
	const asked: { seed: number; count: number }[] = [];
	let next = 100;
	const write = (what: Written, from: Int32Array, count: number) => {
		const token = { text: () => next++, loop: () => 65, broken: () => 0xfffd };
		return Int32Array.from([...from, ...Array.from({ length: count - from.length }, token[what])]);
	};
	const model = {
		facts: { bos: 1, contextLength: 512 },
		applyChatTemplate: (messages: readonly { content: string }[]) => (chats ? `[${messages[0]!.content}]` : undefined),
		tokenize: (text: string) => Int32Array.from(text, (character) => character.codePointAt(0)!),
		detokenize: (tokens: Int32Array) => String.fromCodePoint(...tokens),
		sample: async (prompts: readonly Int32Array[], { length: most, seed = 0 }: SampleOptions) => {
			const draw = draws[asked.length] ?? [];
			asked.push({ seed, count: prompts.length });
			return prompts.map((prompt, i) => write(draw[i] ?? "text", prompt, most));
		},
	} as unknown as TextModel;
	return { asked, model };
}
const rows = ({ tokens }: { readonly tokens: Int32Array }) =>
	Array.from({ length: tokens.length / length }, (_, i) => Array.from(tokens.subarray(i * length, (i + 1) * length)));
const kindOf = (row: readonly number[]): Written => (row.at(-1) === 65 ? "loop" : row.at(-1) === 0xfffd ? "broken" : "text");

describe("windows of self-generated text from nothing", () => {
	it("are drawn again if they loop or are broken, with seeds of their own, and the others stay", async () => {
		const { asked, model } = writer([
			["text", "loop", "text", "broken"],
			["broken", "text"],
		]);
		const windows = rows(await selfGeneratedWindows(model, { count: 4, length, seed: 7 }));
		expect(windows.map(kindOf)).toEqual(["text", "text", "text", "text"]);
		expect(asked.map(({ count }) => count)).toEqual([4, 2, 1]);
		expect(asked.map(({ seed }) => seed)).toEqual([7, 7 + 2 ** 44, 7 + 2 ** 45]);
		// As the first draw has them.
		expect([windows[0]![1], windows[2]![1]]).toEqual([100, 100 + length - 1]);
	});

	it("stay as they are if the model writes nothing else", async () => {
		const loops = Array<Written[]>(4).fill(["loop", "loop"]);
		const { asked, model } = writer(loops);
		expect(rows(await selfGeneratedWindows(model, { count: 2, length, seed: 0 })).map(kindOf)).toEqual(["loop", "loop"]);
		expect(asked).toHaveLength(3);
	});

	it("are looked at in chats too", async () => {
		// Documents, users, answers; then users and answers of the one that loops.
		const { asked, model } = writer([[], [], ["loop", "text"], [], []], { chats: true });
		const windows = rows(await selfGeneratedWindows(model, { count: 4, length, seed: 0, mix: "chats" }));
		expect(windows.map(kindOf)).toEqual(["text", "text", "text", "text"]);
		expect(asked.map(({ count }) => count)).toEqual([2, 2, 2, 1, 1]);
		expect(asked.slice(3).map(({ seed }) => seed)).toEqual([2 ** 44 + 1, 2 ** 44 + 2]);
	});

	it("are documents where a chat has no room for an answer", async () => {
		const kindsOf = async (tokens: number) =>
			(await selfGeneratedText(writer([], { chats: true }).model, { count: 3, length: tokens, seed: 0, mix: "chats" })).kinds;
		expect(await kindsOf(length)).toEqual(["document", "chat", "document"]);
		expect(await kindsOf(2)).toEqual(["document", "document", "document"]);
		expect(countKinds(["chat", "news", "document", "news"])).toEqual([
			{ kind: "document", count: 1 },
			{ kind: "chat", count: 1 },
			{ kind: "news", count: 2 },
		]);
	});

	it("stay as they were drawn for a plan that says so", async () => {
		const { asked, model } = writer([["loop", "text"]]);
		expect(rows(await windowsAsDrawn(model, { count: 2, length, seed: 0 })).map(kindOf)).toEqual(["loop", "text"]);
		expect(asked).toHaveLength(1);
	});

	it("that were kept are sound if none would be drawn again, be it a document or a chat", async () => {
		const { model } = writer([["text", "text"]]);
		const sound = await windowsAsDrawn(model, { count: 2, length, seed: 0 });
		expect(areSound(model, sound)).toBe(true);
		const looping = sound.tokens.slice();
		looping.fill(65, length + 0.4 * length);
		expect(areSound(model, { ...sound, tokens: looping })).toBe(false);
		const broken = sound.tokens.map((token, i) => (i % 3 === 0 ? 0xfffd : token));
		expect(areSound(model, { ...sound, tokens: broken })).toBe(false);
	});
});
