// Folders and processes of a script, which must not outlive it, however it ends.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folders = new Set();
const children = new Set();

/** A folder for temporary files. @param {string} name @returns {{ path: string, remove(): void }} */
export function temporaryFolder(name) {
	const path = mkdtempSync(join(tmpdir(), `prune-gguf-${name}-`));
	folders.add(path);
	return {
		path,
		remove() {
			folders.delete(path);
			rmSync(path, { recursive: true, force: true });
		},
	};
}

/** Ends a process with this one. @template {import("node:child_process").ChildProcess} T @param {T} child @returns {T} */
export function endWithUs(child) {
	children.add(child);
	child.on("close", () => children.delete(child));
	return child;
}

/** For the program, not for a test that imports a part of it: from now on a signal ends what was started, and deletes the folders. */
export function cleanOnSignals() {
	process.on("exit", () => {
		for (const child of children) child.kill("SIGKILL");
		for (const path of folders) rmSync(path, { recursive: true, force: true, maxRetries: 3 });
	});
	for (const [signal, code] of Object.entries({ SIGINT: 130, SIGTERM: 143, SIGHUP: 129 })) process.on(signal, () => process.exit(code));
}
