import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { GgufFile } from "../../src/model/gguf/index.js";
import { fixturePath, mainPath, runNode } from "../helpers/fixture.js";
import { thorough } from "../helpers/slow.js";
import { tempFolder } from "../helpers/temp-folder.js";

// Healing as users run it: compiled, in separate processes, on the project's own model.

const folder = tempFolder();
const at = (name: string) => join(folder, name);
const run = (...args: string[]) => runNode([mainPath, ...args], { env: { PRUNE_GGUF_HOME: at("home"), NO_COLOR: "1" } });
const quiet = ["--threads", "2", "--no-report", "--no-speed", "--no-samples"];
const text = ["--windows", "10", "--window-length", "128"];

beforeAll(() => {
	expect(existsSync(mainPath), "dist/ is not there: run `npm run build`").toBe(true);
});

describe("--heal", () => {
	it.runIf(thorough)("writes a healed model that loads, and a plan that writes it again", async () => {
		const heal = ["--heal=6144", "--heal-type", "F16"];
		const made = await run(fixturePath, at("healed.gguf"), "--remove", "3,6-7", ...heal, ...text, ...quiet);
		expect([made.code, made.stderr.includes("rror")], made.stderr).toEqual([0, false]);
		const plan = JSON.parse(readFileSync(at("healed.gguf.plan.json"), "utf8"));
		expect(plan.heal).toMatchObject({ applied: true, type: "F16", fit: { count: 48, length: 128 } });
		expect(plan.heal.cuts.map(({ tensor, type }: { tensor: string; type: string }) => [tensor, type])).toEqual([
			["blk.2.ffn_down.weight", "F16"],
			["blk.5.ffn_down.weight", "F16"],
		]);

		const plain = await run("apply", fixturePath, at("plain.gguf"), "--remove", "3,6-7", "--threads", "2");
		expect(plain.code, plain.stderr).toBe(0);
		const [healed, pruned] = [await GgufFile.read(at("healed.gguf")), await GgufFile.read(at("plain.gguf"))];
		expect(plan.heal.addedBytes).toBeGreaterThan(0);
		expect(healed.size).toBe(pruned.size + plan.heal.addedBytes);

		const inspected = await run("inspect", at("healed.gguf"), "--json");
		expect(JSON.parse(inspected.stdout)).toMatchObject({ blocks: 9 });
		writeFileSync(at("text.txt"), "The sea was calm and the ship lay still. ".repeat(200));
		const evaluated = await run("evaluate", at("healed.gguf"), "--text", at("text.txt"), "--window-length", "128", "--json");
		expect([evaluated.code, evaluated.stderr.includes("rror")], evaluated.stderr).toEqual([0, false]);

		const again = await run("apply", fixturePath, at("again.gguf"), "--plan", at("healed.gguf.plan.json"), "--threads", "2");
		expect(again.code, again.stderr).toBe(0);
		expect(again.stdout).toMatch(/Healed 2 of 2 cuts on 6,144 tokens/);
		expect(readFileSync(at("again.gguf")).equals(readFileSync(at("healed.gguf")))).toBe(true);
		const other = await run("apply", fixturePath, at("other.gguf"), "--plan", at("healed.gguf.plan.json"), "--heal=2048");
		expect([other.code, existsSync(at("other.gguf"))]).toEqual([2, false]);
		expect(other.stderr).toMatch(/leave out the value of --heal/);
	});

	it.runIf(thorough)("heals a half-block cut, and its plan writes the same bytes again", async () => {
		const made = await run(fixturePath, at("half.gguf"), "--remove", "3,7f-9a", "--heal=6144", ...text, ...quiet);
		expect([made.code, made.stderr.includes("rror")], made.stderr).toEqual([0, false]);
		const plan = JSON.parse(readFileSync(at("half.gguf.plan.json"), "utf8"));
		expect(plan.removed).toBe("3, 7f-9a");
		expect(plan.heal.applied).toBe(true);
		expect(plan.heal.cuts[1]).toMatchObject({
			before: 7,
			first: "7f-8a",
			last: "8f-9a",
			part: "feed-forward",
			tensor: "blk.9.ffn_down.weight",
		});
		const again = await run("apply", fixturePath, at("half-again.gguf"), "--plan", at("half.gguf.plan.json"), "--threads", "2");
		expect(again.code, again.stderr).toBe(0);
		expect(again.stdout).toMatch(/Healed 2 of 2 cuts on 6,144 tokens/);
		expect(readFileSync(at("half-again.gguf")).equals(readFileSync(at("half.gguf")))).toBe(true);
	});
});
