import { describe, expect, it } from "vitest";
import { Once } from "../../../src/pipeline/session/once.js";

describe("Once", () => {
	it("makes a thing once, and again after it failed", async () => {
		const once = new Once<string, number>();
		let made = 0;
		const make = async () => {
			if (made++ === 0) throw new Error("no memory");
			return made;
		};
		await expect(once.get("a", make)).rejects.toThrow("no memory");
		expect(await Promise.all([once.get("a", make), once.get("a", make)])).toEqual([2, 2]);
	});

	it("keeps what was made after one that was forgotten, when that one fails late", async () => {
		const once = new Once<string, number>();
		let fail = (_: Error) => {};
		const first = once.get("a", () => new Promise((_, reject) => (fail = reject)));
		once.forget("a");
		expect(await once.get("a", async () => 2)).toBe(2);
		fail(new Error("aborted"));
		await expect(first).rejects.toThrow("aborted");
		expect(await once.get("a", async () => 3)).toBe(2);
	});
});
