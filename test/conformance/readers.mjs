// Compares a written file with its original as foreign readers see them: @huggingface/gguf, the reader in llama.cpp
// (fixture_tool.cpp) and gguf-py. Everything must be the same except what removing blocks changes.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import { gguf } from "@huggingface/gguf";

const dist = new URL("../../dist/", import.meta.url);
const { tensorBytes } = await import(new URL("model/gguf/index.js", dist));
const { ARCHITECTURES } = await import(new URL("model/architectures/index.js", dist));
const { perBlockKeys } = await import(new URL("model/architectures/entries.js", dist));
const { ownerOfKey, ownerOfTensor } = await import(new URL("model/architectures/owners.js", dist));

/**
 * What a reader sees in a model, in one file or several: a text for each key (type and value, or a hash of it) and each tensor
 * (type, shape, hash of its bytes), in the order of the file. `values` if the reader gives them.
 * @typedef {{ keys: Map<string, string>, tensors: Map<string, string>, values?: Map<string, unknown> }} Reading
 */

/** @param {readonly string[]} paths @returns {Promise<Reading>} */
export async function readByHuggingface(paths) {
	const reading = { keys: new Map(), tensors: new Map(), values: new Map() };
	for (const path of paths) {
		const { typedMetadata, tensorInfos, tensorDataOffset } = await gguf(path, { typedMetadata: true, allowLocalFile: true });
		for (const [key, entry] of Object.entries(typedMetadata)) {
			// The header's own numbers are listed as if they were keys.
			if (["version", "tensor_count", "kv_count"].includes(key) || reading.keys.has(key)) continue;
			reading.values.set(key, entry.value);
			reading.keys.set(key, `${entry.type}/${entry.subType ?? ""} ${textOf(entry.value)}`);
		}
		const handle = await open(path);
		try {
			for (const { name, dtype, shape, offset } of tensorInfos) {
				const bytes = Buffer.alloc(tensorBytes(shape.map(Number), dtype));
				const { bytesRead } = await handle.read(bytes, 0, bytes.length, Number(tensorDataOffset + offset));
				if (bytesRead !== bytes.length) throw new Error(`${name} ends beyond the file`);
				reading.tensors.set(name, `${dtype} ${shape.join("x")} ${createHash("sha256").update(bytes).digest("hex")}`);
			}
		} finally {
			await handle.close();
		}
	}
	return reading;
}

function textOf(value) {
	const text = JSON.stringify(value, (_, part) =>
		typeof part === "bigint" ? `${part}n` : typeof part === "number" && !Number.isFinite(part) ? String(part) : part,
	);
	return text.length > 100 ? createHash("sha256").update(text).digest("hex") : text;
}

/** @param {string} tool @param {readonly string[]} paths @returns {Reading} */
export function readByLlama(tool, paths) {
	return fromLines(run(tool, ["read", ...paths]));
}

const PYTHON = `
import sys, hashlib, gguf
for path in sys.argv[1:]:
    reader = gguf.GGUFReader(path)
    for key, field in reader.fields.items():
        if key.startswith("GGUF."): continue
        parts = hashlib.sha256(b"".join(bytes(part) for part in field.parts[2:])).hexdigest()
        print("key", key, "/".join(t.name for t in field.types), len(field.data), parts, sep="\\t")
    for tensor in reader.tensors:
        print("tensor", tensor.name, tensor.tensor_type.name, "x".join(map(str, tensor.shape)), hashlib.sha256(tensor.data.tobytes()).hexdigest(), sep="\\t")
`;

/** Whether Python and its package gguf are installed. */
export function hasPython() {
	return spawnSync("python3", ["-c", "import gguf"]).status === 0;
}

/** @param {readonly string[]} paths @returns {Reading} */
export function readByPython(paths) {
	return fromLines(run("python3", ["-c", PYTHON, ...paths]));
}

function run(command, args) {
	const { status, signal, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8", timeout: 120_000, maxBuffer: 2 ** 28 });
	// A process that could not be started has no output at all.
	if (status !== 0) throw new Error(`${command} failed (${error?.message ?? signal ?? status}): ${(stderr ?? "").slice(-1000)}`);
	return stdout;
}

function fromLines(text) {
	const reading = { keys: new Map(), tensors: new Map() };
	for (const line of text.split("\n").filter(Boolean)) {
		const [kind, name, ...rest] = line.split("\t");
		const into = kind === "key" ? reading.keys : reading.tensors;
		if (!into.has(name)) into.set(name, rest.join(" "));
	}
	return reading;
}

/** Keys (after the architecture's name) that may be added or replaced, because llama.cpp would otherwise derive them again. */
const STATED = [
	"attention.sliding_window_pattern",
	"attention.recurrent_layers",
	"attention.indexer.types",
	"attention.key_length",
	"attention.value_length",
	"rope.dimension_count",
	"residual_scale",
	"attention.q_lora_rank",
	"expert_gating_func",
];
/** Keys that hold a number of blocks, or block numbers. */
const COUNTS = ["block_count", "leading_dense_block_count", "hash_layer_count", "attention.shared_kv_layers", "ple.layers"];
const SPLIT = ["split.no", "split.count", "split.tensors.count"];

/**
 * Faults that a reader finds in the written file.
 * @param {Reading} before of the original
 * @param {Reading} after of the written file
 * @param {{ architecture: string, blocks: number, removed: readonly number[] }} what `blocks` with the tail
 * @returns {string[]}
 */
export function differences(before, after, { architecture, blocks, removed }) {
	const owner = (rest) => ownerOfTensor(ARCHITECTURES.get(architecture), rest);
	const what = { architecture, blocks, removed };
	const original = attentionsOf(removed).length > 0 && architecture !== "deci" ? relabelled(before, what) : before;
	const now = original === before ? architecture : "deci";
	return [...keyDifferences(original, after, { ...what, architecture: now }), ...tensorDifferences(original, after, removed, owner)];
}

/** Blocks that lose their attention part alone. */
const attentionsOf = (removed) => removed.filter((position) => position % 1 === 0.25).map(Math.floor);

/** Blocks without this half. */
function without(owner, removed) {
	if (owner === "attention") return [...removed.filter((position) => position % 1 !== 0.25).map(Math.ceil), ...attentionsOf(removed)];
	return removed.filter((position) => position % 1 !== 0.25).map(Math.floor);
}

/** What the file of another architecture says under the name that a file without some attentions has, with a number for each block. */
function relabelled({ keys, tensors, values }, { architecture, blocks }) {
	const name = (key) => (key.startsWith(`${architecture}.`) ? `deci.${key.slice(architecture.length + 1)}` : key);
	const renamed = (map) => new Map([...map].map(([key, value]) => [name(key), value]));
	const reading = { keys: renamed(keys), tensors, ...(values ? { values: renamed(values) } : {}) };
	// The name of the architecture is the only text that changes.
	const architectureKey = "general.architecture";
	if (reading.values) {
		reading.values.set(architectureKey, "deci");
		reading.keys.set(architectureKey, keys.get(architectureKey).replace(architecture, "deci"));
	} else reading.keys.set(architectureKey, withHashOf(keys.get(architectureKey), architecture, "deci"));
	const heads = "deci.attention.head_count";
	if (!reading.keys.has(`${heads}_kv`)) reading.keys.set(`${heads}_kv`, keys.get(`${architecture}.attention.head_count`));
	for (const key of PER_BLOCK) {
		const value = reading.values?.get(key) ?? reading.values?.get(heads);
		if (value !== undefined && !Array.isArray(value)) reading.values.set(key, new Array(blocks).fill(value));
	}
	return reading;
}

/** A reader's line with the hash of one text, such as fixture_tool.cpp and Python print it, replaced by that of another. */
function withHashOf(line, text, other) {
	for (const hash of [fnv, sha256OfString]) if (line.includes(hash(text))) return line.replace(hash(text), hash(other));
	throw new Error(`the hash of ${text} is not in ${line}`);
}

function fnv(text) {
	let hash = 0xcbf29ce484222325n;
	for (const byte of Buffer.from(text)) hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
	return hash.toString(16).padStart(16, "0");
}

/** The hash covers the type, the length and the text, as they stand in a file. */
function sha256OfString(text) {
	const head = Buffer.alloc(12);
	head.writeUInt32LE(8);
	head.writeBigUInt64LE(BigInt(Buffer.byteLength(text)), 4);
	return createHash("sha256").update(head).update(text).digest("hex");
}

/** Arrays of every file without some attentions. */
const PER_BLOCK = ["deci.attention.head_count", "deci.attention.head_count_kv", "deci.feed_forward_length"];

/** For each block that is left, the block that its attention is of (undefined without one), and that of its feed-forward part. */
function stackOf(blocks, removed) {
	const gone = { attention: new Set(without("attention", removed)), feedForward: new Set(without("feedForward", removed)) };
	const stack = [];
	let attention;
	for (let block = 0; block < blocks; block++) {
		if (!gone.attention.has(block)) attention = block;
		if (gone.feedForward.has(block)) continue;
		stack.push({ attention, feedForward: block });
		attention = undefined;
	}
	return stack;
}

function keyDifferences(before, after, { architecture, blocks, removed }) {
	const perBlock = perBlockKeys(architecture, ARCHITECTURES.get(architecture));
	const prefix = `${architecture}.`;
	const named = (list, key) => key.startsWith(prefix) && list.includes(key.slice(prefix.length));
	const faults = [];
	for (const [key, text] of before.keys) {
		if (SPLIT.includes(key)) {
			if (after.keys.has(key)) faults.push(`${key} is still there`);
			continue;
		}
		if (key.startsWith("prune_gguf.")) continue;
		const now = after.keys.get(key);
		if (now === undefined) faults.push(`${key} has gone`);
		else if (perBlock.has(key) && Array.isArray(before.values?.get(key)))
			faults.push(...arrayDifferences(key, before, after, blocks, removed));
		else if (now !== text && !perBlock.has(key) && !named(COUNTS, key) && !named(STATED, key)) faults.push(`${key}: ${text} became ${now}`);
	}
	const own = (key) => key.startsWith("prune_gguf.") || named(STATED, key) || key === "general.architecture";
	const added = [...after.keys.keys()].filter((key) => !before.keys.has(key) && !own(key));
	faults.push(...added.map((key) => `${key} was added`));
	const count = after.values?.get(`${prefix}block_count`);
	if (after.values && Number(count) !== Number(before.values.get(`${prefix}block_count`)) - without("feedForward", removed).length)
		faults.push(`block_count is ${count}`);
	return faults;
}

/** Arrays with one entry per block lose those of the removed blocks; entries after the blocks stay. */
function arrayDifferences(key, before, after, blocks, removed) {
	const values = before.values.get(key);
	const itemOf = ({ attention, feedForward }) => {
		if (ownerOfKey(key) === "feedForward") return values[feedForward];
		if (attention !== undefined) return values[attention];
		return /\.head_count(_kv)?$/.test(key) ? 0 : values[feedForward];
	};
	const reached = stackOf(blocks, removed).filter(
		(one) => (ownerOfKey(key) === "feedForward" ? one.feedForward : (one.attention ?? one.feedForward)) < values.length,
	);
	const expected = [...reached.map(itemOf), ...values.slice(blocks)];
	const now = after.values.get(key);
	return textOf(now) === textOf(expected) ? [] : [`${key}: expected ${textOf(expected)}, found ${textOf(now)}`];
}

function tensorDifferences(before, after, removed, owner) {
	const expected = new Map();
	for (const [name, text] of before.tensors) {
		const match = /^blk\.(\d+)\.(.+)$/.exec(name);
		const block = Number(match?.[1]);
		if (match && without(owner(match[2]), removed).includes(block)) continue;
		// A block that is left ends with its feed-forward part.
		const below = without("feedForward", removed).filter((other) => other < block).length;
		expected.set(match ? `blk.${block - below}.${match[2]}` : name, text);
	}
	const names = [...expected.keys()];
	const now = [...after.tensors.keys()];
	if (names.join("\n") !== now.join("\n"))
		return [`the tensors are not the kept ones in their order (${now.length}, expected ${names.length})`];
	return names.filter((name) => after.tensors.get(name) !== expected.get(name)).map((name) => `${name} differs`);
}
