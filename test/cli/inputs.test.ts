import { execFileSync } from "node:child_process";
import { mkdirSync, realpathSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inspectModel } from "../../src/jobs/inspect.js";
import { readInput } from "../../src/storage/input-file.js";
import { hashFile } from "../../src/storage/hash.js";
import { fixturePath, mainPath, runNode } from "../helpers/fixture.js";
import { tempFolder } from "../helpers/temp-folder.js";

const folder = tempFolder();
const at = (name: string) => join(folder, name);
let server: Server;

// A pipe without a writer: a program that opens it waits, and only SIGKILL ends it.
describe.skipIf(process.platform === "win32")("what is no regular file is refused at once", () => {
	beforeAll(async () => {
		execFileSync("mkfifo", [at("pipe"), at("pipe.jsonl")]);
		mkdirSync(at("folder"));
		writeFileSync(at("plain.txt"), "text");
		server = createServer();
		await new Promise<void>((resolve) => server.listen(at("socket"), resolve));
	});
	afterAll(() => server.close());

	const questions = [at("pipe.jsonl"), /pipe\.jsonl is a pipe .*not a regular file: give JSON Lines/] as const;
	const model = [
		at("pipe"),
		/pipe is a pipe \(save what comes out of it first\), not a regular file: give the path of a GGUF file/,
	] as const;
	const config = (option: string) =>
		[at("pipe"), new RegExp(`${option}: .*pipe is a pipe .*not a regular file: give a config file`), 2] as const;
	const text = [at("pipe"), /pipe is a pipe .*not a regular file: give plain text/] as const;

	it.each<[string, (pipe: string) => string[], readonly [path: string, message: RegExp, code?: number]]>([
		["a model", (pipe) => ["inspect", pipe], model],
		["a model to prune", (pipe) => [pipe], model],
		["a model to compare with", (pipe) => ["evaluate", fixturePath, "--text", at("plain.txt"), "--against", pipe], model],
		["a model beside another", (pipe) => ["speed", fixturePath, pipe], model],
		["weights to quantize", (pipe) => [fixturePath, at("o.gguf"), "--remove", "3", "--quantize", "Q4_0", "--quantize-from", pipe], model],
		["a text", (pipe) => ["evaluate", fixturePath, "--text", pipe], text],
		["calibration text", (pipe) => ["rank", fixturePath, "--calibration", pipe], text],
		["text to compare on", (pipe) => ["compare", fixturePath, "--eval", pipe], text],
		["questions", (pipe) => ["evaluate", fixturePath, "--questions", pipe], questions],
		["questions to search on", (pipe) => ["rank", fixturePath, "--metric", "accuracy", "--questions", pipe], questions],
		["questions to compare on", (pipe) => ["compare", fixturePath, "--eval-questions", pipe], questions],
		["questions of a limit", (pipe) => [fixturePath, "--min-accuracy", "pipe=45%", "--limit-questions", pipe], questions],
		["a plan", (pipe) => ["apply", fixturePath, at("o.gguf"), "--plan", pipe], [at("pipe"), /pipe is a pipe .*give a plan of prune-gguf/]],
		["a config file", (pipe) => [fixturePath, "--config", pipe], config("--config")],
		["a config file to check", (pipe) => ["config", "--check", pipe], config("--check")],
	])("%s", async (_, args, [pipe, message, expected = 1]) => {
		const onStart = (child: { kill(signal: NodeJS.Signals): boolean }) => setTimeout(() => child.kill("SIGKILL"), 20_000).unref();
		const { code, signal, stderr } = await runNode([mainPath, ...args(pipe)], { env: { PRUNE_GGUF_HOME: at("home") }, onStart });
		expect([code, signal], stderr).toEqual([expected, null]);
		expect(stderr).toMatch(message);
	});

	it.each([
		["folder", "a folder"],
		["socket", "a socket"],
		["/dev/null", "a device"],
		["pipe", "a pipe"],
	])("%s", async (name, kind) => {
		const path = name.startsWith("/") ? name : at(name);
		const message = `${path} is ${kind}`;
		await expect(inspectModel(path)).rejects.toMatchObject({ code: "FILE_ERROR", message: expect.stringContaining(message) });
		await expect(readInput(path, { what: "the plan", give: "one" })).rejects.toThrow(`the plan ${message}`);
		await expect(hashFile(path)).rejects.toThrow(message);
	});

	it("a config file without an end, or of more than a megabyte", async () => {
		writeFileSync(at("long.json"), `{ "remove-blocks": 4${" ".repeat(2 ** 20)}}`);
		for (const [path, message] of [
			["/dev/zero", /\/dev\/zero is a device.*not a regular file: give a config file/],
			[at("long.json"), /long\.json has more than 1048576 bytes: give a config file/],
		] as const)
			for (const args of [
				[fixturePath, "--config", path],
				["config", "--check", path],
			]) {
				const { code, stderr } = await runNode([mainPath, ...args], { env: { PRUNE_GGUF_HOME: at("home") } });
				expect(code, stderr).toBe(2);
				expect(stderr).toMatch(message);
			}
	});

	it("standard input where it is a pipe", () => {
		const run = () =>
			execFileSync("sh", ["-c", 'echo text | "$0" "$1" evaluate "$2" --text /dev/stdin 2>&1', process.execPath, mainPath, fixturePath], {
				encoding: "utf8",
			});
		expect(run).toThrow(expect.objectContaining({ status: 1, stdout: expect.stringMatching(/the text \/dev\/stdin is a pipe/) }));
	});
});

describe("what cannot be read comes with what to do", () => {
	const said = async (path: string, bytes?: string | Buffer) => {
		if (bytes !== undefined) writeFileSync(at(path), bytes);
		const { code, stderr } = await runNode([mainPath, path], { cwd: folder, env: { PRUNE_GGUF_HOME: at("home") } });
		expect(code, stderr).toBe(1);
		return stderr;
	};

	it("a file that is not there: where it was looked for", async () => {
		expect(await said("no.gguf")).toContain(
			`no.gguf cannot be read: there is no such file (looked for at ${join(realpathSync(folder), "no.gguf")}): check the path`,
		);
		expect(await said(at("no.gguf"))).toContain(`${at("no.gguf")} cannot be read: there is no such file: check the path`);
		writeFileSync(at("plain"), "text");
		expect(await said(join("plain", "no.gguf"))).toMatch(/there is no such file .*check the path/);
	});

	it.each([
		["random bytes", Buffer.from([0x9b, 0x4f, 0xdb, 0x37, ...Array(100).fill(7)]), /not a GGUF file: give the path of one, or convert/],
		["a web page", "<!doctype html><title>Not found</title>", /not a GGUF file: it looks like a web page, so download the model itself/],
		[
			"a pointer of Git LFS",
			"version https://git-lfs.github.com/spec/v1\n",
			/not a GGUF file: if it is a pointer of Git LFS, run git lfs pull/,
		],
		["nothing", "", /cut short or damaged: download or copy it again/],
	])("%s instead of a model", async (_, bytes, advice) => {
		expect(await said("other.gguf", bytes)).toMatch(advice);
	});
});
