import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { InvalidGgufError } from "../../../src/errors.js";
import { encodeEntry, GgufFile } from "../../../src/model/gguf/index.js";
import { Model } from "../../../src/model/runtime/model.js";
import { textCheckOf } from "../../../src/model/runtime/vocabulary.js";
import { changedFixture, fixturePath } from "../../helpers/fixture.js";
import { entry, makeGguf, type SpecEntry } from "../../helpers/make-gguf.js";
import { tempFolder } from "../../helpers/temp-folder.js";

const folder = tempFolder();
let files = 0;

/** A header with a vocabulary of these tokens, ordinary ones where no type is given. */
async function vocabulary(tokens: readonly string[], types: readonly number[] = [], ...more: SpecEntry[]): Promise<GgufFile> {
	const entries = [
		entry("general.architecture", "string", "llama"),
		entry("tokenizer.ggml.model", "string", "llama"),
		entry("tokenizer.ggml.tokens", "array", tokens, "string"),
		entry(
			"tokenizer.ggml.token_type",
			"array",
			tokens.map((_, i) => types[i] ?? 1),
			"int32",
		),
		...more,
	];
	return GgufFile.read(makeGguf(join(folder, `${files++}.gguf`), { entries }));
}

const bytes = (from: number, to: number) =>
	Array.from({ length: to - from }, (_, i) => `<0x${(from + i).toString(16).toUpperCase().padStart(2, "0")}>`);

describe("what a vocabulary can make tokens of", () => {
	it("of all bytes: every text", async () => {
		const check = textCheckOf(await vocabulary(bytes(0, 256)));
		for (const text of ["", "abc", "ä\n\0😀", "\ud800"]) expect(() => check(text, false)).not.toThrow();
	});

	it("of characters without bytes: these characters", async () => {
		const check = textCheckOf(await vocabulary(["\u2581", "a", "b", "ä", "ab", "<s>", "<user>"], [1, 1, 1, 1, 1, 3, 4]));
		for (const text of ["", "ab", "a b", "ä", "<user>a<user>"]) expect(() => check(text, false), text).not.toThrow();
		expect(() => check("<s>a", true)).not.toThrow();
		expect(() => check("<s>a", false)).toThrow(/no token for "</);
		expect(() => check("abc", false)).toThrow(InvalidGgufError);
		expect(() => check("abc", false)).toThrow(/no token for "c", and none for its bytes \(<0x63>\)/);
	});

	it("of some bytes: characters whose bytes are there", async () => {
		const check = textCheckOf(await vocabulary(["\u2581", ...bytes(0, 128)]));
		expect(() => check("a\n\0", false)).not.toThrow();
		expect(() => check("ä", false)).toThrow(/<0xC3>/);
	});

	it("a space goes before a text unless the file says otherwise", async () => {
		await expect(vocabulary(["a"]).then((file) => textCheckOf(file)("a", false))).rejects.toThrow(/"\u2581"/);
		const without = await vocabulary(["a"], [], entry("tokenizer.ggml.add_space_prefix", "bool", false));
		expect(() => textCheckOf(without)("a", false)).not.toThrow();
	});

	it.each(["none", "no_vocab"])("%s: nothing", async (kind) => {
		const entries = [entry("general.architecture", "string", "llama"), entry("tokenizer.ggml.model", "string", kind)];
		const check = textCheckOf(await GgufFile.read(makeGguf(join(folder, `${files++}.gguf`), { entries })));
		expect(() => check("", false)).toThrow(/no vocabulary \(tokenizer.ggml.model is no/);
	});
});

describe("a loaded model", () => {
	it.each(["none", "no_vocab"])(
		"without a vocabulary (%s) says so where text is to be made tokens of, and ends no process",
		async (kind) => {
			const size = (await GgufFile.read(fixturePath)).tensor("token_embd.weight")!.dims[1]!;
			const entries = [encodeEntry("tokenizer.ggml.model", "string", kind), encodeEntry("llama.vocab_size", "uint32", size)];
			const replaced = new Set(entries.map(({ key }) => key));
			const path = await changedFixture(join(folder, `${kind}.gguf`), (content) => ({
				...content,
				entries: [...content.entries.filter(({ key }) => !replaced.has(key)), ...entries],
			}));
			await using model = await Model.load(path);
			expect(() => model.tokenize("text")).toThrow(InvalidGgufError);
			expect(() => model.detokenize(Int32Array.of(1))).toThrow(/no vocabulary/);
		},
	);

	it("of characters alone says which one it lacks", async () => {
		const file = await GgufFile.read(fixturePath);
		const size = file.tensor("token_embd.weight")!.dims[1]!;
		const tokens = ["<unk>", "<s>", "</s>", "\u2581", "a", "b", ...Array.from({ length: size - 6 }, (_, i) => `piece${i}`)];
		const entries = [
			encodeEntry("tokenizer.ggml.model", "string", "llama"),
			encodeEntry("tokenizer.ggml.tokens", "array", tokens, "string"),
			encodeEntry(
				"tokenizer.ggml.scores",
				"array",
				tokens.map((_, i) => -i),
				"float32",
			),
			encodeEntry(
				"tokenizer.ggml.token_type",
				"array",
				tokens.map((_, i) => (i < 3 ? 3 : 1)),
				"int32",
			),
		];
		const path = await changedFixture(join(folder, "characters.gguf"), (content) => ({
			...content,
			entries: [...content.entries.filter(({ key }) => !key.startsWith("tokenizer.")), ...entries],
		}));
		await using model = await Model.load(path);
		expect(Array.from(model.tokenize("a b", { addSpecial: false }))).toEqual([3, 4, 3, 5]);
		expect(() => model.tokenize("a c")).toThrow(/no token for "c"/);
	});
});
