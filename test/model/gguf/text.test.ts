import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeText, encodeText } from "../../../src/model/gguf/text.js";

describe("text", () => {
	test.each([
		["plain", [0x61, 0x62], "ab"],
		["empty", [], ""],
		["four bytes", [0xf0, 0x9f, 0x98, 0x80], "\u{1f600}"],
		["byte order mark is kept", [0xef, 0xbb, 0xbf, 0x61], "\ufeffa"],
		["stray continuation", [0x61, 0x80, 0x62], "a\udc80b"],
		["cut sequence", [0xe2, 0x82], "\udce2\udc82"],
		["overlong", [0xc0, 0xaf], "\udcc0\udcaf"],
		["surrogate", [0xed, 0xa0, 0x80], "\udced\udca0\udc80"],
		["beyond Unicode", [0xf4, 0x90, 0x80, 0x80], "\udcf4\udc90\udc80\udc80"],
		["0xff between valid text", [0xc3, 0xa9, 0xff, 0xc3, 0xa9], "é\udcffé"],
	])("%s", (_, bytes, text) => {
		expect(decodeText(Uint8Array.from(bytes))).toBe(text);
		expect([...encodeText(text)]).toEqual(bytes);
	});

	test("any bytes come back", () => {
		const nearlyUtf8 = fc.array(fc.constantFrom(0x41, 0x80, 0x9f, 0xa0, 0xbf, 0xc2, 0xe0, 0xe2, 0xed, 0xf0, 0xf4, 0xff));
		fc.assert(
			fc.property(fc.oneof(fc.uint8Array(), nearlyUtf8), (bytes) => {
				expect([...encodeText(decodeText(Uint8Array.from(bytes)))]).toEqual([...bytes]);
			}),
			{ numRuns: 2000 },
		);
	});

	test("escapes take a few bytes of memory each", () => {
		const bytes = new Uint8Array(2 ** 23).fill(0xff);
		const before = process.memoryUsage().rss;
		const text = decodeText(bytes);
		expect(process.memoryUsage().rss - before).toBeLessThan(10 * bytes.length);
		expect(text.length).toBe(bytes.length);
		expect(text.endsWith("\udcff")).toBe(true);
	});

	test("any text comes back", () => {
		fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => decodeText(encodeText(text)) === text));
	});
});
