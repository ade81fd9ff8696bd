import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, vi } from "vitest";
import { BuildError } from "../../../src/errors.js";
import { runTool } from "../../../src/model/runtime/run-tool.js";
import { tempFolder } from "../../helpers/temp-folder.js";

const folder = tempFolder();
const node = (code: string) => [process.execPath, "-e", code];
const isAlive = (pid: number) => {
	try {
		process.kill(pid, 0);
		return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
	} catch {
		return false;
	}
};

describe("runTool", () => {
	it("hands over lines, whatever the pieces they come in", async () => {
		const lines: string[] = [];
		await runTool(node(`process.stdout.write("[ 1"); setTimeout(() => console.log("0%] a\\n[ 20%] b"), 30)`), {
			onLine: (line) => lines.push(line),
		});
		expect(lines).toEqual(["[ 10%] a", "[ 20%] b"]);
	});

	it("shows the last lines of a program that fails, and says when one is not there", async () => {
		const failing = runTool(node(`for (let i = 0; i < 100; i++) console.error("line " + i); process.exitCode = 3`));
		await expect(failing).rejects.toThrow(BuildError);
		await expect(failing).rejects.toThrow(/ended with 3[\s\S]*line 70\n[\s\S]*line 99/);
		await expect(runTool(["no-such-program"])).rejects.toThrow(/no-such-program could not be started/);
	});

	it("has programs write English, whose lines are understood, and leaves the rest of the environment alone", async () => {
		vi.stubEnv("LC_ALL", "de_DE.UTF-8");
		vi.stubEnv("PRUNE_GGUF_TEST", "as it was");
		const lines: string[] = [];
		try {
			await runTool(node("console.log(process.env.LC_ALL, process.env.PRUNE_GGUF_TEST)"), { onLine: (line) => lines.push(line) });
		} finally {
			vi.unstubAllEnvs();
		}
		expect(lines).toEqual(["C as it was"]);
	});

	it.skipIf(process.platform !== "linux")("ends the program and everything that it has started, at once", async () => {
		const reason = new Error("enough");
		await expect(runTool(node(""), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
		const pidFile = join(folder, "pid");
		// Like make: a child that would run for a minute, started by one that waits for it.
		const code = `
			const child = require("node:child_process").spawn(process.execPath, ["-e", "setTimeout(() => {}, 60000)"], { stdio: "inherit" });
			require("node:fs").writeFileSync(${JSON.stringify(pidFile)}, String(child.pid));
			console.log("started");
		`;
		const controller = new AbortController();
		let aborted = 0;
		const job = runTool(node(code), {
			signal: controller.signal,
			onLine: () => {
				aborted = performance.now();
				controller.abort(reason);
			},
		});
		await expect(job).rejects.toBe(reason);
		expect(performance.now() - aborted).toBeLessThan(500);
		const pid = Number(readFileSync(pidFile, "utf8"));
		for (let i = 0; i < 50 && isAlive(pid); i++) await new Promise((resolve) => setTimeout(resolve, 20));
		expect(isAlive(pid)).toBe(false);
	});
});
