import { describe, expect, it } from "vitest";
import { commandNames } from "../../src/cli/command-list.js";
import { cli } from "./helpers.js";

// A command's help offers memory limits, and settings that change bits. They must not be lost on the way, since nothing else would show it.

const lines: Readonly<Record<string, string>> = { "": "m.gguf", apply: "m.gguf o.gguf --remove 3 --max-kl 0.3" };
const offered = async (option: string) => {
	const helps = await Promise.all(["", ...commandNames].map(async (name) => ({ name, ...(await cli([...words(name), "--help-all"])) })));
	return helps.filter(({ stdout }) => stdout.includes(`${option} `)).map(({ name }) => name);
};
const words = (text: string) => text.split(" ").filter(Boolean);

describe.each<[string, string, string[]]>([
	["--state-bytes", "stateBytes", ["", "rank", "frontier", "compare"]],
	["--ubatch", "ubatch", ["", "rank", "frontier", "compare"]],
	["--reference-bytes", "referenceBytes", ["", "rank", "frontier", "apply", "compare"]],
])("%s", (option, name, commands) => {
	it("is offered where it has an effect", async () => {
		expect((await offered(option)).sort()).toEqual([...commands].sort());
	});

	it.each(commands)("reaches the API from `prune-gguf %s`", async (command) => {
		const { calls } = await cli([...words(command), ...words(lines[command] ?? "m.gguf"), option, "4096"]);
		expect(calls).toHaveLength(1);
		expect(calls[0]!.args.at(-1)).toMatchObject({ search: { [name]: 4096 } });
	});
});
