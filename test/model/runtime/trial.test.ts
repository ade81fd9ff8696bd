import type * as childProcess from "node:child_process";
import { spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { describeBlocks } from "../../../src/model/architectures/index.js";
import { ModelLoadError } from "../../../src/errors.js";
import { encodeEntry, type GgufContent, type GgufEntry, GgufFile } from "../../../src/model/gguf/index.js";
import { findAddon } from "../../../src/model/runtime/load-addon.js";
import * as child from "../../../src/model/runtime/child.js";
import { Model } from "../../../src/model/runtime/model.js";
import { passedHere, tryModel } from "../../../src/model/runtime/trial.js";
import { changedFixture, fixturePath } from "../../helpers/fixture.js";
import { ownHomes } from "../../helpers/home.js";

vi.mock("node:child_process", async (original) => {
	const real = await original<typeof childProcess>();
	return { ...real, spawn: vi.fn(real.spawn) };
});
vi.mock("../../../src/model/runtime/child.js", async (original) => {
	const real = await original<typeof child>();
	return { ...real, runChild: vi.fn(real.runChild) };
});

const { folder, home, fresh } = ownHomes();
const children = vi.mocked(child.runChild);
beforeEach(() => {
	children.mockClear();
	passedHere.clear();
});

const changed = (name: string, change: (content: GgufContent) => GgufContent) => changedFixture(join(folder, `${name}.gguf`), change);
const stating = (content: GgufContent, ...entries: GgufEntry[]): GgufContent => {
	const keys = new Set(entries.map(({ key }) => key));
	return { ...content, entries: [...content.entries.filter(({ key }) => !keys.has(key)), ...entries] };
};

/** A trial of a file that skips the checks of known faults. */
async function trial(path: string, more: { signal?: AbortSignal } = {}): Promise<void> {
	const file = await GgufFile.read(path);
	await tryModel({ file, blocks: describeBlocks(file), addon: findAddon()!, mmap: true, threads: 2, ...more });
}

/** Whether a process exists. */
const lives = (pid: number) => {
	try {
		return process.kill(pid, 0);
	} catch {
		return false;
	}
};

async function gone(pid: number): Promise<boolean> {
	for (let i = 0; i < 100 && lives(pid); i++) await new Promise((resolve) => setTimeout(resolve, 50));
	return !lives(pid);
}

describe("a file that llama.cpp ends the process for", () => {
	it.each<[string, (content: GgufContent) => GgufContent, RegExp]>([
		[
			"while it is loaded",
			(content) => ({ ...stating(content, encodeEntry("general.alignment", "uint32", 8)), alignment: 8 }),
			/\(SIGABRT\) while loading it, .*GGML_ASSERT\(.*TENSOR_ALIGNMENT/,
		],
		[
			"while it computes",
			(content) => stating(content, encodeEntry("llama.attention.layer_norm_rms_epsilon", "float32", -1)),
			/\(SIGABRT\) while computing with it, .*GGML_ASSERT\(eps >= 0/,
		],
	])("is refused with its last words: %s", async (name, change, message) => {
		const path = await changed(name.replaceAll(" ", "-"), change);
		const tried = trial(path);
		await expect(tried).rejects.toThrow(ModelLoadError);
		await expect(tried).rejects.toThrow(message);
		// A file that ends the process is tried again.
		await expect(trial(path)).rejects.toThrow(message);
		expect(children).toHaveBeenCalledTimes(2);
	});

	it("is refused by Model.load where no check knows the fault", async () => {
		const path = await changed("no-start", (content) => {
			const less = { ...content, entries: content.entries.filter(({ key }) => key !== "tokenizer.ggml.bos_token_id") };
			return stating(less, encodeEntry("tokenizer.ggml.model", "string", "t5"), encodeEntry("tokenizer.ggml.add_bos_token", "bool", true));
		});
		const error = await Model.load(path).catch((thrown: unknown) => thrown);
		expect(error).toBeInstanceOf(ModelLoadError);
		expect((error as Error).message).toMatch(/while making tokens of a text, .*GGML_ASSERT\(special_bos_id/);
		expect(((error as Error).cause as Error).message).toContain("GGML_ASSERT(special_bos_id");
	});
});

describe("a file that was tried before", () => {
	it("goes straight, until it is another file or is loaded another way", async () => {
		const path = join(folder, "copy.gguf");
		copyFileSync(fixturePath, path);
		const load = async (options = {}) => (await Model.load(path, options)).dispose();
		const calls = async (work: () => Promise<void>) => {
			children.mockClear();
			await work();
			return children.mock.calls.length;
		};
		expect(await calls(load)).toBe(1);
		expect(await calls(load)).toBe(0);
		expect(await calls(() => load({ gpuLayers: 0 }))).toBe(0);
		expect(await calls(() => load({ mmap: false }))).toBe(1);
		// The same length, another weight.
		const bytes = readFileSync(path);
		bytes[bytes.length - 1]! ^= 1;
		writeFileSync(path, bytes);
		expect(await calls(load)).toBe(1);
		expect(await calls(load)).toBe(0);
		// Another process reads it in the record, which another cache folder lacks.
		passedHere.clear();
		expect(await calls(load)).toBe(0);
		process.env.PRUNE_GGUF_HOME = fresh("other");
		expect(await calls(load)).toBe(0);
		passedHere.clear();
		expect(await calls(load)).toBe(1);
	});

	it("is tried in each process where the cache cannot be written, without an error", async () => {
		const blocked = fresh("file");
		writeFileSync(blocked, "no folder");
		process.env.PRUNE_GGUF_HOME = join(blocked, "home");
		await trial(fixturePath);
		await trial(fixturePath);
		expect(children).toHaveBeenCalledTimes(1);
		passedHere.clear();
		await trial(fixturePath);
		expect(children).toHaveBeenCalledTimes(2);
	});

	it("is remembered in a file that does not grow without end", async () => {
		await trial(fixturePath);
		const record = join(home(), "tried.txt");
		const [line] = readFileSync(record, "utf8").split("\n");
		writeFileSync(record, `${"0".repeat(64)}\n`.repeat(5000));
		passedHere.clear();
		await trial(fixturePath);
		const lines = readFileSync(record, "utf8").trim().split("\n");
		expect(lines.length).toBeLessThan(3100);
		expect(lines.at(-1)).toBe(line);
	});
});

describe("the process that tries", () => {
	it("ends when the signal aborts, and nothing is remembered", async () => {
		const controller = new AbortController();
		const reason = new Error("enough");
		setTimeout(() => controller.abort(reason), 20);
		await expect(trial(fixturePath, { signal: controller.signal })).rejects.toBe(reason);
		expect(existsSync(join(home(), "tried.txt"))).toBe(false);
	});

	it.each([
		["not permitted", "ERR_ACCESS_DENIED"],
		["of no memory", "ENOMEM"],
	])("is no error where none can be started, %s", async (_, code) => {
		vi.mocked(spawn).mockImplementationOnce(() => {
			throw Object.assign(new Error("spawn failed"), { code });
		});
		await trial(fixturePath);
		expect(existsSync(join(home(), "tried.txt"))).toBe(false);
	});

	it("is no error where no file handle is left for its streams", async () => {
		vi.mocked(spawn).mockImplementationOnce(() => {
			const none = new EventEmitter();
			setImmediate(() => none.emit("error", new Error("EMFILE")));
			return none as childProcess.ChildProcess;
		});
		await trial(fixturePath);
	});

	it.each(["exit code 1", "exit code 7", "SIGSEGV", "SIGKILL"])(
		"says nothing of the file where it ends (%s) before it opens it",
		async (cause) => {
			children.mockResolvedValueOnce({ done: false, cause, log: ["no"] });
			await trial(fixturePath);
			expect(existsSync(join(home(), "tried.txt"))).toBe(false);
		},
	);

	it("says nothing of the file where it does not begin", async () => {
		vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
		try {
			children.mockImplementationOnce(
				({ signal }) =>
					new Promise((_, reject) => {
						signal!.addEventListener("abort", () => reject(signal!.reason));
						vi.advanceTimersByTime(15_000);
					}),
			);
			await trial(fixturePath);
		} finally {
			vi.useRealTimers();
		}
		expect(existsSync(join(home(), "tried.txt"))).toBe(false);
	});

	it("starts none itself, and takes no graphics device", async () => {
		await trial(fixturePath);
		const [{ env, request }] = children.mock.calls[0]!;
		expect(request).toMatchObject({ load: { gpuLayers: 0 } });
		expect(env).toMatchObject({
			CUDA_VISIBLE_DEVICES: "-1",
			HIP_VISIBLE_DEVICES: "-1",
			GGML_VK_VISIBLE_DEVICES: "",
			PRUNE_GGUF_TRIAL: "1",
		});
		passedHere.clear();
		process.env.PRUNE_GGUF_HOME = fresh("other");
		process.env.PRUNE_GGUF_TRIAL = "1";
		try {
			await trial(fixturePath);
		} finally {
			delete process.env.PRUNE_GGUF_TRIAL;
		}
		expect(children).toHaveBeenCalledTimes(1);
	});

	it("ends with what it has started, which holds its output", async () => {
		const entry = join(folder, "starts.mjs");
		const code = 'require("node:child_process"); setInterval(() => {}, 1000)';
		writeFileSync(
			entry,
			`import { spawn } from "node:child_process"; console.log(spawn(process.execPath, ["-e", ${JSON.stringify(code)}], { stdio: "inherit" }).pid);`,
		);
		let pid = 0;
		const onLine = (line: string) => {
			pid = Number(line);
			return true;
		};
		expect(await child.runChild({ entry, request: {}, onLine })).toMatchObject({ done: true });
		expect(await gone(pid)).toBe(true);
	});

	it("ends with the process that started it", async () => {
		const entry = fileURLToPath(new URL("../../../src/model/runtime/trial-child.mjs", import.meta.url));
		const code = `const c = require("node:child_process").spawn(process.execPath, [${JSON.stringify(entry)}], { stdio: ["pipe", "ignore", "ignore"], detached: true });
			console.log(c.pid); setInterval(() => {}, 1000);`;
		const parent = spawn(process.execPath, ["-e", code], { stdio: ["ignore", "pipe", "inherit"] });
		const pid = await new Promise<number>((resolve) => parent.stdout.once("data", (text) => resolve(Number(text))));
		expect(lives(pid)).toBe(true);
		parent.kill("SIGKILL");
		expect(await gone(pid)).toBe(true);
	});

	it("has ended when the trial is over", async () => {
		const entry = join(folder, "hangs.mjs");
		writeFileSync(entry, "console.log(process.pid); console.error('first'); console.error('last'); setInterval(() => {}, 1000);");
		let pid = 0;
		const onLine = (line: string) => {
			pid = Number(line);
			return true;
		};
		expect(await child.runChild({ entry, request: {}, onLine })).toMatchObject({ done: true });
		expect(lives(pid)).toBe(false);
	});

	it("that dies by itself says how, with its last lines", async () => {
		const entry = join(folder, "dies.mjs");
		writeFileSync(entry, "for (let i = 0; i < 30; i++) console.error('line', i); process.exitCode = 7;");
		const end = await child.runChild({ entry, request: {}, onLine: () => false });
		expect(end).toMatchObject({ done: false, cause: "exit code 7" });
		expect(end.log).toEqual(Array.from({ length: 20 }, (_, i) => `line ${i + 10}`));
	});
});
