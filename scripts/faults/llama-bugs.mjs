// Shows faults of the pinned llama.cpp with the smallest files that have them, each beside a file that has not. Nothing of this package checks
// the files before: a process of its own gives them to the addon as they are. docs/research/reliability.md describes the faults.
//   node scripts/faults/llama-bugs.mjs [--keep FOLDER]
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { joinGguf, splitGguf } from "../fuzz/pieces.mjs";
import { modelPath } from "./job.mjs";

const U16 = 2;
const U32 = 4;
const I32 = 5;
const sizes = { [U16]: 2, [U32]: 4, [I32]: 4 };

function bytesOf(size, value) {
	const bytes = Buffer.alloc(8);
	bytes.writeBigUInt64LE(BigInt(value));
	return bytes.subarray(0, size);
}
const text = (value) => Buffer.concat([bytesOf(8, value.length), Buffer.from(value)]);
const key = (name, type, value) => Buffer.concat([text(name), bytesOf(4, type), bytesOf(sizes[type], value)]);
const tensor = (name, dims, offset) =>
	Buffer.concat([text(name), bytesOf(4, dims.length), ...dims.map((dim) => bytesOf(8, dim)), bytesOf(4, 0), bytesOf(8, offset)]);
const head = (tensors, keys) => Buffer.concat([Buffer.from("GGUF"), bytesOf(4, 3), bytesOf(8, tensors), bytesOf(8, keys)]);

/** The 12-block model in parts: its keys and tensors, each as bytes of the header, and the bytes of the tensors. */
function fixture() {
	const { pieces, data } = splitGguf(readFileSync(modelPath));
	const grouped = (part) => {
		const groups = [];
		for (const { index, bytes } of pieces.filter((one) => one.part === part)) groups[index] = [...(groups[index] ?? []), bytes];
		return groups.map((group) => Buffer.concat(group));
	};
	return { keys: grouped("key"), tensors: grouped("tensor"), data };
}

/** @param {{ keys: Buffer[], tensors: Buffer[], data: Buffer, padding?: number }} content `padding`: bytes from the end of the header to a multiple of it */
function fileOf({ keys, tensors, data, padding = 32 }) {
	const bytes = Buffer.concat([head(tensors.length, keys.length), ...keys, ...tensors]);
	return joinGguf({ pieces: [{ bytes }], data, alignment: padding });
}

/** A header whose data begin at a multiple of 8 that is none of 32, by a text of the right length. */
function alignedTo8() {
	const { keys, tensors, data } = fixture();
	for (let length = 0; length < 32; length++) {
		const more = [key("general.alignment", U32, 8), Buffer.concat([text("general.comment"), bytesOf(4, 8), text("x".repeat(length))])];
		const bytes = fileOf({ keys: [...keys, ...more], tensors, data, padding: 8 });
		if ((bytes.length - data.length) % 32 === 8) return bytes;
	}
	throw new Error("no header ends there");
}

/** The model in two files; the number of the second has a type of its own. */
function twoShards(type) {
	const { keys, tensors, data } = fixture();
	const split = (number, kind) => [
		key("split.no", kind, number),
		key("split.count", U16, 2),
		key("split.tensors.count", I32, tensors.length),
	];
	const last = tensors.at(-1);
	// It has the last offset, and the others stay where they are.
	const offset = Number(last.readBigUInt64LE(last.length - 8));
	const moved = Buffer.concat([last.subarray(0, -8), bytesOf(8, 0)]);
	return {
		"model-00001-of-00002.gguf": fileOf({
			keys: [...keys, ...split(0, U16)],
			tensors: tensors.slice(0, -1),
			data: data.subarray(0, offset),
		}),
		"model-00002-of-00002.gguf": fileOf({ keys: split(1, type), tensors: [moved], data: data.subarray(offset) }),
	};
}

/** A model with one more tensor, of these dimensions and without bytes. */
function oneMore(dims) {
	const { keys, tensors, data } = fixture();
	return fileOf({ keys, tensors: [...tensors, tensor("more", dims, data.length)], data });
}

/**
 * @typedef {object} Fault
 * @property {string} name
 * @property {Record<string, Buffer>} wrong files, the one to load first
 * @property {Record<string, Buffer>} sound the same without the fault
 * @property {object} load options of the addon
 * @property {RegExp} shows what the process says of the wrong one
 * @property {RegExp} soundShows what it says of the sound one
 */

const whole = { gpuLayers: 0, devices: [], mmap: true };

/** @returns {Fault[]} */
export const faultsOfLlama = () => [
	{
		name: "alignment",
		wrong: { "model.gguf": alignedTo8() },
		sound: { "model.gguf": readFileSync(modelPath) },
		load: whole,
		shows: /^SIGABRT .*GGML_ASSERT\(\(uintptr_t\)ptr % TENSOR_ALIGNMENT == 0/,
		soundShows: /^0 loaded/,
	},
	{
		name: "split.no",
		wrong: twoShards(U32),
		sound: twoShards(U16),
		load: whole,
		shows: /^SIGABRT .*gguf\.cpp:\d+: GGML_ASSERT\(/,
		soundShows: /^0 loaded/,
	},
	{
		name: "2^64 elements",
		wrong: { "model.gguf": oneMore([2n ** 31n, 2n ** 31n, 4n]) },
		// Half as many do not wrap to 0.
		sound: { "model.gguf": oneMore([2n ** 31n, 2n ** 31n, 2n]) },
		load: { ...whole, vocabularyOnly: true },
		shows: /^0 loaded/,
		soundShows: /^1 .*failed to load model/,
	},
];

const CHILD = `
import { createRequire } from "node:module";
const [addonPath, model, options] = process.argv.slice(1);
const addon = createRequire(import.meta.url)(addonPath);
try {
	const loaded = await addon.NativeModel.load(model, JSON.parse(options), new addon.CancelToken(), () => {});
	loaded.dispose();
	console.log("loaded");
} catch (error) {
	console.log(error.message, error.log ?? "");
	process.exitCode = 1;
}
`;

/** @returns {Promise<string>} how the process ended, and what it said */
function loadInChild(addon, path, options) {
	return new Promise((resolve, reject) => {
		const args = ["--input-type=module", "-e", CHILD, addon, path, JSON.stringify(options)];
		const env = { ...process.env, NODE_OPTIONS: "", GGML_NO_BACKTRACE: "1", PRUNE_GGUF_LLAMA_LOG: "1" };
		const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
		let said = "";
		for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (chunk) => (said += chunk));
		child.on("error", reject);
		child.on("close", (code, signal) => resolve(`${signal ?? code} ${child.killed ? "" : lastFirst(said)}`));
	});
}

/** What is said last comes first: a log may be long. */
const lastFirst = (said) => said.trim().split("\n").reverse().join("\n");

/**
 * Gives both files to llama.cpp.
 * @param {Fault} fault @param {string} addon path of the binary @param {string} folder for the files
 * @returns {Promise<{ wrong: string, sound: string, faults: string[] }>} what was said, and what is not as it was described
 */
export async function showFault({ name, wrong, sound, load, shows, soundShows }, addon, folder) {
	const said = {};
	for (const [kind, files] of Object.entries({ wrong, sound })) {
		const place = join(folder, `${name.replace(/\W+/g, "-")}-${kind}`);
		mkdirSync(place, { recursive: true });
		for (const [file, bytes] of Object.entries(files)) writeFileSync(join(place, file), bytes);
		said[kind] = await loadInChild(addon, join(place, Object.keys(files)[0]), load);
	}
	const faults = [];
	if (!shows.test(said.wrong)) faults.push(`the wrong file: ${said.wrong.slice(0, 600)}`);
	if (!soundShows.test(said.sound)) faults.push(`the sound file: ${said.sound.slice(0, 600)}`);
	return { ...said, faults };
}

async function main() {
	const { values } = parseArgs({ options: { keep: { type: "string" } } });
	const { loadAddon, loadedBinary } = await import(new URL("../../dist/model/runtime/load-addon.js", import.meta.url).href);
	await loadAddon({ build: false });
	const folder = values.keep ?? mkdtempSync(join(tmpdir(), "prune-gguf-llama-"));
	try {
		for (const fault of faultsOfLlama()) {
			const { wrong, sound, faults } = await showFault(fault, loadedBinary().path, folder);
			const lines = [`wrong: ${wrong.split("\n", 2).join(" | ")}`, `sound: ${sound.split("\n", 2).join(" | ")}`];
			process.stdout.write(`${faults.length === 0 ? "shown" : "NOT SHOWN"} ${fault.name}\n  ${lines.join("\n  ")}\n`);
			if (faults.length > 0) process.exitCode = 1;
		}
	} finally {
		if (!values.keep) rmSync(folder, { recursive: true, force: true });
	}
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) await main();
