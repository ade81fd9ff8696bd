// Installs a packed package as users do, in an empty folder with an empty cache, and times it to its first measured candidate.
//   node scripts/package/try-package.mjs PACKAGE.tgz [MODEL.gguf ...] [--with npm|pnpm] [--record]
//
// No script of npm runs, and except on Windows no program but node, npm and sh is in the path: nothing can be compiled. Without a model it
// takes the 12-block model of this clone. It fails if a model is not measured, a delivered binary that fits computes something else than it
// should, another one than a delivered is used, or something was built after all. --record: writes the binaries that passed to
// scripts/prebuild/results.json.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { programs } from "./programs.mjs";
import { recordLosses, tryBinaries } from "./try-binaries.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const windows = process.platform === "win32";

const { values: options, positionals } = parseArgs({
	allowPositionals: true,
	options: { with: { type: "string", default: "npm" }, record: { type: "boolean", default: false } },
});
const [tarball, ...models] = positionals.map((path) => resolve(path));
if (tarball === undefined || !existsSync(tarball)) {
	process.stderr.write("error: name the package: node scripts/package/try-package.mjs PACKAGE.tgz\n");
	process.exit(2);
}
const own = join(root, "fixture", "fixture-12l.gguf");
if (models.length === 0) models.push(own);

/**
 * Prints seconds from its own start, by the clock of the system: to the first measured candidate and, if the third argument is "whole", to the
 * end. Otherwise it stops there: a larger model takes minutes.
 */
const measure = `
import { pruneGguf } from "prune-gguf";
const [model, started, until] = process.argv.slice(2);
const seconds = () => (Date.now() - Number(started)) / 1000;
const enough = new AbortController();
let first;
const run = pruneGguf(model, undefined, {
	removeBlocks: 1,
	search: { effort: "quick" },
	signal: enough.signal,
	onProgress: ({ unit, done }) => {
		if (unit !== "candidates" || done === 0) return;
		first ??= seconds();
		if (until !== "whole") enough.abort();
	},
});
await run.catch((error) => {
	if (!enough.signal.aborted) throw error;
});
console.log(JSON.stringify({ first, ...(until === "whole" ? { all: seconds() } : {}) }));
`;

const allowed = ["node", "npm", "npx", "pnpm", "sh", "env"];
const work = mkdtempSync(join(tmpdir(), "prune-gguf-try-"));
const project = join(work, "project");
const home = join(work, "home");
mkdirSync(project);
writeFileSync(join(project, "package.json"), JSON.stringify({ name: "try", private: true, type: "module" }));
const env = { ...process.env, PRUNE_GGUF_HOME: home, ...(windows ? {} : { PATH: programs(join(work, "programs"), allowed) }) };
delete env.PRUNE_GGUF_ADDON;

function run(command, args, more = {}) {
	// npm is a script there, and no shell leaves a path with spaces as it is.
	const shell = windows && command !== "node";
	const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: project, env: { ...env, ...more }, encoding: "utf8", shell });
	if (status === 0) return stdout;
	throw new Error(`${command} ${args.join(" ")} ended with ${status}: ${error?.message ?? ""}\n${stdout}${stderr}`);
}

/** The binary that doctor says is used. Its command is started without the package manager: pnpm starts it with programs that are not there. */
function usedBinary() {
	const main = join(project, "node_modules", "prune-gguf", "dist", "cli", "main.js");
	say(run("node", [main, "doctor"]).trim());
	const { used, binaries } = JSON.parse(run("node", [main, "doctor", "--json"]));
	return { used, kind: binaries.find(({ verdict }) => verdict === "used")?.kind };
}

/** What must not be there: a build. */
function built() {
	const inPackage = join(project, "node_modules", "prune-gguf", "build");
	return [inPackage, join(home, "build")].filter((folder) => existsSync(folder) && readdirSync(folder).length > 0);
}

const say = (line) => process.stdout.write(`${line}\n`);
try {
	const install = { npm: ["install", "--ignore-scripts", "--no-audit", "--no-fund"], pnpm: ["add", "--ignore-scripts"] }[options.with];
	if (!install) throw new Error(`--with must be npm or pnpm, not ${options.with}`);
	const started = Date.now();
	run(options.with, [...install, tarball]);
	say(
		`${basename(tarball)} installed by ${options.with} ${run(options.with, ["--version"]).trim()} in ${((Date.now() - started) / 1000).toFixed(1)} s`,
	);
	writeFileSync(join(project, "measure.mjs"), measure);
	for (const model of models) {
		const until = model === own ? "whole" : "first";
		const { first, all } = JSON.parse(
			run("node", ["measure.mjs", model, String(Date.now()), until])
				.trim()
				.split("\n")
				.at(-1),
		);
		if (first === undefined) throw new Error(`${model}: no candidate was measured`);
		const chosen = all === undefined ? "" : `, one block chosen after ${all.toFixed(1)} s`;
		say(`${basename(model)}: first measured candidate after ${first.toFixed(2)} s${chosen}`);
	}
	const { used, kind } = usedBinary();
	say(`used: ${used} (${kind})`);
	if (kind !== "prebuilt") throw new Error("the binary in use was not delivered with the package");
	const right = await tryBinaries(project, (args, more) => run("node", args, more));
	say(`the losses of the 12-block model are right with ${right.join(", ")}`);
	const folders = built();
	if (folders.length > 0) throw new Error(`something was built, in ${folders.join(" and ")}`);
	if (options.record) recordLosses(project, right);
} catch (error) {
	process.stderr.write(`error: ${error.message}\n`);
	process.exitCode = 1;
} finally {
	rmSync(work, { recursive: true, force: true });
}
