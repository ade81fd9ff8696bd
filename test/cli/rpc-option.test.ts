import { describe, expect, it } from "vitest";
import { cli } from "./helpers.js";

const lines = {
	prune: "m.gguf o.gguf --remove 3",
	rank: "rank m.gguf",
	compare: "compare m.gguf",
	frontier: "frontier m.gguf",
	apply: "apply m.gguf o.gguf --remove 3",
	evaluate: "evaluate m.gguf --text a",
	speed: "speed m.gguf",
};

describe("--rpc", () => {
	it.each(Object.entries(lines))("reaches the API as a list from %s, which warns in its help", async (name, line) => {
		const { calls } = await cli([...line.split(" "), "--rpc", "192.168.1.7:50052,other:1"]);
		expect(calls[0]!.args.at(-1)).toMatchObject({ rpc: ["192.168.1.7:50052", "other:1"] });
		const help = await cli([name, "--help-all"]);
		expect(help.stdout.replaceAll(/\s+/g, " ")).toMatch(/--rpc <HOST:PORT,\.\.\.> .*trusted networks only/);
	});

	it("names what is given twice, and a missing value", async () => {
		const failed = (value: string) => cli(["rank", "m.gguf", "--rpc", value]);
		expect((await failed("a:1,a:1")).stderr).toContain("--rpc: a:1 is named twice");
		expect((await failed("a:1,")).stderr).toContain("--rpc: a value is missing");
	});
});
