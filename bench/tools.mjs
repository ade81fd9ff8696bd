// What the benchmarks run besides the evaluator: plain llama_decode, llama-bench, llama-quantize and llama-perplexity.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { GgufFile, removeBlocks, writeGguf } from "../dist/index.js";

const build = fileURLToPath(new URL("../build/cpu/", import.meta.url));
const tool = (name) =>
	name === "plain-decode"
		? join(build, name)
		: join(build, "llama.cpp", "tools", name.replace("llama-", "").replace("bench", "llama-bench"), name);

export const scratch = mkdtempSync(join(tmpdir(), "prune-gguf-bench-"));

function run(name, args, env = {}) {
	const started = performance.now();
	const { status, stdout, stderr, error } = spawnSync(tool(name), args.map(String), {
		encoding: "utf8",
		maxBuffer: 2 ** 26,
		env: { ...process.env, ...env },
	});
	if (error || status !== 0)
		throw new Error(`${name} ${args.join(" ")} failed (built by npm test): ${error?.message ?? stderr.slice(-500)}`);
	return { stdout, seconds: (performance.now() - started) / 1000 };
}

let files = 0;

/**
 * Seconds of plain llama_decode over the windows, one per repeat. `every`: logits at every n-th position; `rebuild`: the graph is built
 * again for every decode (an environment variable of llama.cpp's src/llama-context.cpp).
 */
export function plainDecode(model, windows, { ubatch, threads, repeats = 1, every = 1, rebuild = false }) {
	const path = join(scratch, `tokens-${files++}.i32`);
	writeFileSync(path, Buffer.from(windows.tokens.buffer, windows.tokens.byteOffset, windows.tokens.byteLength));
	const { stdout } = run("plain-decode", [model, path, windows.length, ubatch, threads, repeats, every], {
		LLAMA_GRAPH_REUSE_DISABLE: rebuild ? "1" : "0",
	});
	return JSON.parse(stdout).milliseconds.map((ms) => ms / 1000);
}

/** A batch of masks, measured in a separate process (measure.mjs). */
export function measureApart(model, windows, shape, masks, { share, alone } = {}) {
	const tokens = join(scratch, `tokens-${files++}.i32`);
	writeFileSync(tokens, Buffer.from(windows.tokens.buffer, windows.tokens.byteOffset, windows.tokens.byteLength));
	const { ubatch, threads } = shape;
	const job = {
		model,
		tokens,
		length: windows.length,
		shape: { ubatch, threads },
		masks: masks.map((mask) => mask.removed()),
		share,
		alone,
	};
	const path = join(scratch, "job.json");
	writeFileSync(path, JSON.stringify(job));
	const program = fileURLToPath(new URL("measure.mjs", import.meta.url));
	const { status, stdout, stderr } = spawnSync(process.execPath, [program, path], { encoding: "utf8", maxBuffer: 2 ** 26 });
	if (status !== 0) throw new Error(`measure.mjs failed: ${stderr.slice(-500)}`);
	return JSON.parse(stdout);
}

/** The measured commit, and whether files differ from it. */
export function commit() {
	const root = fileURLToPath(new URL("..", import.meta.url));
	const git = (...args) => spawnSync("git", args, { cwd: root, encoding: "utf8" }).stdout?.trim() ?? "";
	const changed =
		git("status", "--porcelain", "--", "native", "cmake", "CMakeLists.txt", "vendor", "src", "bench", ":!bench/results.json").length > 0;
	return `${git("rev-parse", "--short", "HEAD")}${changed ? ", changed" : ""}`;
}

/** Tokens per second of llama-bench pp512. */
export function llamaBench(model, threads) {
	const { stdout } = run("llama-bench", ["-m", model, "-p", 512, "-n", 0, "-t", threads, "-r", 3, "-o", "json"]);
	return JSON.parse(stdout)[0].avg_ts;
}

/** Seconds that a user of the two tools spends on one set: a file without the blocks, then its perplexity on as much text. */
export function quantizeAndPerplexity(model, removed, text, { length, windows, threads }) {
	const output = join(scratch, "user.gguf");
	const excerpt = join(scratch, "user.txt");
	// Eight bytes per token are more than any text takes; the rest of a book would be tokenized for nothing.
	writeFileSync(excerpt, readFileSync(text).subarray(0, 8 * length * windows));
	const quantize = run("llama-quantize", ["--prune-layers", removed.join(","), model, output, "COPY", threads]);
	const perplexity = run("llama-perplexity", ["-m", output, "-f", excerpt, "-c", length, "-b", 512, "--chunks", windows, "-t", threads]);
	return quantize.seconds + perplexity.seconds;
}

/** A file with the first `count` blocks of a model. */
export async function firstBlocks(model, blocks, count) {
	const path = join(scratch, `first-${count}-${files++}.gguf`);
	const removed = Array.from({ length: blocks - count }, (_, i) => count + i);
	const content = removeBlocks(await GgufFile.read(model), removed, { version: "bench" });
	const handle = await open(path, "w");
	try {
		await writeGguf(handle, content);
	} finally {
		await handle.close();
	}
	return path;
}
