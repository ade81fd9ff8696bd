import { spawnSync } from "node:child_process";
import { rm } from "node:fs/promises";

/** Removes blocks with llama-quantize: the path of its file, or its error. */
export async function quantizeWithout(
	tool: string,
	model: string,
	removed: readonly number[],
	path: string,
): Promise<{ path: string } | { failed: string }> {
	await rm(path, { force: true });
	const run = spawnSync(tool, ["--prune-layers", removed.join(","), model, path, "COPY"], { encoding: "utf8", timeout: 120_000 });
	if (run.status === 0) return { path };
	const lines = `${run.stdout}\n${run.stderr}`.split("\n").filter((line) => line.trim() !== "");
	return { failed: `${run.signal ?? `exit code ${run.status}`}: ${lines.at(-1) ?? ""}` };
}
