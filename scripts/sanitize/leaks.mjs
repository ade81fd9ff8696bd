// Looks for leaks that grow: valgrind counts what a short run and a long one lose.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const small = fileURLToPath(new URL("small-run.mjs", import.meta.url));
const SHORT = 1;
const LONG = 4;
/** Bytes more that count as nothing: Node.js itself loses a little, which differs from run to run. */
const NOTHING = 4096;

/**
 * Bytes that are surely lost, of blocks whose stack names our addon or llama.cpp: Node.js frees little at its end, and that is its own.
 * @param {string} log of valgrind's memcheck
 */
export function lostBytes(log) {
	let sum = 0;
	const records = log.split(/^==\d+==\s*$/m);
	for (const record of records) {
		const bytes = /([\d,]+)(?: \([^)]*\))? bytes in [\d,]+ blocks are definitely lost/.exec(record)?.[1];
		if (bytes && /prune_gguf\.node/.test(record)) sum += Number(bytes.replaceAll(",", ""));
	}
	return sum;
}

function lostIn(rounds, folder) {
	const log = join(folder, `${rounds}.log`);
	const options = ["--leak-check=full", "--show-leak-kinds=definite", "--num-callers=30", `--log-file=${log}`, "--error-exitcode=0"];
	const { status, error, stderr } = spawnSync("valgrind", [...options, process.execPath, "--jitless", small, String(rounds)], {
		encoding: "utf8",
	});
	if (error) throw new Error(`valgrind cannot be started: ${error.message}`);
	if (status !== 0) throw new Error(`the small run failed under valgrind: ${stderr.slice(-500)}`);
	return lostBytes(readFileSync(log, "utf8"));
}

/** @param {string} folder for logs @returns {{ growth: number, detail: string }} bytes that the long run lost more, 0 if it is nothing */
export function growthOf(folder) {
	const [short, long] = [SHORT, LONG].map((rounds) => lostIn(rounds, folder));
	const more = long - short;
	return {
		growth: more > NOTHING ? more : 0,
		detail: `${short} bytes lost in ${SHORT} round, ${long} in ${LONG} (each loads a model, measures 24 candidates, samples, and disposes of it)`,
	};
}
