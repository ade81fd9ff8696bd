// Looks for leaks that grow: valgrind counts what a short run and a long one lose.
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const small = fileURLToPath(new URL("small-run.mjs", import.meta.url));
const native = fileURLToPath(new URL("../../native/", import.meta.url));
const SHORT = 1;
const LONG = 4;
/** Bytes more that count as nothing: Node.js itself loses a little, which differs from run to run. */
const NOTHING = 4096;

/** Sources of ours and of llama.cpp, as a stack names them if the addon has debug information; else it names the addon. */
const ours = new Set(readdirSync(native));
const isOurs = (record) =>
	/prune_gguf\.node/.test(record) ||
	[...record.matchAll(/\(([\w.-]+):\d+\)/g)].some(([, file]) => ours.has(file) || /^(?:ggml|llama|gguf)/.test(file));

/**
 * Bytes that are surely lost, of blocks whose stack names our addon or llama.cpp: Node.js frees little at its end, and that is its own.
 * @param {string} log of valgrind's memcheck
 */
export function lostBytes(log) {
	let sum = 0;
	for (const record of log.split(/^==\d+==\s*$/m)) {
		const bytes = /([\d,]+)(?: \([^)]*\))? bytes in [\d,]+ blocks are definitely lost/.exec(record)?.[1];
		if (bytes && isOurs(record)) sum += Number(bytes.replaceAll(",", ""));
	}
	return sum;
}

/**
 * Wrong uses of memory in our addon or in llama.cpp: those whose innermost frame is there.
 * @param {string} log of valgrind's memcheck
 */
export function wrongUses(log) {
	const kinds =
		/==\d+== (Invalid (?:read|write|free)|Mismatched free|Conditional jump|Use of uninitialised|Syscall param|Source and destination overlap)/;
	const wrong = log.split(/^==\d+==\s*$/m).filter((record) => kinds.test(record));
	return wrong.filter((record) => isOurs(/==\d+== {4}at .*$/m.exec(record)?.[0] ?? "")).length;
}

/**
 * A binary that valgrind can run: it knows no AVX-512, which a build for this processor may use.
 * @param {string} root of the clone
 * @returns {string} what `PRUNE_GGUF_ADDON` names, else the prebuilt one without AVX-512
 * @throws {Error} with what to do, if there is none
 */
export function addonForValgrind(root) {
	if (process.env.PRUNE_GGUF_ADDON) return process.env.PRUNE_GGUF_ADDON;
	const prebuilt = `linux-${process.arch}${process.arch === "x64" ? "-avx2" : ""}`;
	const path = join(root, "prebuilds", prebuilt, "prune_gguf.node");
	if (existsSync(path)) return path;
	throw new Error(
		`valgrind needs a binary without AVX-512: make one with npm run prebuild -- ${prebuilt}, or name one in PRUNE_GGUF_ADDON`,
	);
}

function lostIn(rounds, folder, addon) {
	const log = join(folder, `${rounds}.log`);
	const options = ["--leak-check=full", "--show-leak-kinds=definite", "--num-callers=30", `--log-file=${log}`, "--error-exitcode=0"];
	process.stderr.write(`\n> valgrind ${options.join(" ")} node --jitless ${small} ${rounds}\n`);
	const { status, signal, error, stdout, stderr } = spawnSync(
		"valgrind",
		[...options, process.execPath, "--jitless", small, String(rounds)],
		{
			encoding: "utf8",
			env: { ...process.env, PRUNE_GGUF_ADDON: addon },
		},
	);
	if (error) throw new Error(`valgrind cannot be started: ${error.message}`);
	// The run counts its rounds: a log of one that ended early would show no leak.
	if (status !== 0 || !stdout.includes(`${rounds} rounds`))
		throw new Error(`the small run failed under valgrind (${signal ?? status}): ${stderr.slice(-500)}`);
	const text = readFileSync(log, "utf8");
	return { lost: lostBytes(text), wrong: wrongUses(text) };
}

/**
 * @param {string} folder for logs
 * @param {string} addon path of the binary
 * @returns {{ clean: boolean, detail: string }} not clean if the long run lost more, or used memory wrongly
 */
export function growthOf(folder, addon) {
	const [short, long] = [SHORT, LONG].map((rounds) => lostIn(rounds, folder, addon));
	return {
		clean: long.lost - short.lost <= NOTHING && long.wrong === 0,
		detail:
			`${short.lost} bytes lost in ${SHORT} round, ${long.lost} in ${LONG}; ${long.wrong} wrong uses of memory; ` +
			"each round loads a model, measures 24 candidates, samples, and disposes of it",
	};
}
