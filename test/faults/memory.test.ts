import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { runNode } from "../helpers/fixture.js";
import { thorough } from "../helpers/slow.js";

const script = fileURLToPath(new URL("../../scripts/faults/memory.mjs", import.meta.url));
const [candidates, loads] = thorough ? ["10000", "200"] : ["1000", "20"];

it(`memory stays flat over ${candidates} candidates and ${loads} loads (in a process of its own)`, async () => {
	const { code, stdout, stderr } = await runNode([script, "--candidates", candidates, "--loads", loads]);
	expect(stdout, stderr).toMatch(/^candidates .* MB since the first quarter$/m);
	expect(stdout).toMatch(/^loads .* MB since the first quarter$/m);
	expect(code, stdout).toBe(0);
}, 900_000);
