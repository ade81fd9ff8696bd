import { EventEmitter } from "node:events";
import { describe, expect, it } from "vitest";
import type { Api } from "../../src/cli/api.js";
import { rowsOf } from "../../src/api/options/table.js";
import { nameOf } from "../../src/cli/command-facts.js";
import { allCommands, commandNames } from "../../src/cli/command-list.js";
import { helpText } from "../../src/cli/help.js";
import { globalFaces } from "../../src/cli/options.js";
import { ModelLoadError, OutputExistsError, PruneGgufError } from "../../src/errors.js";
import { factsOf, methods, rankMethods } from "../../src/api/methods.js";
import { cli } from "./helpers.js";
import { blocksAsText } from "../../src/notation.js";

const model = { path: "m.gguf", name: "m.gguf", architecture: "llama", blocks: 12, size: 1000, parameters: 100 };
const pruned: Awaited<ReturnType<Api["pruneGguf"]>> = {
	model,
	curve: [
		{ removed: [], loss: 2, added: 0 },
		{ removed: [7], loss: 2.1, added: 0.1 },
	],
	suggestion: { removed: [7], reason: "It costs little." },
	metric: "loss",
	disagreements: [],
	commands: ["prune-gguf m.gguf out.gguf --remove-blocks 1"],
	seconds: 12,
};
const run = (line: string, setup?: Parameters<typeof cli>[1]) => cli(line.split(" ").filter(Boolean), setup);

describe("help", () => {
	it.each(["--help", "-h"])("has a first screen: %s", async (asked) => {
		const { code, stdout, stderr, calls } = await run(asked);
		expect([code, stderr, calls]).toEqual([0, "", []]);
		const lines = stdout.trimEnd().split("\n");
		expect(lines.length).toBeLessThanOrEqual(24);
		expect(lines.filter((line) => line.length > 100)).toEqual([]);
		for (const text of [...commandNames, "prune-gguf model.gguf small.gguf -n 4", "--help-all", "<command> --help"])
			expect(stdout).toContain(text);
		expect(stdout.match(/^ +(?:-\w+, )?--/gm)).toHaveLength(10);
	});

	it.each(["prune", ...commandNames, "runs clean"])("of %s has an example, and all its options under --help-all", async (command) => {
		const { code, stdout } = await run(`${command} --help`);
		expect(code).toBe(0);
		expect(stdout).toContain(`Usage: prune-gguf ${command === "prune" ? "<model>" : command}`);
		expect(stdout).toContain("Examples:");
		expect(stdout.split("\n").filter((line) => line.length > 100)).toEqual([]);
		const all = (await run(`${command} --help-all`)).stdout;
		const facts = allCommands.find((one) => nameOf(one) === command)!;
		for (const { flag, level } of facts.options === undefined ? [] : rowsOf(facts.options)) {
			const shown = new RegExp(`--${flag}(?=[ \\[\n])`);
			expect(all).toMatch(shown);
			if (level === "research") expect(stdout.split("Examples:")[0]).not.toMatch(shown);
			else expect(stdout).toMatch(shown);
		}
		expect(/Dangerous|\[string\]|undefined/.exec(all)).toBeNull();
	});

	it("fits 80 columns and 24 lines, also as the word help", async () => {
		const screen = helpText(allCommands[0]!, "screen", 80).trimEnd().split("\n");
		expect(screen.filter((line) => line.length > 80)).toEqual([]);
		expect(screen.length).toBeLessThanOrEqual(24);
		expect((await run("help")).stdout).toBe((await run("--help")).stdout);
		expect((await run("help rank")).stdout).toBe((await run("rank --help")).stdout);
	});

	it("is what the name alone shows, as an error: nothing was asked for, and nothing was done", async () => {
		const { code, stdout, stderr } = await run("");
		expect([code, stdout]).toEqual([2, ""]);
		expect(stderr).toBe((await run("--help")).stdout);
	});

	it("of each command says what is true of it", async () => {
		const all = async (command: string) => (await run(`${command} --help-all`)).stdout.replace(/\s+/g, " ");
		expect(await all("prune")).toContain("Quality limits (without an amount they decide how much to remove):");
		const apply = await all("apply");
		expect(apply).toContain("Quality limits:");
		expect(apply).toContain("Write the model even if it misses a limit; a warning says so");
		for (const command of ["evaluate", "speed", "rank", "compare", "frontier"]) expect(await all(command)).not.toContain("file is kept");
		for (const command of ["inspect", "runs", "config"]) expect(await all(command)).not.toContain("--config <FILE>");
		for (const command of ["build", "runs clean"]) expect(await all(command)).toContain("--config <FILE>");
	});

	it.each(["prune", ...commandNames, "runs clean"])("of %s names no option that the command does not take", async (command) => {
		const [text = ""] = (await run(`${command} --help-all`)).stdout.split("Examples:");
		const taken = new Set([...text.matchAll(/^ +(?:-\w+, )?--([a-z-]+)/gm)].map(([, flag]) => flag));
		const named = [...text.matchAll(/--(?:no-)?([a-z][a-z-]*)/g)].map(([, flag]) => flag);
		expect(named.filter((flag) => !taken.has(flag))).toEqual([]);
	});

	it("of everything has the commands, the numbering of blocks and the exit codes", async () => {
		const { stdout } = await run("--help-all");
		for (const text of [...commandNames, "Research:", "numbered from 0", "130 interrupted"]) expect(stdout).toContain(text);
	});

	it.each([
		["-q rank --help", "rank"],
		["--windows 3 rank -h", "rank"],
		["runs clean --help", "runs clean"],
		["./prune --help", undefined],
	])("%s is that of %s", async (line, command) => {
		const { stdout } = await run(line);
		if (command === undefined) expect(stdout).not.toContain("Usage:");
		else expect(stdout).toContain(`Usage: prune-gguf ${command} `);
	});

	// The methods that read each limit of a search, and none that the command does not take.
	it.each([
		["prune", methods],
		["rank", rankMethods],
	] as const)("of '%s' names the methods that each budget is of", (command, taken) => {
		for (const option of ["effort", "maxTime", "maxTokens", "maxEvaluations"] as const) {
			const { help } = rowsOf(command).find(({ name }) => name === option)!;
			const named = methods.filter((method) => help.split(/[^\w-]+/).includes(method));
			const readers = methods.filter((method) => taken.includes(method) && factsOf(method).reads?.includes(option));
			expect(named, option).toEqual(readers);
		}
	});

	it("tells the versions of prune-gguf and llama.cpp", async () => {
		const { code, stdout } = await run("--version");
		expect(code).toBe(0);
		expect(stdout).toMatch(/^prune-gguf \d+\.\d+\.\d+ \(llama\.cpp v[\d.]+, commit [0-9a-f]+\)\n$/);
	});
});

describe("usage errors", () => {
	it.each([
		["-q", /^error: The model is missing: prune-gguf <model> \[output\]\n/],
		["prune", /^error: The model is missing: prune-gguf <model> \[output\]\n/],
		["speed", /^error: speed: the model is missing: prune-gguf speed <model> \[other\]\n/],
		["rank --windows 9", /^error: rank: the model is missing: prune-gguf rank <model>\n/],
		["apply --remove 3", /^error: apply: the model is missing: prune-gguf apply <model> <output>\n/],
		["m.gguf o.gguf extra", /extra/],
		["m.gguf --max-evaluation 3", /--max-evaluation \(did you mean --max-evaluations\?\)/],
		["m.gguf --removeblock=3", /--removeblock \(did you mean --remove-blocks\?\)/],
		["m.gguf -x", /Unknown argument: -x/],
		["m.gguf --max-ppl 1.2", /--max-ppl \(did you mean --max-ppl-ratio\?\)/],
		["m.gguf --max-perplexity 1.2", /--max-perplexity \(did you mean --max-ppl-ratio\?\)/],
		["m.gguf --size 1GB", /--size \(did you mean --target-size\?\)/],
		["m.gguf --target 1GB", /--target \(did you mean --target-size, --target-speedup or --target-kv\?\)/],
		["m.gguf --max 4", /Unknown argument: --max\n/],
		["m.gguf --num-layers 3", /--num-layers \(did you mean --remove-blocks\?\)/],
		["m.gguf --no-repot", /--no-repot \(did you mean --no-report\?\)/],
		["frontier m.gguf --blocks 3", /--blocks \(did you mean --max-blocks\?\)/],
		// No name of what every object has is taken for a word of ours.
		["m.gguf --constructor 3", /Unknown argument: --constructor$/m],
		["m.gguf --gpu 9", /--gpu \(did you mean --gpu-layers\?\)/],
		["m.gguf --layers 4", /--layers \(did you mean --remove-blocks\?\)/],
		["speed m.gguf --layers 4", /--layers \(did you mean --remove\?\)/],
		["rank m.gguf --size 4", /Unknown argument: --size\n/],
		["m.gguf --max-evaluations abc", /--max-evaluations: expected a whole number.*"abc"/],
		["m.gguf --max-evaluations 1.5", /--max-evaluations: /],
		["m.gguf --max-evaluations 1e3", /--max-evaluations: /],
		["m.gguf --max-evaluations 0", /at least 1, got "0"/],
		["m.gguf --max-evaluations", /--max-evaluations: a value is missing/],
		["m.gguf --max-evaluations=", /--max-evaluations: a value is missing/],
		["m.gguf --max-evaluations 3 --max-evaluations 4", /--max-evaluations: given 2 times/],
		["m.gguf --no-max-evaluations", /--max-evaluations: /],
		["m.gguf --seed -1", /--seed: .*"-1"/],
		["m.gguf --method greddy", /--method: expected one of auto, greedy, leave-one-out, paper, .*, last, got "greddy"/],
		["m.gguf --rounds 0", /--rounds: .*at least 1/],
		["rank m.gguf --method contiguous", /--method: expected one of auto, leave-one-out, .*block-influence, magnitude/],
		["rank m.gguf --rounds 2", /Unknown argument: --rounds/],
		["m.gguf --method shapley", /--method: expected one of auto/],
		["m.gguf --method paper --strata-preset gpt", /--strata-preset: expected one of transformers, mamba, rwkv, already-cut/],
		["m.gguf --method paper --strata-preset rwkv --strata 3", /exclude each other/],
		["compare", /compare: the model is missing/],
		["compare m.gguf --methods auto,greddy", /--methods: expected one of auto.*"greddy"/],
		["compare m.gguf --methods auto,auto", /--methods: auto is named twice/],
		["compare m.gguf --remove-blocks 3,x", /--remove-blocks: expected a number of blocks such as 4 or a share such as 25%, got "x"/],
		["compare m.gguf --remove-blocks 3,", /--remove-blocks: a value is missing/],
		["compare m.gguf --remove-blocks 3,3", /an amount is named twice/],
		["compare m.gguf --eval m2.gguf", /m2\.gguf is no text/],
		["compare m.gguf --effort quick", /Unknown argument: --effort/],
		["m.gguf --remove 3,x", /--remove: expected block numbers from 0/],
		["m.gguf --remove 3,3", /block 3 is named twice/],
		["m.gguf --remove-blocks 100%", /expected a number of blocks such as 4 or a share such as 25%/],
		["m.gguf --remove 3 --remove-blocks 4", /exclude each other/],
		["m.gguf --remove-blocks 2.5", /expected a number of blocks such as 4 or a share such as 25%/],
		["rank m.gguf -n 25%", /--remove-blocks: expected a whole number of at least 1, got "25%"/],
		["m.gguf --calibration a.txt o.gguf", /o\.gguf is no text/],
		["rnak m.gguf", /Did you mean rank\?/],
		["aply m.gguf o.gguf --plan p.json", /Did you mean|Unknown argument/],
		["apply m.gguf", /^error: apply: the output is missing: prune-gguf apply <model> <output>\n/],
		["apply m.gguf o.gguf", /--plan FILE or --remove LIST/],
		["apply m.gguf o.gguf --plan p.json --remove 3", /exclude each other/],
		["evaluate m.gguf", /--text is missing: give a text to score with --text FILE, or questions with --questions FILE/],
		["evaluate m.gguf --text a --questions b", /exclude each other/],
		["m.gguf --max-ppl-ratio 0.5", /--max-ppl-ratio: expected a number of at least 1/],
		["m.gguf --min-accuracy arc", /--min-accuracy: expected NAME=VALUE with a share, such as arc_easy=45%/],
		["m.gguf --min-accuracy arc=45", /--min-accuracy: expected NAME=VALUE/],
		["m.gguf --min-accuracy arc=45% --min-accuracy arc=.5", /--min-accuracy: arc is named twice/],
		["m.gguf --target-size 5GB --remove-blocks 3", /--remove-blocks and --target-size exclude each other/],
		["apply m.gguf o.gguf --remove 3 --calibration a.txt", /--calibration says what limits are measured on/],
		["evaluate m.gguf --text a --max-questions 5", /--max-questions belongs to --questions/],
		["evaluate m.gguf --questions a --window-length 64", /--window-length belongs to --text/],
		["m.gguf --metric ppl", /--metric: expected one of loss, kl, accuracy/],
		["m.gguf --calibration a.txt=two", /--calibration: expected FILE or FILE=WEIGHT.*"a\.txt=two"/],
		["m.gguf --calibration a.txt=0", /FILE=WEIGHT with a number above 0/],
		["m.gguf --calibration a.txt=2 o.gguf", /o\.gguf is no text/],
		["evaluate m.gguf --text a --window-length 1", /--window-length/],
		["m.gguf o.gguf --quantize Q9", /--quantize: expected one of F32, F16.*got "Q9"/],
		["m.gguf o.gguf --quantize Q2_K_S", /--quantize: expected one of/],
		["frontier", /frontier: the model is missing/],
		["frontier m.gguf --target-size big", /--target-size: expected a size such as 60MB.*"big"/],
		["frontier m.gguf --target-size 0GB", /--target-size: expected a size/],
		["speed m.gguf o.gguf --remove 3", /beside one of them/],
		["speed m.gguf --repetitions 0", /--repetitions: expected a whole number from 1 to 1000/],
		["m.gguf --target-speedup fast", /--target-speedup: expected a number from 1 to 1000/],
		["m.gguf --target-speedup 1.3 --remove-blocks 3", /exclude each other/],
		["m.gguf --target-speedup both:1.3", /--target-speedup: expected a number such as 1.3 or prompt:1.3/],
		["m.gguf o.gguf --heal=often", /--heal: expected nothing, a time such as 10m or a number of tokens from 1024 to 16000000/],
		["m.gguf o.gguf --heal=100", /from 1024 to 16000000, got "100"/],
		["m.gguf o.gguf --heal=99999999999999999999", /from 1024 to 16000000, got "9{20}"/],
		["rank m.gguf --state-bytes much", /--state-bytes: expected a size/],
		["config", /--check is missing/],
		["frontier m.gguf --target-compute 1", /--target-compute: expected a number above 1/],
		["frontier m.gguf --target-compute 0.5", /--target-compute: expected a number of at least 1/],
		["frontier m.gguf --types Q8_0,Q9", /--types: expected one of .*"Q9"/],
		["frontier m.gguf --types Q8_0,", /--types: expected one of F32, .*, got ""\./],
		["frontier m.gguf --types Q8_0,q8_0", /--types: Q8_0 is named twice/],
		["frontier m.gguf --max-blocks 0", /--max-blocks: .*at least 1/],
		["frontier m.gguf --metric kl", /Unknown argument: --metric/],
		["build --backend cdua", /--backend: expected one of cpu/],
		["runs claen", /did you mean clean\?/],
		["runs clean --older-than soon", /--older-than/],
	])("%s", async (line, message) => {
		const { code, stdout, stderr, calls } = await run(line);
		expect(stderr).toMatch(message);
		const command = commandNames.find((name) => line.startsWith(name));
		const help = command === undefined ? "--help for the commands and options" : `${command}( clean)? --help to see how it is used`;
		expect(stderr).toMatch(new RegExp(`^error: .*\nRun prune-gguf ${help}\\.\n$`));
		expect(stdout).toBe("");
		expect(code).toBe(2);
		expect(calls).toEqual([]);
	});

	/** The arguments that a command requires. */
	const needed: Readonly<Record<string, string>> = {
		"": "m.gguf o.gguf",
		apply: "m.gguf o.gguf --remove 3",
		evaluate: "m.gguf --text a",
		build: "",
		runs: "",
		"runs list": "",
		config: "--check a.json",
		"runs clean": "",
	};

	// yargs reads every word except "true" as false: --dry-run=yes would write, --heal=yes would not heal.
	it.each(["", ...commandNames, "runs list", "runs clean"])("every switch of %s that is given a value", async (command) => {
		const facts = allCommands.find((one) => nameOf(one) === (command || "prune"));
		const rows = facts?.options === undefined ? [] : rowsOf(facts.options).filter(({ value }) => value.kind === "switch");
		const general = globalFaces.filter(({ meta, flag }) => meta === undefined && flag !== "version");
		const switches = [...rows, ...general].flatMap(({ flag, short }) => [`--${flag}`, ...(short === undefined ? [] : [`-${short}`])]);
		expect(switches).toEqual(expect.arrayContaining(["--json", "-q", "--quiet", "--verbose", "-h", "--help"]));
		const inCamelCase = switches.map((name) => name.replace(/(?<=\w)-(.)/g, (_, letter: string) => letter.toUpperCase()));
		const lines = [...switches, ...inCamelCase].flatMap((name) => ["yes", "0", "FALSE"].map((value) => `${name}=${value}`));
		const accepted: string[] = [];
		for (const line of lines) {
			const { code, stderr, calls } = await run(`${command} ${needed[command] ?? "m.gguf"} ${line}`);
			const refused = code === 2 && /^error: --?[a-z-]+: takes no value, got ".*"\.\n/.test(stderr);
			if (!refused || calls.length > 0) accepted.push(line);
		}
		expect(accepted).toEqual([]);
	});

	it("are not what true and false are to a switch", async () => {
		const { code, calls } = await run("m.gguf o.gguf --heal=true --dry-run=false", { api: { pruneGguf: async () => pruned } });
		expect(code).toBe(0);
		expect(calls[0]!.args[2]).toMatchObject({ heal: true, dryRun: false });
	});

	it("are one JSON document with --json", async () => {
		const { code, stdout } = await run("m.gguf --json --max-evaluations abc");
		expect(code).toBe(2);
		expect(JSON.parse(stdout)).toEqual({ error: { code: "INVALID_OPTION", message: expect.stringContaining("--max-evaluations") } });
	});
});

describe("arguments", () => {
	const everything = { signal: expect.any(AbortSignal), onProgress: expect.any(Function), onLog: expect.any(Function) };

	it("of the default command reach pruneGguf", async () => {
		const line =
			"m.gguf o.gguf --remove-blocks 25% --method paper --max-evaluations 500 --rounds 2 --seed 7 --calibration a.txt b.jsonl --windows 20 --window-length 256 --threads 2 --gpu-layers 3 --save-plan p.json --report r.html --model-card c.md --dry-run --overwrite";
		const { code, calls } = await run(line, { api: { pruneGguf: async () => pruned } });
		expect(code).toBe(0);
		expect(calls).toEqual([
			{
				name: "pruneGguf",
				args: [
					"m.gguf",
					"o.gguf",
					{
						...everything,
						removeBlocks: "25%",
						search: { method: "paper", maxEvaluations: 500, rounds: 2, seed: 7 },
						calibration: ["a.txt", "b.jsonl"],
						windows: 20,
						windowLength: 256,
						threads: 2,
						gpuLayers: 3,
						plan: "p.json",
						report: "r.html",
						modelCard: "c.md",
						dryRun: true,
						overwrite: true,
					},
				],
			},
		]);
	});

	it("turn the report off", async () => {
		const { calls } = await run("m.gguf o.gguf --remove 3 --no-report", { api: { pruneGguf: async () => pruned } });
		expect(calls[0]!.args[2]).toEqual({ ...everything, remove: [3], report: false });
		expect((await run("m.gguf --report")).stderr).toContain("--report: a value is missing");
	});

	it("of the other commands reach their functions", async () => {
		const one = async (line: string) => (await run(line)).calls[0];
		expect(await one("rank 123 --max-evaluations 5")).toEqual({
			name: "rankBlocks",
			args: ["123", { ...everything, search: { maxEvaluations: 5 } }],
		});
		expect(await one("rank m.gguf --granularity half-block")).toEqual({
			name: "rankBlocks",
			args: ["m.gguf", { ...everything, search: { granularity: "half-block" } }],
		});
		expect(await one("rank m.gguf --method common-sets --remove-blocks 4 --strata-preset mamba")).toEqual({
			name: "rankBlocks",
			args: ["m.gguf", { ...everything, removeBlocks: [4], search: { method: "common-sets", strataPreset: "mamba" } }],
		});
		expect(
			await one(
				"compare m.gguf --methods auto,last --remove-blocks 10%,25%,3 --max-tokens 9000 --eval a.txt b.txt --eval-windows 8 --eval-questions q.jsonl r.jsonl --metric accuracy --questions s.jsonl --max-questions 9 --score-share 25% --save-result c.json",
			),
		).toEqual({
			name: "compareMethods",
			args: [
				"m.gguf",
				{
					...everything,
					methods: ["auto", "last"],
					removeBlocks: [3, "10%", "25%"],
					search: { maxTokens: 9000, scoreShare: 0.25 },
					eval: ["a.txt", "b.txt"],
					evalWindows: 8,
					evalQuestions: ["q.jsonl", "r.jsonl"],
					metric: "accuracy",
					questions: "s.jsonl",
					maxQuestions: 9,
					saveResult: "c.json",
				},
			],
		});
		expect(await one("apply m.gguf o.gguf --remove 7,3-4")).toEqual({
			name: "applyPlan",
			args: ["m.gguf", "o.gguf", { ...everything, remove: [3, 4, 7] }],
		});
		expect(await one("evaluate m.gguf --text t.txt --preset full --window-length 256 --remove 0")).toEqual({
			name: "evaluateModel",
			args: ["m.gguf", { ...everything, text: "t.txt", preset: "full", windowLength: 256, remove: [0] }],
		});
		expect(
			await one(
				"m.gguf o.gguf --max-ppl-ratio 1.2 --max-kl .3 --min-accuracy arc=45% --min-accuracy piqa=.6,copa=100% --limit-questions arc.jsonl --limit-questions b.txt --target-size 60MB --ignore-limits",
			),
		).toEqual({
			name: "pruneGguf",
			args: [
				"m.gguf",
				"o.gguf",
				{
					...everything,
					targetSize: 60e6,
					limits: {
						...{ maxPplRatio: 1.2, maxKl: 0.3, minAccuracy: { arc: 0.45, piqa: 0.6, copa: 1 } },
						...{ questions: ["arc.jsonl", "b.txt"], ignore: true },
					},
				},
			],
		});
		expect(await one("apply m.gguf o.gguf --remove 3 --max-kl 1 --seed 4 --windows 20 --window-length 64 --calibration a.txt")).toEqual({
			name: "applyPlan",
			args: [
				"m.gguf",
				"o.gguf",
				{
					...{ ...everything, remove: [3], windows: 20, windowLength: 64, calibration: ["a.txt"] },
					...{ limits: { maxKl: 1 }, search: { seed: 4 } },
				},
			],
		});
		expect(await one("evaluate m.gguf --text t.txt --against o.gguf")).toEqual({
			name: "evaluateModel",
			args: ["m.gguf", { ...everything, text: "t.txt", against: "o.gguf" }],
		});
		expect(await one("apply m.gguf o.gguf --remove 3 --quantize q4_k_m --quantize-from f.gguf")).toEqual({
			name: "applyPlan",
			args: ["m.gguf", "o.gguf", { ...everything, remove: [3], quantize: { type: "Q4_K_M", from: "f.gguf" } }],
		});
		expect(await one("m.gguf o.gguf --remove 3 --quantize Q8_0 --quantized-alternatives")).toEqual({
			name: "pruneGguf",
			args: ["m.gguf", "o.gguf", { ...everything, remove: [3], quantize: "Q8_0", quantizedAlternatives: true }],
		});
		expect(
			await one(
				"frontier m.gguf --target-size 3.5GB --types Q8_0,Q4_K_M --max-blocks 4 --quantize-from f.gguf --method auto --save-result f.json",
			),
		).toEqual({
			name: "findFrontier",
			args: [
				"m.gguf",
				{
					...everything,
					targetSize: 3.5e9,
					quantize: { types: ["Q8_0", "Q4_K_M"], from: "f.gguf" },
					maxBlocks: 4,
					search: { method: "auto" },
					saveResult: "f.json",
				},
			],
		});
		expect((await one("frontier m.gguf --target-size 4GiB --target-compute 1.3"))?.args[1]).toMatchObject({
			targetSize: 4 * 2 ** 30,
			targetCompute: 1.3,
		});
		expect(
			await one("speed m.gguf --remove 3,7-8 --prompt-tokens 128 --generated-tokens 16 --repetitions 9 --context 2048 --threads 2"),
		).toEqual({
			name: "measureSpeed",
			args: [
				"m.gguf",
				{ ...everything, remove: [3, 7, 8], promptTokens: 128, generatedTokens: 16, repetitions: 9, context: 2048, threads: 2 },
			],
		});
		expect(await one("speed m.gguf o.gguf")).toEqual({ name: "measureSpeed", args: ["m.gguf", { ...everything, against: "o.gguf" }] });
		expect(await one("m.gguf o.gguf --target-speedup prompt:1.3 --no-speed --samples 6")).toEqual({
			name: "pruneGguf",
			args: ["m.gguf", "o.gguf", { ...everything, targetSpeedup: { prompt: 1.3 }, speed: false, samples: 6 }],
		});
		expect((await one("m.gguf o.gguf --remove 3 --no-samples"))?.args[2]).toEqual({ ...everything, remove: [3], samples: 0 });
		expect(await one("inspect m.gguf")).toEqual({ name: "inspectModel", args: ["m.gguf"] });
		expect(await one("evaluate m.gguf --questions q.jsonl --max-questions 20 --against o.gguf")).toEqual({
			name: "evaluateQuestions",
			args: ["m.gguf", { ...everything, questions: "q.jsonl", maxQuestions: 20, against: "o.gguf" }],
		});
		expect(await one("rank m.gguf --metric accuracy --questions q.jsonl --calibration a.txt=2 b.txt c.txt=.5")).toEqual({
			name: "rankBlocks",
			args: [
				"m.gguf",
				{
					...everything,
					metric: "accuracy",
					questions: "q.jsonl",
					calibration: [{ path: "a.txt", weight: 2 }, "b.txt", { path: "c.txt", weight: 0.5 }],
				},
			],
		});
		expect((await one("build --backend vulkan --jobs 2"))?.args[0]).toMatchObject({ backend: "vulkan", jobs: 2 });
		expect(await one("runs")).toEqual({ name: "listRuns", args: [] });
		expect(await one("runs list")).toEqual({ name: "listRuns", args: [] });
		expect(await one("runs clean --older-than 30 --model m")).toEqual({ name: "cleanRuns", args: [{ olderThanDays: 30, model: "m" }] });
	});
});

describe("output", () => {
	it("is text for people on standard output, without color when it is no terminal", async () => {
		const { stdout, stderr } = await run("m.gguf", { api: { pruneGguf: async () => pruned } });
		expect(stdout).toContain("Sensible: remove block 7. It costs little.");
		expect(stdout).toContain("Next:\n  prune-gguf m.gguf out.gguf --remove-blocks 1\n");
		expect(stdout).not.toContain("\u001b");
		expect(stderr).toBe("");
	});

	it.each([
		[true, {}, true],
		[true, { NO_COLOR: "1" }, false],
		[false, { FORCE_COLOR: "1" }, true],
		[false, {}, false],
	])("has color on a terminal: tty %s, %j", async (isTTY, env, colored) => {
		const { stdout } = await run("m.gguf", { api: { pruneGguf: async () => pruned }, isTTY, env: env as Record<string, string> });
		expect(stdout.includes("\u001b[")).toBe(colored);
	});

	it.each([
		["xterm", true],
		["dumb", false],
	])("draws its progress again on the terminal %s: %s", async (TERM, drawn) => {
		const pruneGguf: Api["pruneGguf"] = async (_model, _output, { onProgress }) => {
			onProgress?.({ step: 1, steps: 1, name: "Measuring", phase: "Measuring", done: 1, total: 2, unit: "candidates" });
			return pruned;
		};
		const { stderr } = await run("m.gguf", { api: { pruneGguf }, isTTY: true, env: { TERM } });
		expect(stderr.includes("\u001b")).toBe(drawn);
		expect(stderr.endsWith("\n")).toBe(!drawn);
	});

	it("is exactly one document with --json, progress and notes on the other stream", async () => {
		const pruneGguf: Api["pruneGguf"] = async (_model, _output, { onProgress, onLog }) => {
			onLog?.({ level: "note", message: "a note" });
			onLog?.({ level: "debug", message: "llama says" });
			onLog?.({ level: "warning", message: "careful" });
			onProgress?.({ step: 2, steps: 5, name: "Searching", phase: "greedy", done: 1, total: 2, unit: "candidates" });
			return pruned;
		};
		const { stdout, stderr } = await run("m.gguf --json", { api: { pruneGguf } });
		expect(JSON.parse(stdout)).toEqual(JSON.parse(JSON.stringify(pruned, blocksAsText)));
		expect(stdout).toContain('"removed": "7"');
		expect(stderr).toBe("a note\nwarning: careful\n[2/5] Searching  1/2 candidates\n");
		expect((await run("m.gguf --quiet", { api: { pruneGguf } })).stderr).toBe("warning: careful\n");
		expect((await run("m.gguf --verbose", { api: { pruneGguf } })).stderr).toContain("llama says");
	});
});

describe("failures", () => {
	const failing = (error: unknown) => ({ api: { pruneGguf: async () => Promise.reject(error) } });

	it.each([
		[new OutputExistsError("o.gguf exists."), 1, "OUTPUT_EXISTS"],
		[new PruneGgufError("LIMITS_NOT_MET", "too bad."), 3, "LIMITS_NOT_MET"],
		[new Error("bug"), 1, "UNEXPECTED"],
		[new DOMException("stop", "AbortError"), 130, "INTERRUPTED"],
	])("%s exits with %d", async (error, expected, name) => {
		const plain = await run("m.gguf", failing(error));
		expect(plain.code).toBe(expected);
		expect(plain.stdout).toBe("");
		if (expected !== 130) expect(plain.stderr).toContain(`error: ${error.message}\n`);
		const json = await run("m.gguf --json", failing(error));
		expect(JSON.parse(json.stdout).error.code).toBe(name);
	});

	it("show llama.cpp's lines with --verbose", async () => {
		const error = new ModelLoadError("m.gguf cannot be loaded.", { cause: new Error("line 1\nline 2") });
		expect((await run("m.gguf", failing(error))).stderr).toBe(
			"error: m.gguf cannot be loaded.\n(--verbose shows what llama.cpp printed)\n",
		);
		expect((await run("m.gguf --verbose", failing(error))).stderr).toBe(
			"error: m.gguf cannot be loaded.\ncaused by:\n  line 1\n  line 2\n",
		);
	});
});

describe("Ctrl+C", () => {
	it("aborts first and says how to go on, ends at the second", async () => {
		const signals = new EventEmitter();
		const pruneGguf: Api["pruneGguf"] = (_model, _output, { signal }) =>
			new Promise((_, reject) => {
				signal?.addEventListener("abort", () => {
					signals.emit("SIGINT");
					reject(signal.reason);
				});
				setImmediate(() => signals.emit("SIGINT"));
			});
		const { code, stderr, exits, stdout } = await run("m.gguf", { api: { pruneGguf }, signals });
		expect(code).toBe(130);
		expect(exits).toEqual([130]);
		expect(stderr).toContain("run the same command again to go on");
		expect(stdout).toBe("");
		expect(signals.listenerCount("SIGINT")).toBe(0);
		expect(signals.listenerCount("SIGTERM")).toBe(0);
	});

	it("is what a terminal that is closed does too; a second hangup, which shells send, does not end at once", async () => {
		const signals = new EventEmitter();
		const pruneGguf: Api["pruneGguf"] = (_model, _output, { signal }) =>
			new Promise((_, reject) => {
				signal?.addEventListener("abort", () => {
					signals.emit("SIGHUP");
					reject(signal.reason);
				});
				setImmediate(() => signals.emit("SIGHUP") || reject(new Error("nobody listens: the process would be gone")));
			});
		const { code, exits } = await run("m.gguf", { api: { pruneGguf }, signals });
		expect([code, exits]).toEqual([130, []]);
		expect(signals.listenerCount("SIGHUP")).toBe(0);
	});

	it("makes any error of the stopped run an interruption", async () => {
		const signals = new EventEmitter();
		const inspectModel: Api["inspectModel"] = async () => {
			signals.emit("SIGTERM");
			throw new Error("cancelled deep inside");
		};
		const { code, stderr } = await run("inspect m.gguf", { api: { inspectModel }, signals });
		expect(code).toBe(130);
		expect(stderr).not.toContain("run the same command again");
	});
});

it("says what was meant by a word for a number, and by a file without an option", async () => {
	expect((await run("m.gguf -ngl most")).stderr).toContain('expected a whole number from 0 to 9999, all or auto, got "most".');
	expect((await run("m.gguf --device CUDA0,CUDA0")).stderr).toContain('CUDA0 is named twice in "CUDA0,CUDA0".');
	expect((await run("config a.json")).stderr).toContain("--check is missing: prune-gguf config --check a.json\n");
	expect((await run("config")).stderr).toContain("--check is missing: prune-gguf config --check prune.json\n");
});

it("prints errors of the command line as JSON where --json=true asks for it", async () => {
	expect(JSON.parse((await run("m.gguf --json=true --unknown")).stdout)).toMatchObject({ error: { message: expect.any(String) } });
});
