import fc from "fast-check";
import { expect, it } from "vitest";
import { Coalition } from "../../src/game/coalition.js";
import { blockExecutions } from "../../src/game/executions.js";

const of = (...keys: string[]) => keys.map((key) => Coalition.parse(key));

it("counts every kept block, or every prefix that ends in one once", () => {
	expect(blockExecutions(of("1111", "1101", "1100", "0011"), () => false)).toBe(11);
	// 1 11 111 1111; 1101; nothing new; 001 0011
	expect(blockExecutions(of("1111", "1101", "1100", "0011"))).toBe(7);
	// as above: 11 is deep enough
	expect(blockExecutions(of("1111", "1101", "1100", "0011"), (_, depth) => depth <= 2)).toBe(7);
	// 001 0011; 1 11; from 1 on 11 1101; from 1 on 11 111 1111
	expect(blockExecutions(of("1111", "1101", "1100", "0011"), (_, depth) => depth !== 2 && depth !== 3)).toBe(9);
	expect(blockExecutions([])).toBe(0);
	// 1 and f, then the last 1; 1 and a0f as one block, then f, 1 and 1.
	expect(blockExecutions(of("1f1", "1f0"))).toBe(3);
	expect(blockExecutions(of("1f11", "1a0f"))).toBe(5);
});

it("is the number of nodes of the trie", () => {
	const mask = fc.string({ unit: fc.constantFrom("0", "1"), minLength: 7, maxLength: 7 });
	fc.assert(
		fc.property(fc.array(mask, { maxLength: 40 }), (keys) => {
			const nodes = new Set(keys.flatMap((key) => [...key].flatMap((bit, i) => (bit === "1" ? [key.slice(0, i + 1)] : []))));
			expect(blockExecutions(of(...keys))).toBe(nodes.size);
		}),
	);
});
