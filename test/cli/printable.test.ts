import { copyFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { applyPlan } from "../../src/jobs/apply.js";
import type { Api } from "../../src/cli/api.js";
import { printable, printableData } from "../../src/cli/printable.js";
import { ModelLoadError } from "../../src/errors.js";
import { encodeEntry } from "../../src/model/gguf/index.js";
import { inspectModel } from "../../src/jobs/inspect.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { rankBlocks } from "../../src/jobs/rank.js";
import { changedFixture, fixturePath } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";
import { cli } from "./helpers.js";

const { folder } = ownHomes();
/** Writes the clipboard (OSC 52, begun by ESC ] and by C1's own OSC), hides the following text, goes back to the line's start, turns text around, deletes. */
const hostile = "\u001b]52;c;cm0gLXJm\u0007\u009d52;c;eA==\u009c\u001b[8m\rhidden\u202ekcab\u2066\u2028\u007f";
const shown = "\\u001b]52;c;cm0gLXJm\\u0007\\u009d52;c;eA==\\u009c\\u001b[8m\\u000dhidden\\u202ekcab\\u2066\\u2028\\u007f";
/** The characters of a text that control a terminal, except tabs and newlines. */
const obeyedIn = (text: string) => Array.from(text, (character) => character.codePointAt(0)!).filter(isObeyed);
const isObeyed = (code: number) =>
	(code < 32 && code !== 9 && code !== 10) ||
	(code >= 0x7f && code <= 0x9f) ||
	[0x61c, 0x200e, 0x200f].includes(code) ||
	(code >= 0x2028 && code <= 0x202e) ||
	(code >= 0x2066 && code <= 0x2069);
const api: Partial<Api> = { inspectModel, applyPlan, pruneGguf };
/** A terminal with colors: ours must come through. */
const terminal = { api, isTTY: true, env: { FORCE_COLOR: "1" } };
const bold = "\u001b[1m";
const withoutColors = (text: string) => text.replaceAll(bold, "").replaceAll("\u001b[22m", "");

function hostileModel(name: string, entry: readonly [key: string, value: string]): Promise<string> {
	return changedFixture(join(folder, name), (content) => ({
		...content,
		entries: [...content.entries.filter(({ key }) => key !== entry[0]), encodeEntry(entry[0], "string", entry[1])],
	}));
}

/** A file with removed blocks that its header names. */
async function prunedModel(name: string, version: string): Promise<string> {
	return changedFixture(join(folder, name), (content) => ({
		...content,
		entries: [
			...content.entries,
			encodeEntry("prune_gguf.version", "string", version),
			encodeEntry("prune_gguf.removed_blocks", "array", [1], "uint32"),
			encodeEntry("prune_gguf.source_block_count", "uint32", 13),
		],
	}));
}

describe("printable", () => {
	it("escapes what controls a terminal, as JSON does, and nothing else", () => {
		for (let code = 0; code <= 0xffff; code++) {
			const character = String.fromCharCode(code);
			expect(printable(character)).toBe(!isObeyed(code) ? character : `\\u${code.toString(16).padStart(4, "0")}`);
		}
		expect(printable("né 漢字 עברית 🐋")).toBe("né 漢字 עברית 🐋");
		expect(JSON.parse(printable(JSON.stringify({ [hostile]: hostile })))).toEqual({ [hostile]: hostile });
	});

	it("reaches every string of a result, and leaves the rest as it is", () => {
		const one = { text: `a${hostile}\n` };
		const date = new Date();
		const numbers = new Float64Array(2);
		const data = { list: [one, [one]], [hostile]: one, date, numbers, count: 3, nothing: null, missing: undefined };
		const clean = printableData(data);
		expect(clean).toEqual({
			...{ date, numbers, count: 3, nothing: null, missing: undefined },
			list: [{ text: `a${shown}\\u000a` }, [{ text: `a${shown}\\u000a` }]],
			[shown]: { text: `a${shown}\\u000a` },
		});
		expect(clean.list[0]).toBe(clean[hostile as "list"] ?? (clean as unknown as Record<string, unknown>)[shown]);
		expect(one.text).toBe(`a${hostile}\n`);
	});
});

describe("what a file says", () => {
	it("inspect shows without obeying it: its keys and its name", async () => {
		const path = await prunedModel("pruned.gguf", hostile);
		const named = join(folder, `${hostile.replace(/[/\n]/g, "")}.gguf`);
		copyFileSync(path, named);
		const { code, stdout } = await cli(["inspect", named], terminal);
		expect(code).toBe(0);
		expect(stdout).toContain(`${shown}.gguf\n`);
		expect(stdout).toContain(`removed by prune-gguf ${shown}\n`);
		expect(obeyedIn(withoutColors(stdout))).toEqual([]);
		// As many lines as a normal file has, in our own colors.
		const honest = await cli(["inspect", await prunedModel("honest.gguf", "0.1.0")], terminal);
		expect(stdout.split("\n").length).toBe(honest.stdout.split("\n").length);
		expect(stdout.split(bold).length).toBe(honest.stdout.split(bold).length);
		expect(honest.stdout).toContain(`${bold}model`);
	});

	it("makes no line of its own", async () => {
		const path = await prunedModel("lines.gguf", "1\nremovable  all");
		expect((await cli(["inspect", path], { api })).stdout).toContain("prune-gguf 1\\u000aremovable  all\n");
	});

	it("makes no line of an error or a note, nor a long one: the architecture, keys and the model of a plan", async () => {
		const feigned = "llama\nWritten: out.gguf\nVerified: every bit";
		const path = await hostileModel("feigned.gguf", ["general.architecture", feigned]);
		const long = await hostileModel("long.gguf", ["general.architecture", `llama${"a".repeat(5000)}`]);
		const counted = await changedFixture(join(folder, "counted.gguf"), (content) => ({
			...content,
			entries: [
				...content.entries.filter(({ key }) => key !== "general.architecture"),
				encodeEntry("general.architecture", "string", feigned),
				encodeEntry(`${feigned}.block_count`, "string", "many"),
			],
		}));
		const plan = join(folder, "feigned.plan.json");
		const written = await pruneGguf(fixturePath, undefined, { ...small, remove: [3], plan });
		const model = { ...written.plan!.model, name: feigned, sha256: "0".repeat(64) };
		writeFileSync(plan, JSON.stringify({ ...written.plan, model }));
		const key = join(folder, "key.plan.json");
		writeFileSync(key, JSON.stringify({ ...written.plan, [feigned]: 1 }));
		const broken = join(folder, "broken.plan.json");
		writeFileSync(broken, feigned);
		const out = join(folder, "no.gguf");
		const ways = [
			...[path, long, counted].flatMap((one) => [["inspect", one], [one], [one, "--allow-unknown-architecture"], ["rank", one]]),
			...[plan, key, broken].map((one) => ["apply", fixturePath, out, "--plan", one]),
		];
		for (const args of ways) {
			const { stderr } = await cli(args, { api: { ...api, rankBlocks } });
			expect(stderr).not.toMatch(/^(Written|Verified)/m);
			expect(stderr.length).toBeLessThan(2000);
		}
		const { stderr } = await cli([path], { api });
		expect(stderr).toContain("(architecture llama\\u000aWritten: out.gguf\\u000aVerified: every bit)");
	});

	it("errors show without obeying it: the architecture", async () => {
		const path = await hostileModel("architecture.gguf", ["general.architecture", hostile]);
		for (const args of [["inspect", path], [path]]) {
			const { stdout, stderr } = await cli(args, terminal);
			expect(stdout + stderr).toContain(shown);
			expect(obeyedIn(withoutColors(stdout + stderr))).toEqual([]);
		}
	});

	it("errors show without obeying it: a plan, also as JSON", async () => {
		const path = join(folder, "hostile.plan.json");
		const sha256 = "0123456789abcdef".repeat(4);
		const plan = {
			...{ format: "prune-gguf-plan", version: 1, created: "2026-01-02T03:04:05.000Z" },
			model: { name: hostile, sha256, architecture: "llama", blocks: 12 },
			...{ removed: [3], kept: 11, method: "given", options: {}, seed: 0, calibration: {}, losses: {} },
			...{
				critical: [],
				frozen: [],
				alternatives: [],
				versions: { "prune-gguf": "0.1.0", "llama.cpp": "x" },
				backend: "CPU",
				machine: {},
				timings: {},
				command: "x",
			},
		};
		const messages = [/was made for \\u001b/, /u202ekcab/, /not a plan/, /is not JSON/];
		for (const [i, text] of [plan, { ...plan, [hostile]: 1 }, { format: hostile }]
			.map((one) => JSON.stringify(one))
			.concat(hostile)
			.entries()) {
			writeFileSync(path, text);
			const args = ["apply", fixturePath, join(folder, "out.gguf"), "--plan", path];
			const { code, stderr } = await cli(args, terminal);
			expect(stderr).toMatch(messages[i]!);
			expect([code, obeyedIn(stderr)]).toEqual([1, []]);
			const { stdout } = await cli([...args, "--json"], terminal);
			expect(obeyedIn(stdout)).toEqual([]);
			expect(JSON.parse(stdout)).toMatchObject({ error: { code: "INVALID_PLAN" } });
		}
	});

	it("--json gives it as it is, escaped", async () => {
		const path = await prunedModel("json.gguf", hostile);
		const { stdout } = await cli(["inspect", path, "--json"], terminal);
		expect(obeyedIn(stdout)).toEqual([]);
		expect((JSON.parse(stdout) as { pruned: string }).pruned).toContain(hostile);
	});

	it("notes, progress and llama.cpp's log lines show without obeying it", async () => {
		const pruneGguf: Api["pruneGguf"] = async (_model, _output, { onLog, onProgress }) => {
			onLog?.({ level: "warning", message: hostile });
			onLog?.({ level: "note", message: hostile });
			onLog?.({ level: "debug", message: hostile });
			onProgress?.({ step: 1, steps: 2, name: "Preparing text", phase: hostile, done: 1, total: 2, unit: "percent" });
			throw new ModelLoadError(`x ${hostile}`, { cause: new Error(`line one\nline two ${hostile}`) });
		};
		const { stderr } = await cli(["m.gguf", "--verbose"], { api: { pruneGguf } });
		expect(stderr.split(shown).length - 1).toBe(6);
		expect(stderr).toContain("\n  line one\n  line two ");
		expect(obeyedIn(stderr)).toEqual([]);
	});
});
