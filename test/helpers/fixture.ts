import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Coalition } from "../../src/game/coalition.js";
import { contentOf, encodeEntry, type GgufContent, GgufFile, writeGguf } from "../../src/model/gguf/index.js";
import { firstWindows, makeWindows, type TokenWindows } from "../../src/model/runtime/windows.js";

const inRepository = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));

/** The project's own 12-block model: context 256, 1,024 tokens. */
export const fixturePath = inRepository("fixture/fixture-12l.gguf");
export const blocks = 12;
/** Compiled command line and public entry: users run them, and child processes and workers import them. */
export const mainPath = inRepository("dist/cli/main.js");
export const entryUrl = new URL("../../dist/index.js", import.meta.url).href;
/** llama_decode and nothing else, and a plain sum over the logits (bench/plain_decode.cpp). */
export const plainDecodeTool = inRepository("build/cpu/plain-decode");
export const perplexityTool = inRepository("build/cpu/llama.cpp/tools/perplexity/llama-perplexity");

/** The first of the ten windows of 128 tokens on which the fixture's game was measured. */
export function fixtureWindows(count = 10, length = 128): TokenWindows {
	const bytes = readFileSync(inRepository("fixture/fixture-12l.windows-10x128.i32"));
	const tokens = new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
	if (length === 128) return firstWindows(makeWindows(tokens, 128), count);
	// Longer and shorter ones are cut from the same tokens: a loss must not depend on the shape alone.
	const body = tokens.subarray(0, Math.floor(tokens.length / length) * length);
	return firstWindows(makeWindows(body, length), count);
}

export const removing = (...removed: number[]) => Coalition.ofRemoved(blocks, removed);
export const fullSet = Coalition.full(blocks);
export const mean = (losses: ArrayLike<number>) => Array.from(losses).reduce((sum, loss) => sum + loss, 0) / losses.length;

/** Writes a changed copy of the fixture. */
export async function changedFixture(path: string, change: (content: GgufContent) => GgufContent): Promise<string> {
	const file = await GgufFile.read(fixturePath);
	const handle = await open(path, "w");
	try {
		await writeGguf(handle, change(contentOf(file)));
	} finally {
		await handle.close();
	}
	return path;
}

/** A copy of the fixture that names another architecture of the same tensors. */
export function renamedFixture(folder: string, architecture: string): Promise<string> {
	return changedFixture(join(folder, `${architecture}.gguf`), (content) => ({
		...content,
		entries: content.entries.map((entry) => {
			if (entry.key === "general.architecture") return encodeEntry(entry.key, "string", architecture);
			return entry.key.startsWith("llama.") ? { ...entry, key: architecture + entry.key.slice("llama".length) } : entry;
		}),
	}));
}

/** A copy of the fixture with the ChatML template. */
export function chatFixture(path: string): Promise<string> {
	const template =
		"{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}";
	return changedFixture(path, (content) => ({
		...content,
		entries: [...content.entries, encodeEntry("tokenizer.chat_template", "string", template)],
	}));
}

export interface ChildRun {
	code: number | null;
	signal: NodeJS.Signals | null;
	stdout: string;
	stderr: string;
}

export interface ChildSetup {
	env?: Record<string, string>;
	cwd?: string;
	/** Called with the process and its output so far, whenever it writes. */
	onOutput?: (child: { kill(signal: NodeJS.Signals): boolean; pid?: number | undefined }, stdout: string, stderr: string) => void;
	onStart?: (child: { kill(signal: NodeJS.Signals): boolean; pid?: number | undefined }) => void;
}

/** Runs node in a separate process: what might end a process must not end the tests. */
export function runNode(args: readonly string[], { env = {}, cwd, onOutput, onStart }: ChildSetup = {}): Promise<ChildRun> {
	return new Promise((resolve, reject) => {
		const child = spawn(process.execPath, args, {
			env: { ...process.env, NODE_OPTIONS: "", ...env },
			...(cwd ? { cwd } : {}),
			stdio: ["ignore", "pipe", "pipe"],
		});
		const run = { stdout: "", stderr: "" };
		for (const name of ["stdout", "stderr"] as const) {
			child[name].setEncoding("utf8").on("data", (text: string) => {
				run[name] += text;
				onOutput?.(child, run.stdout, run.stderr);
			});
		}
		child.on("error", reject);
		child.on("close", (code, signal) => resolve({ code, signal, ...run }));
		onStart?.(child);
	});
}

/** Runs an ES module given as text; `api` is the public entry. */
export function runModule(code: string, setup: ChildSetup = {}): Promise<ChildRun> {
	return runNode(["--input-type=module", "-e", `import * as api from ${JSON.stringify(entryUrl)};\n${code}`], setup);
}
