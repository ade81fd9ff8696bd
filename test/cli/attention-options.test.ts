import { describe, expect, it } from "vitest";
import { cli } from "./helpers.js";

const given = async (line: string) => {
	const { calls } = await cli(["m.gguf", "o.gguf", ...line.split(" ")]);
	return calls[0]?.args.at(-1);
};

describe("options of attention parts", () => {
	it("reach the API", async () => {
		expect(await given("--remove-attention 9 --context 8192")).toMatchObject({ removeAttention: 9, context: 8192 });
		expect(await given("--remove-attention 6 -n 2")).toMatchObject({ removeAttention: 6, removeBlocks: 2 });
		expect(await given("--target-kv 50%")).toMatchObject({ targetKv: 0.5 });
		expect(await given("--granularity attention --target-speedup 1.3")).toMatchObject({
			...{ search: { granularity: "attention" }, targetSpeedup: 1.3 },
		});
	});

	it.each([
		["--remove-attention 9 --target-kv 50%", /exclude each other/],
		["--remove-attention 9 --remove 3", /exclude each other/],
		["--target-kv 50% -n 3", /exclude each other/],
		["--remove-attention 0", /remove-attention/],
		["--target-kv 0", /target-kv/],
		["--remove-attention 3 --context 12", /context/],
	])("%s is refused", async (line, message) => {
		const { calls, stderr, code } = await cli(["m.gguf", "o.gguf", ...line.split(" ")]);
		expect(calls).toEqual([]);
		expect(code).toBe(2);
		expect(stderr).toMatch(message);
	});
});
