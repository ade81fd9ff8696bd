import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

// What a reader of the code is promised; test/rooms.test.ts holds who imports whom.

const script = fileURLToPath(new URL("../scripts/structure/structure.mjs", import.meta.url));

it("functions fit on a screen, a name means one thing, and no place is written twice", () => {
	const { stdout, stderr } = spawnSync(process.execPath, [script, "--list"], { encoding: "utf8" });
	const countOf = (what: string) => new RegExp(`^ *(\\d+) +${what}`, "m").exec(stdout)?.[1];
	expect(
		{
			functions: countOf("functions above 60 lines"),
			names: countOf("exported names declared in several files"),
			repeats: countOf("pairs of places that share six or more lines"),
			// The addon's own calls take their arguments by position.
			positional: countOf("functions with more than 4 positional parameters"),
		},
		`${stderr}${stdout}`,
	).toEqual({ functions: "0", names: "0", repeats: "0", positional: "4" });
}, 60_000);
