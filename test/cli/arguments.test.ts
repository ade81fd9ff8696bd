import { describe, expect, it } from "vitest";
import { cli } from "./helpers.js";

// How words of the command line are read before yargs sees them: short options, `--heal`, the default command by its name, old spellings.

const callOf = async (line: string) => (await cli(line.split(" "))).calls[0];
const given = async (line: string) => {
	const call = await callOf(line);
	const { signal: _, onProgress: __, onLog: ___, ...options } = call!.args.at(-1) as Record<string, unknown>;
	return options;
};

describe("short options", () => {
	it.each([
		["-ngl 99", { gpuLayers: 99 }],
		["-ngl99", { gpuLayers: 99 }],
		["-ngl=99", { gpuLayers: 99 }],
		["-ngl -1", { gpuLayers: "auto" }],
		["-ngl-1", { gpuLayers: "auto" }],
		["-ngl all", { gpuLayers: "all" }],
		["--device CUDA0,CUDA1 --split-mode row", { devices: ["CUDA0", "CUDA1"], splitMode: "row" }],
		["-n 6", { removeBlocks: 6 }],
		["-n6", { removeBlocks: 6 }],
		["-n=6", { removeBlocks: 6 }],
		["-n 25%", { removeBlocks: "25%" }],
		["-n25%", { removeBlocks: "25%" }],
		["-t 4", { threads: 4 }],
		["-t4", { threads: 4 }],
		["-t4 -n6 -ngl 2 -q", { threads: 4, removeBlocks: 6, gpuLayers: 2 }],
	])("%s", async (words, options) => {
		expect(await given(`m.gguf o.gguf ${words}`)).toEqual(options);
		expect(await given(`prune ${words} m.gguf o.gguf`)).toEqual(options);
	});

	it("take lists where the command does", async () => {
		expect(await given("rank m.gguf -n3,6")).toEqual({ removeBlocks: [3, 6] });
		expect(await given("compare m.gguf -n 3,6,10%")).toEqual({ removeBlocks: [3, 6, "10%"] });
	});

	it("-q is --quiet", async () => {
		const inspect = { api: { inspectModel: async () => Promise.reject(new Error("stop")) } };
		expect((await cli(["inspect", "m.gguf", "-q"], inspect)).code).toBe(1);
	});
});

describe("--heal", () => {
	it.each([
		["--heal", true],
		["--heal=10m", { time: 600 }],
		["--heal=25600", { tokens: 25600 }],
		["--no-heal", false],
		["--heal=true", true],
		["--heal --heal-kind map", { kind: "map" }],
	])("%s", async (words, heal) => {
		expect(await given(`${words} m.gguf o.gguf`)).toEqual({ heal });
		expect(await given(`m.gguf o.gguf ${words}`)).toEqual({ heal });
	});

	it("does not take the word behind it", async () => {
		const call = await callOf("m.gguf --heal o.gguf");
		expect(call!.args.slice(0, 2)).toEqual(["m.gguf", "o.gguf"]);
	});
});

describe("values", () => {
	it.each([
		["--target-speedup 1.3", { targetSpeedup: 1.3 }],
		["--target-speedup prompt:1.3", { targetSpeedup: { prompt: 1.3 } }],
		["--target-speedup generation:2", { targetSpeedup: { generation: 2 } }],
		["--state-bytes 1GiB --reference-bytes 1073741824", { search: { stateBytes: 2 ** 30, referenceBytes: 2 ** 30 } }],
		["--state-bytes 0", { search: { stateBytes: 0 } }],
	])("%s", async (words, options) => {
		expect(await given(`m.gguf ${words}`)).toEqual(options);
	});
});

it("the default command has a name", async () => {
	expect((await callOf("prune m.gguf o.gguf --remove 3"))!.args.slice(0, 2)).toEqual(["m.gguf", "o.gguf"]);
	expect((await callOf("./prune o.gguf --remove 3"))!.args.slice(0, 2)).toEqual(["./prune", "o.gguf"]);
});

describe("an old spelling", () => {
	it.each([
		["m.gguf --remove-fraction 25%", "--remove-fraction", "--remove-blocks 25%"],
		["m.gguf --removeFraction=25%", "--remove-fraction", "--remove-blocks 25%"],
		["compare m.gguf --remove-fraction 10%,25%", "--remove-fraction", "--remove-blocks 10%,25%"],
		["m.gguf o.gguf --heal --heal-tokens 25600", "--heal-tokens", "--heal=25600"],
		["frontier m.gguf --heal-time 10m", "--heal-time", "--heal=10m"],
		["apply m.gguf o.gguf --heal-time", "--heal-time", "--heal=10m"],
		["frontier m.gguf --heal-time 3600", "--heal-time", "--heal=3600s"],
		["m.gguf --remove-fraction 0.25", "--remove-fraction", "--remove-blocks 25%"],
		["m.gguf --remove-fraction .07", "--remove-fraction", "--remove-blocks 7%"],
		["compare m.gguf --remove-blocks 3,6 --remove-fraction 0.1", "--remove-fraction", "--remove-blocks 3,6,10%"],
		["compare m.gguf -n3,6 --remove-fraction 0.1,25%", "--remove-fraction", "--remove-blocks 3,6,10%,25%"],
		["m.gguf --target-speedup 1.4 --speedup-of prompt", "--speedup-of", "--target-speedup prompt:1.4"],
		["frontier m.gguf --target-speedup 1.4 --speedup-of generation", "--speedup-of", "--target-speedup 1.4"],
		["build --back-end cuda", "--back-end", "--backend cuda"],
		["m.gguf --masks 500", "--masks", "--max-evaluations 500"],
		["rank m.gguf --masks 500", "--masks", "--max-evaluations 500"],
		["compare m.gguf --masks 500", "--masks", "--max-evaluations 500"],
		["frontier m.gguf --masks=500", "--masks", "--max-evaluations 500"],
		["m.gguf --attribution-masks 9", "--attribution-masks", "--attribution-samples 9"],
		["rank m.gguf --objective kl", "--objective", "--metric kl"],
		["m.gguf --objective nll", "--objective", "--metric loss"],
		["compare m.gguf --limit 9", "--limit", "--max-questions 9"],
		["evaluate m.gguf --questions q.jsonl --limit 9", "--limit", "--max-questions 9"],
		["apply m.gguf o.gguf --gate-questions q.jsonl", "--gate-questions", "--limit-questions q.jsonl"],
		["m.gguf o.gguf --ignore-gate", "--ignore-gate", "--ignore-limits"],
		["evaluate m.gguf --text a --context 64", "--context", "--window-length 64"],
		["compare m.gguf --output a.json", "--output", "--save-result a.json"],
		["frontier m.gguf --output a.json", "--output", "--save-result a.json"],
	])("%s", async (line, was, now) => {
		const { code, stderr, calls } = await cli(line.split(" "));
		expect([code, calls]).toEqual([2, []]);
		expect(stderr).toContain(`error: ${was} is not an option any more: use ${now}\n`);
	});

	it("of a value", async () => {
		const { code, stderr } = await cli(["m.gguf", "--metric", "nll"]);
		expect([code, stderr]).toEqual([2, expect.stringContaining("--metric nll has another name now: use --metric loss")]);
	});

	it("means nothing to commands that never had it", async () => {
		expect((await cli(["speed", "m.gguf", "--masks", "5"])).stderr).toContain("Unknown argument: --masks");
		expect((await callOf("speed m.gguf --context 2048"))!.args[1]).toMatchObject({ context: 2048 });
	});
});

it("--heal refuses a value without =, unless it is a file", async () => {
	for (const value of ["10m", "25600", "1.5h"]) {
		const { code, stderr, calls } = await cli(["m.gguf", "-n", "4", "--heal", value]);
		expect([code, calls]).toEqual([2, []]);
		expect(stderr).toContain(`--heal takes its value with =: --heal=${value}`);
	}
});

describe("short switches in one word", () => {
	it.each(["-qn 4", "-qn4", "-qn=4"])("%s", async (words) => {
		const { calls } = await cli(`m.gguf o.gguf ${words}`.split(" "));
		expect(calls[0]!.args.slice(0, 2)).toEqual(["m.gguf", "o.gguf"]);
		expect(calls[0]!.args[2]).toMatchObject({ removeBlocks: 4 });
	});

	it("ask for the help too", async () => {
		expect((await cli(["rank", "-qh"])).stdout).toContain("Usage: prune-gguf rank");
	});
});

describe("words behind --", () => {
	it.each([
		["m.gguf --remove 3 -- o.gguf", ["m.gguf", "o.gguf"]],
		["--remove 3 -- -m.gguf rank", ["./-m.gguf", "./rank"]],
		["m.gguf --remove 3 --calibration a.txt b.txt -- o.gguf", ["m.gguf", "o.gguf"]],
		["apply --remove 3 -- m.gguf -o.gguf", ["m.gguf", "./-o.gguf"]],
	])("are files: %s", async (line, files) => {
		const call = await callOf(line);
		expect(call!.args.slice(0, 2)).toEqual(files);
	});
});
