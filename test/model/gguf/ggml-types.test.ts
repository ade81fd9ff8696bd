import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { ggmlType, ggmlTypeName, tensorBytes } from "../../../src/model/gguf/ggml-types.js";

describe("tensorBytes", () => {
	test.each([
		[[], 0, 4],
		[[3], 0, 12],
		[[32, 2], 8, 68],
		[[256, 3, 2], 14, 1260],
		[[7, 5], 30, 70],
	])("of %j in type %i is %i", (dims, type, bytes) => {
		expect(tensorBytes(dims, type)).toBe(bytes);
	});

	test("is unknown for unknown and withdrawn types", () => {
		expect(tensorBytes([32], 12345)).toBeUndefined();
		for (const id of [4, 5, 31, 32, 33, 36, 37, 38]) expect(ggmlType(id)).toBeUndefined();
		expect(ggmlTypeName(12345)).toBe("type 12345");
		expect(ggmlTypeName(12)).toBe("Q4_K");
	});

	test("refuses what has no size", () => {
		expect(() => tensorBytes([31], 2)).toThrow(RangeError);
		expect(() => tensorBytes([2 ** 27, 2 ** 27], 99)).toThrow(RangeError);
	});
});

// The sources exist only after a build; the table must then agree with them.
const sources = fileURLToPath(new URL("../../../vendor/llama.cpp/ggml/", import.meta.url));
describe.skipIf(!existsSync(`${sources}include/ggml.h`))("the table agrees with the vendored sources", () => {
	const header = existsSync(sources) ? readFileSync(`${sources}include/ggml.h`, "utf8") : "";
	const common = existsSync(sources) ? readFileSync(`${sources}src/ggml-common.h`, "utf8") : "";
	const traits = existsSync(sources) ? readFileSync(`${sources}src/ggml.c`, "utf8") : "";

	/** Value of a C expression of integers, names of the header and sizes of plain types. */
	const evaluate = (expression: string): number => {
		const plain: Record<string, number> = { ggml_half: 2, float: 4, uint8_t: 1, uint16_t: 2, int16_t: 2, uint32_t: 4 };
		const numbers = expression
			.replace(/sizeof\((\w+)\)/g, (_, name: string) => String(plain[name]))
			.replace(/[A-Za-z]\w*/g, (name) => `(${evaluate(new RegExp(`#define ${name}\\s+(.+?)\\s*(?://.*)?$`, "m").exec(common)![1]!)})`);
		if (!/^[\d\s()*/+-]+$/.test(numbers)) throw new Error(`cannot evaluate ${expression}`);
		return new Function(`return ${numbers}`)() as number;
	};

	const ids = [...header.matchAll(/^\s+GGML_TYPE_(\w+)\s*=\s*(\d+),/gm)].map((match) => ({ name: match[1]!, id: Number(match[2]) }));
	const types = ids.filter(({ name }) => name !== "COUNT");

	test("which names every type that the sources name", () => {
		expect(types.length).toBeGreaterThan(30);
		for (const { name, id } of types) expect(ggmlType(id)?.name, `type ${id}`).toBe(name);
		const count = ids.find(({ name }) => name === "COUNT")!.id;
		const known = Array.from({ length: count + 100 }, (_, id) => id).filter((id) => ggmlType(id));
		expect(known).toEqual(types.map(({ id }) => id).sort((a, b) => a - b));
	});

	test.each(types)("in the layout of $name", ({ name, id }) => {
		const trait = new RegExp(`\\[GGML_TYPE_${name}\\] = \\{[^}]*?blck_size\\s*= (\\w+),\\s*\\.type_size\\s*= sizeof\\((\\w+)\\)`).exec(
			traits,
		)!;
		expect(ggmlType(id)?.blockSize).toBe(evaluate(trait[1]!));
		const assertion = new RegExp(`static_assert\\(sizeof\\(${trait[2]}\\) == ([^,]+),`).exec(common);
		const scalars: Record<string, number> = {
			int8_t: 1,
			int16_t: 2,
			ggml_fp16_t: 2,
			ggml_bf16_t: 2,
			int32_t: 4,
			float: 4,
			int64_t: 8,
			double: 8,
		};
		expect(ggmlType(id)?.blockBytes).toBe(assertion ? evaluate(assertion[1]!) : scalars[trait[2]!]);
	});
});
