// Builds the addon for a backend, for tests: what runs load by default stays as it is.
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** The clone. */
export const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/\/$/, "");

/**
 * Needs `npm run build` first. Progress goes to standard error.
 * @param {string} backend
 * @returns {Promise<{ addon: string, rpcServer?: string, seconds: number }>}
 */
export async function buildFor(backend, options = {}) {
	const { compileAddon } = await import("../../dist/model/runtime/build.js");
	const active = join(root, "build", "active.json");
	const before = existsSync(active) ? readFileSync(active) : undefined;
	let last = -1;
	const onStep = ({ step, fraction }) => {
		const tenth = Math.floor(10 * fraction);
		if (tenth === last) return;
		last = tenth;
		process.stderr.write(`${backend}: ${step}: ${10 * tenth} % after ${Math.round(process.uptime())} s\n`);
	};
	try {
		return await compileAddon({ backend, asked: false, onStep, ...options });
	} finally {
		if (before) writeFileSync(active, before);
		else rmSync(active, { force: true });
	}
}

/** llama.cpp's generator of small models, which the tests of architectures use: part of the build for the CPU. */
export async function buildGenerator() {
	if (existsSync(join(root, "build", "cpu", "test-llama-archs"))) return;
	await buildFor("cpu", { referenceTools: true });
}

/** Ends a script with a plain message, as `error: ...`. */
export function fail(error) {
	process.stderr.write(`error: ${error instanceof Error ? error.message : error}\n`);
	process.exitCode = 1;
}
