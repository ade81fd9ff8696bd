// Runs test/device/ with one addon.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { root } from "./build.mjs";

/**
 * Prints what vitest prints, then `N passed, N failed`.
 * @param {{ addon: string, env?: Record<string, string>, args?: readonly string[] }} run
 * @returns {Promise<{ ok: boolean, line: string }>} the last line
 */
export async function runDeviceTests({ addon, env = {}, args = [] }) {
	const script = join(root, "scripts", "test.mjs");
	const child = spawn(process.execPath, [script, "--config", "vitest.device.config.ts", ...args], {
		cwd: root,
		stdio: ["ignore", "pipe", "inherit"],
		env: { ...process.env, ...env, PRUNE_GGUF_ADDON: addon },
	});
	let said = "";
	child.stdout.on("data", (chunk) => {
		process.stdout.write(chunk);
		said = (said + chunk).slice(-2000);
	});
	const [code] = await once(child, "close");
	return { ok: code === 0, line: said.trim().split("\n").at(-1) ?? "" };
}
