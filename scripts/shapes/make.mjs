// Writes a model of random weights in the shape of a real one: for measuring time, memory and disk. It can do nothing else.
//   node scripts/shapes/make.mjs --shape 1b|3b|8b --type Q8_0|Q4_0 --output FILE [--seed 0]
import { open, rm, statfs } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { bytesOfFile, layoutOf } from "./gguf.mjs";
import { fileTypes, madeShapes, shapes } from "./shapes.mjs";

/** Bytes of the disk to leave free: a disk that is full to the last byte disturbs others. */
const spare = 2 ** 28;

/**
 * Writes the file piece by piece, so that memory holds a few megabytes of it. Its bytes depend on the shape, the type and the seed alone.
 * @returns its size
 * @throws where the output exists, or its disk has no room
 */
export async function makeModel(output, { shape: name, type, seed = 0, onProgress = () => {} }) {
	const shape = shapes[name];
	if (!shape || shape.experts) throw new Error(`unknown shape ${name}; known are ${madeShapes.join(", ")}`);
	if (fileTypes[type] === undefined) throw new Error(`unknown type ${type}; known are ${Object.keys(fileTypes).join(", ")}`);
	const layout = layoutOf(shape, type, seed);
	await checkRoom(output, layout.size);
	// Fails where the file is there: it never replaces one.
	const handle = await open(output, "wx");
	try {
		let done = 0;
		for (const bytes of bytesOfFile(layout, seed)) {
			for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
			done += bytes.length;
			onProgress(done / layout.size);
		}
		await handle.sync();
		await handle.close();
	} catch (error) {
		await handle.close().catch(() => {});
		await rm(output, { force: true });
		throw error;
	}
	return layout.size;
}

async function checkRoom(output, size) {
	const folder = dirname(resolve(output));
	const { bavail, bsize } = await statfs(folder);
	const free = bavail * bsize;
	if (free < size + spare) throw new Error(`${output} takes ${gigabytes(size)}, and ${folder} has ${gigabytes(free)} free`);
}

const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(2)} GB`;

async function main() {
	const { values } = parseArgs({
		options: {
			shape: { type: "string" },
			type: { type: "string", default: "Q8_0" },
			output: { type: "string" },
			seed: { type: "string", default: "0" },
		},
	});
	if (!values.shape || !values.output) throw new Error("usage: make.mjs --shape 1b|3b|8b --type Q8_0|Q4_0 --output FILE [--seed 0]");
	const started = performance.now();
	let tenth = 0;
	const onProgress = (share) => {
		if (Math.floor(10 * share) <= tenth) return;
		tenth = Math.floor(10 * share);
		process.stderr.write(`${10 * tenth} %\n`);
	};
	const size = await makeModel(values.output, { ...values, seed: Number(values.seed), onProgress });
	process.stdout.write(`${values.output}: ${gigabytes(size)} in ${((performance.now() - started) / 1000).toFixed(0)} s\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
	await main().catch((error) => {
		process.stderr.write(`${error.message}\n`);
		process.exitCode = 1;
	});
