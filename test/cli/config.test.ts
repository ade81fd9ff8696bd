import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { configSchema } from "../../src/cli/config-schema.js";
import { tempFolder } from "../helpers/temp-folder.js";
import { cli } from "./helpers.js";

const folder = tempFolder();
let count = 0;
const config = (content: unknown): string => {
	const path = join(folder, `${count++}.json`);
	writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
	return path;
};
const given = async (...words: string[]) => {
	const { calls, stderr } = await cli(words);
	expect(calls, stderr).toHaveLength(1);
	const { signal: _, onProgress: __, onLog: ___, ...options } = calls[0]!.args.at(-1) as Record<string, unknown>;
	return options;
};

describe("--config", () => {
	it("gives options of every kind", async () => {
		const path = config({
			...{ "remove-blocks": 4, calibration: ["a.txt=2", "b.txt"], heal: "10m", quantize: "q4_k_m", report: false, samples: 2 },
			...{ "max-kl": 0.3, "min-accuracy": ["arc=45%", "piqa=60%"], "limit-questions": ["arc.jsonl", "piqa.jsonl"], overwrite: true },
			...{ "state-bytes": "2GiB", "score-share": "25%", strata: [11, 10], speed: false, metric: "kl", seed: 0, "max-time": "20m" },
		});
		expect(await given("m.gguf", "o.gguf", "--config", path)).toEqual({
			...{ removeBlocks: 4, calibration: [{ path: "a.txt", weight: 2 }, "b.txt"], heal: { time: 600 }, quantize: "Q4_K_M" },
			...{ report: false, samples: 2, overwrite: true, speed: false, metric: "kl" },
			limits: { maxKl: 0.3, minAccuracy: { arc: 0.45, piqa: 0.6 }, questions: ["arc.jsonl", "piqa.jsonl"] },
			search: { stateBytes: 2 * 2 ** 30, scoreShare: 0.25, strata: [10, 11], seed: 0, maxTime: 1200 },
		});
	});

	it.each([
		["compare", { "remove-blocks": [3, "25%"], methods: ["auto", "last"] }, { removeBlocks: [3, "25%"], methods: ["auto", "last"] }],
		["rank", { "remove-blocks": [3, 6] }, { removeBlocks: [3, 6] }],
		["rank", { "remove-blocks": 3 }, { removeBlocks: [3] }],
		["frontier", { "target-speedup": "prompt:1.3", types: ["Q8_0"] }, { targetSpeedup: { prompt: 1.3 }, quantize: { types: ["Q8_0"] } }],
		["evaluate", { text: "a.txt", remove: [3, 7] }, { text: "a.txt", remove: [3, 7] }],
		["speed", { context: 2048, remove: "7f-9a, 3" }, { context: 2048, remove: [3, 7.5, 8.5] }],
	])("of %s: %j", async (command, content, options) => {
		const path = config({ command, ...content });
		expect(await given(command, "m.gguf", `--config=${path}`)).toEqual(options);
	});

	it("loses to the options that are given, and to those that exclude its own", async () => {
		const path = config({ "remove-blocks": 4, threads: 2, heal: true, calibration: ["a.txt"], report: "r.html" });
		const options = await given("m.gguf", "o.gguf", "--config", path, "-t", "8", "--no-heal", "--remove", "3", "--no-report");
		expect(options).toEqual({ threads: 8, heal: false, remove: [3], calibration: ["a.txt"], report: false });
	});

	it.each<[Record<string, unknown>, string, Record<string, unknown>]>([
		[{ heal: true, "heal-kind": "map" }, "m.gguf o.gguf --no-heal", { heal: false }],
		[{ heal: true, "heal-heads": true, threads: 2 }, "m.gguf o.gguf --heal=false", { heal: false, threads: 2 }],
		[{ metric: "accuracy", questions: "q.jsonl", "max-questions": 20 }, "m.gguf --metric loss", { metric: "loss" }],
		[{ "score-share": "50%" }, "m.gguf --metric accuracy --questions q", { metric: "accuracy", questions: "q" }],
		[{ method: "paper", epochs: 5, seed: 3 }, "m.gguf --method auto", { search: { method: "auto", seed: 3 } }],
		[{ method: "greedy", threads: 2 }, "m.gguf --remove 3", { remove: [3], threads: 2 }],
		[{ command: "rank", "max-evaluations": 50, epochs: 5 }, "rank m.gguf --method shapley", { method: "shapley", maxEvaluations: 50 }],
	])("leaves out what the options that are given switch off: %j with %s", async (content, line, options) => {
		const found = await given(...line.split(" "), "--config", config(content));
		const { search, ...rest } = found as { search?: object };
		expect(line.startsWith("rank") ? { ...rest, ...search } : found).toEqual(options);
	});

	it("leaves out what belongs to a text where questions are given, and the other way round", async () => {
		const text = config({ command: "evaluate", text: "a.txt", "window-length": 64 });
		expect(await given("evaluate", "m.gguf", "--questions", "q.jsonl", "--config", text)).toMatchObject({ questions: "q.jsonl" });
		const questions = config({ command: "evaluate", questions: "q.jsonl", "max-questions": 9 });
		expect(await given("evaluate", "m.gguf", "--text", "a.txt", "--config", questions)).toMatchObject({ text: "a.txt" });
	});

	it("says how the errors of the command line are printed", async () => {
		const { code, stdout } = await cli(["m.gguf", "--config", config({ json: true }), "--unknown"]);
		expect([code, JSON.parse(stdout)]).toEqual([2, { error: expect.objectContaining({ message: "Unknown argument: --unknown" }) }]);
	});

	it("may come before the model", async () => {
		const { calls } = await cli(["--config", config({ calibration: ["a.txt"] }), "m.gguf", "o.gguf"]);
		expect(calls[0]!.args.slice(0, 2)).toEqual(["m.gguf", "o.gguf"]);
	});

	it.each<[unknown, RegExp]>([
		["{", /expected JSON/],
		[[], /expected a JSON object of options/],
		[{ command: "prone" }, /command: expected one of prune, .*, got "prone"/],
		[{ command: "rank" }, /is for the command rank, and prune runs/],
		[{ "remove-block": 4 }, /remove-block is no option of prune \(did you mean remove-blocks\?\)/],
		[{ "--remove-blocks": 4 }, /did you mean remove-blocks\?/],
		[{ "remove-fraction": "25%" }, /remove-fraction is not an option any more: use remove-blocks 25%/],
		[{ "remove-fraction": 0.25 }, /remove-fraction is not an option any more: use remove-blocks 25%/],
		[{ "speedup-of": "prompt", "target-speedup": 1.5 }, /speedup-of is not an option any more: use target-speedup prompt:1\.5/],
		[{ metric: "nll" }, /metric "nll" has another name now: use "loss"/],
		[{ masks: 500 }, /masks is not an option any more: use max-evaluations 500/],
		[{ "remove-blocks": 0 }, /remove-blocks: expected a number of blocks such as 4 or a share such as 25%, got "0"/],
		[{ "remove-blocks": true }, /remove-blocks: expected a number such as 4 or a share such as "25%", got true/],
		[{ windows: "10" }, /windows: expected a whole number of at least 2, got "10"/],
		[{ windows: 1 }, /windows: expected a whole number of at least 2, got "1"/],
		[{ windows: 2.5 }, /windows: expected a whole number of at least 2/],
		[{ overwrite: "yes" }, /overwrite: expected true or false, got "yes"/],
		[{ calibration: "a.txt" }, /calibration: expected a list of file names/],
		[{ calibration: ["a.txt=two"] }, /calibration: expected FILE or FILE=WEIGHT/],
		[{ heal: "often" }, /heal: expected true, false, a time/],
		[{ method: "greddy" }, /method: expected one of auto/],
		[{ quantize: "Q9" }, /quantize: expected one of/],
		[{ "remove-blocks": 4, remove: [3] }, /remove-blocks and remove exclude each other/],
	])("refuses %j", async (content, message) => {
		const path = config(content);
		const { code, stderr, calls } = await cli(["m.gguf", "--config", path]);
		expect([code, calls]).toEqual([2, []]);
		expect(stderr).toMatch(message);
		expect(stderr).toContain(path);
	});

	it("is refused where there is nothing to give, or no file", async () => {
		expect((await cli(["inspect", "m.gguf", "--config", config({})])).stderr).toContain("inspect has no options of its own");
		expect((await cli(["m.gguf", "--config", join(folder, "nowhere.json")])).stderr).toMatch(
			/^error: --config: .*nowhere\.json cannot be read: there is no such file: check the path\n/,
		);
		expect((await cli(["m.gguf", "--config", folder])).stderr).toMatch(/--config: .* is a folder, not a regular file: give a config file/);
		expect((await cli(["m.gguf", "--config"])).stderr).toContain("--config: a value is missing");
	});
});

describe("config --check", () => {
	it("says what a file sets", async () => {
		const path = config({ command: "runs clean", "older-than": 30 });
		const { code, stdout } = await cli(["config", "--check", path]);
		expect([code, stdout]).toEqual([0, `${path} is right for the command runs clean.\nIt sets:\n  --older-than=30\n`]);
		const json = await cli(["config", "--check", path, "--json"]);
		expect(JSON.parse(json.stdout)).toEqual({ file: path, command: "runs clean", options: { "older-than": ["--older-than=30"] } });
	});

	it("refuses a wrong file, and one that is not there", async () => {
		expect((await cli(["config", "--check", join(folder, "nowhere.json")])).stderr).toMatch(
			/^error: --check: .*nowhere\.json cannot be read: there is no such file: check the path\n/,
		);
		const { code, stderr } = await cli(["config", "--check", config({ heal: 3 })]);
		expect(code).toBe(2);
		expect(stderr).toMatch(/heal: expected nothing, a time/);
	});
});

it("docs/config.schema.json is that of the options", async () => {
	const { configJsonSchema } = (await import(new URL("../../scripts/docs.mjs", import.meta.url).href)) as {
		configJsonSchema(schema: unknown): string;
	};
	expect(readFileSync(new URL("../../docs/config.schema.json", import.meta.url), "utf8")).toBe(configJsonSchema(configSchema()));
});
