// Ways to damage a sound model, each with its own random choices. Every one gives the bytes of a file.
import { joinGguf, offsetsOf } from "./pieces.mjs";

const integers = [
	0n,
	1n,
	2n,
	3n,
	7n,
	11n,
	13n,
	64n,
	255n,
	512n,
	513n,
	65535n,
	10n ** 7n,
	2n ** 31n - 1n,
	2n ** 31n,
	2n ** 32n - 1n,
	2n ** 53n,
	2n ** 63n,
	2n ** 64n - 1n,
];
const floats = [0, -0, -1e-5, 1e-30, 1e30, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -1];
/** Begins a line only if a text of the file is printed unchanged. */
export const FEIGNED = "error: feigned";
const texts = [
	"",
	"llama",
	"\u001b]52;c;aGk=\u0007",
	"\u009b31m",
	"\u202egguf",
	"../../x",
	"a".repeat(300),
	"\u0000",
	"none",
	"no_vocab",
	"{{",
	`gguf\n${FEIGNED}`,
];
const architectures = [
	"mamba",
	"gemma3",
	"qwen2",
	"rwkv7",
	"bert",
	"t5",
	"deepseek2",
	"mixtral",
	"clip",
	"unknown-arch",
	"gpt2",
	"falcon",
	"llama4",
];
const vocabularies = ["llama", "bert", "gpt2", "t5", "rwkv", "plamo2", "none", "no_vocab", "", "hybriddna", "unknown"];
const alignments = [0n, 1n, 2n, 3n, 8n, 10n, 16n, 33n, 64n, 4096n, 2n ** 20n, 2n ** 31n, 2n ** 32n - 1n];
const ARCHITECTURE = "general.architecture";

const clone = ({ pieces, data }) => ({ pieces: pieces.map((piece) => ({ ...piece, bytes: Buffer.from(piece.bytes) })), data });
const uint = (size, value) => {
	const bytes = Buffer.alloc(8);
	bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
	return bytes.subarray(0, size);
};
const float = (size, value) => {
	const bytes = Buffer.alloc(size);
	if (size === 8) bytes.writeDoubleLE(value);
	else bytes.writeFloatLE(value);
	return bytes;
};
const isFloat = (type) => type === 6 || type === 12;
const string = (text) => [uint(8, BigInt(Buffer.byteLength(text))), Buffer.from(text)];

/** Another value for a field of the same size. */
function otherValue(random, piece) {
	const type = Number(piece.field.split(":")[1]);
	const size = piece.bytes.length;
	return isFloat(type) ? float(size, random.pick(floats)) : uint(size, random.pick(integers));
}

const fieldsOf = (content, test) => content.pieces.filter(test);
const change = (test, to) => (content, random) => {
	const fields = fieldsOf(content, test);
	if (fields.length > 0) {
		const piece = random.pick(fields);
		piece.bytes = to(random, piece);
	}
	return joinGguf(content);
};
const isValueOf = (pattern) => (piece) => piece.part === "key" && pattern.test(piece.owner) && /^value:/.test(piece.field);

/** Sets a text value, including its length. */
function setText(content, key, text) {
	const at = content.pieces.findIndex((piece) => piece.owner === key && piece.field === "valueLength");
	if (at >= 0) [content.pieces[at].bytes, content.pieces[at + 1].bytes] = string(text);
}

/** Adds an entry. */
function addEntry(content, key, type, bytes) {
	const first = content.pieces.findIndex(({ part }) => part === "tensor");
	const make = (field, value) => ({ part: "key", index: -1, field, owner: key, bytes: value });
	const [length, text] = string(key);
	content.pieces.splice(
		first,
		0,
		make("keyLength", length),
		make("key", text),
		make("type", uint(4, BigInt(type))),
		make(`value:${type}`, bytes),
	);
	addTo(content, "entryCount", 1n);
}

function addTo(content, field, count) {
	const piece = content.pieces.find((one) => one.field === field);
	piece.bytes = uint(8, piece.bytes.readBigUInt64LE() + count);
}

/** Replaces an entry with an array of 32-bit numbers, or adds it. */
function setArray(content, key, values) {
	const before = content.pieces.length;
	content.pieces = content.pieces.filter(({ part, owner }) => part !== "key" || owner !== key);
	if (content.pieces.length < before) addTo(content, "entryCount", -1n);
	const items = Buffer.concat(values.map((value) => uint(4, BigInt(value))));
	addEntry(content, key, 9, Buffer.concat([uint(4, 4n), uint(8, BigInt(values.length)), items]));
}

/** All fields of one entry or tensor. */
const groupOf = (content, part, index) => content.pieces.filter((piece) => piece.part === part && piece.index === index);
const countOf = (content, part) => new Set(content.pieces.filter((piece) => piece.part === part).map(({ index }) => index)).size;

function repeatGroup(part, field) {
	return (content, random) => {
		const group = groupOf(content, part, random.below(countOf(content, part)));
		const last = content.pieces.lastIndexOf(group.at(-1));
		content.pieces.splice(last + 1, 0, ...group.map((piece) => ({ ...piece })));
		addTo(content, field, 1n);
		return joinGguf(content);
	};
}

function dropGroup(part, field) {
	return (content, random) => {
		const group = new Set(groupOf(content, part, random.below(countOf(content, part))));
		content.pieces = content.pieces.filter((piece) => !group.has(piece));
		addTo(content, field, -1n);
		return joinGguf(content);
	};
}

/** Cuts the file at the start of a field or within it, or within the weights. */
function truncate(content, random) {
	const file = joinGguf(content);
	const offsets = offsetsOf(content.pieces);
	const at = random.below(content.pieces.length);
	const within = random.below(content.pieces[at].bytes.length + 1);
	const header = offsets.at(-1) + 8;
	return file.subarray(0, random.pick([offsets[at], offsets[at] + within, header, header + random.below(file.length - header)]));
}

/** States another alignment; half of the files are laid out by it. */
function realign(content, random) {
	const alignment = random.pick(alignments);
	addEntry(content, "general.alignment", 4, uint(4, alignment));
	const laid = alignment > 0n && alignment <= 4096n && random.below(2) === 0;
	return joinGguf({ ...content, alignment: laid ? Number(alignment) : 32 });
}

function renameArchitecture(content, random) {
	const to = random.pick([...architectures, ...texts]);
	const keys = random.below(3) > 0;
	for (const [i, piece] of content.pieces.entries()) {
		if (!keys || piece.field !== "key" || !piece.owner.startsWith("llama.")) continue;
		[content.pieces[i - 1].bytes, piece.bytes] = string(to + piece.owner.slice("llama".length));
	}
	setText(content, ARCHITECTURE, to);
	return joinGguf(content);
}

function changeVocabulary(content, random) {
	setText(content, "tokenizer.ggml.model", random.pick(vocabularies));
	if (random.below(2) === 0) {
		const dropped = random.pick(["tokenizer.ggml.merges", "tokenizer.ggml.token_type", "tokenizer.ggml.tokens", "tokenizer.ggml.pre"]);
		const before = content.pieces.length;
		content.pieces = content.pieces.filter((piece) => piece.owner !== dropped);
		if (content.pieces.length < before) addTo(content, "entryCount", -1n);
	}
	return joinGguf(content);
}

/** Many values if a model has one, or one per block. */
function arrayOfCounts(content, random) {
	const name = random.pick([
		"expert_used_count",
		"expert_feed_forward_length",
		"attention.head_count",
		"attention.head_count_kv",
		"feed_forward_length",
		"attention.sliding_window_pattern",
		"block_count",
		"context_length",
	]);
	const length = random.pick([0, 1, 11, 12, 13, 512, 513, 200_000]);
	if (name.startsWith("expert") && random.below(2) === 0) addEntry(content, "llama.expert_count", 4, uint(4, 8n));
	setArray(content, `llama.${name}`, new Array(length).fill(random.pick([0, 1, 2, 4, 2 ** 32 - 1])));
	return joinGguf(content);
}

/** Small tensors after the others, of blocks that exist and of no block. With more than 10,000, llama.cpp takes longer than a run may. */
function manyTensors(content, random) {
	const count = random.pick([1000, 10_000, 70_000]);
	const blocks = random.pick([1, 12, 512]);
	const size = 32;
	const start = Math.ceil(content.data.length / size) * size;
	const infos = Array.from({ length: count }, (_, i) => [
		...string(random.below(4) > 0 ? `blk.${i % blocks}.x${i}.weight` : `x${i}`),
		...[uint(4, 1n), uint(8, 1n), uint(4, 0n), uint(8, BigInt(start + i * size))],
	]);
	content.pieces.push({ part: "tensor", index: -1, field: "tensors", owner: "", bytes: Buffer.concat(infos.flat()) });
	addTo(content, "tensorCount", BigInt(count));
	if (blocks > 12 && random.below(2) === 0) fieldsOf(content, isValueOf(/block_count$/))[0].bytes = uint(4, 512n);
	const more = Buffer.alloc(start - content.data.length + count * size);
	return joinGguf({ ...content, data: Buffer.concat([content.data, more]) });
}

function manyKeys(content, random) {
	const count = random.pick([1000, 16_000, 140_000]);
	const keys = Array.from({ length: count }, (_, i) => [...string(`llama.x${i}`), uint(4, 4n), uint(4, 0n)]);
	const first = content.pieces.findIndex(({ part }) => part === "tensor");
	content.pieces.splice(first, 0, { part: "key", index: -1, field: "keys", owner: "", bytes: Buffer.concat(keys.flat()) });
	addTo(content, "entryCount", BigInt(count));
	return joinGguf(content);
}

function flipHeader(content, random) {
	const file = joinGguf(content);
	const header = offsetsOf(content.pieces).at(-1) + 8;
	for (let i = 0; i <= random.below(8); i++) file[random.below(header)] ^= 1 << random.below(8);
	return file;
}

/** Puts NaN or infinity into the weights of a 32-bit tensor, or random bytes anywhere in the data. */
function spoilWeights(content, random) {
	const data = Buffer.from(content.data);
	const norms = content.pieces.filter(({ part, field, owner }) => part === "tensor" && field === "offset" && owner.includes("norm"));
	if (norms.length > 0 && random.below(2) === 0) {
		data.writeFloatLE(random.pick([Number.NaN, Number.POSITIVE_INFINITY, 1e38]), Number(random.pick(norms).bytes.readBigUInt64LE()));
	} else for (let i = 0; i < 64; i++) data[random.below(data.length)] = random.below(256);
	return joinGguf({ ...content, data });
}

/** Another declared type of a metadata value, with its bytes unchanged. */
const anyKeyType = change(
	({ field }) => field === "type",
	(random) => uint(4, BigInt(random.below(16))),
);

/** Every way, by name. */
export const MUTATIONS = {
	magic: change(
		({ field }) => field === "magic",
		(random, { bytes }) => random.pick([Buffer.from("GGUX"), Buffer.from(bytes).reverse(), Buffer.alloc(4)]),
	),
	version: change(
		({ field }) => field === "version",
		(random) => uint(4, random.pick([0n, 1n, 2n, 4n, 0x03000000n, 2n ** 32n - 1n])),
	),
	counts: change(
		({ field }) => /^(tensor|entry)Count$/.test(field),
		(random) => uint(8, random.pick(integers)),
	),
	"string length": change(
		({ field }) => /Length$/.test(field) && field !== "arrayLength",
		(random) => uint(8, random.pick(integers)),
	),
	"array length": change(
		({ field }) => field === "arrayLength",
		(random) => uint(8, random.pick(integers)),
	),
	"array type": change(
		({ field }) => field === "arrayType",
		(random) => uint(4, BigInt(random.below(16))),
	),
	"array values": change(
		({ field }) => /^array(Values|Strings)/.test(field),
		(random, { bytes }) => {
			const spoilt = Buffer.from(bytes);
			for (let i = 0; i < 16 && spoilt.length > 0; i++) spoilt[random.below(spoilt.length)] = random.below(256);
			return spoilt;
		},
	),
	"value type": anyKeyType,
	value: change(({ part, field }) => part === "key" && /^value:/.test(field), otherValue),
	text: (content, random) => {
		setText(content, random.pick(fieldsOf(content, ({ field }) => field === "valueLength")).owner, random.pick(texts));
		return joinGguf(content);
	},
	"key text": (content, random) => {
		const at = content.pieces.indexOf(random.pick(fieldsOf(content, ({ field }) => field === "key")));
		[content.pieces[at - 1].bytes, content.pieces[at].bytes] = string(random.pick(texts));
		return joinGguf(content);
	},
	"block count": change(isValueOf(/block_count$/), otherValue),
	"head counts": change(
		isValueOf(/head_count|key_length|value_length|rope|embedding_length|feed_forward_length|context_length/),
		otherValue,
	),
	epsilon: change(isValueOf(/epsilon$/), (random, { bytes }) => float(bytes.length, random.pick(floats))),
	"added count": (content, random) => {
		const name = random.pick([
			"expert_count",
			"expert_used_count",
			"nextn_predict_layers",
			"leading_dense_block_count",
			"attention.sliding_window",
			"pooling_type",
			"vocab_size",
			"attention.layer_norm_epsilon",
		]);
		addEntry(content, `llama.${name}`, 4, uint(4, random.pick(integers)));
		return joinGguf(content);
	},
	"array of counts": arrayOfCounts,
	"many tensors": manyTensors,
	"many keys": manyKeys,
	architecture: renameArchitecture,
	vocabulary: changeVocabulary,
	alignment: realign,
	"same key twice": repeatGroup("key", "entryCount"),
	"key missing": dropGroup("key", "entryCount"),
	"same tensor twice": repeatGroup("tensor", "tensorCount"),
	"tensor missing": dropGroup("tensor", "tensorCount"),
	"tensor name": (content, random) => {
		const at = content.pieces.indexOf(random.pick(fieldsOf(content, ({ field }) => field === "name")));
		[content.pieces[at - 1].bytes, content.pieces[at].bytes] = string(
			random.pick([...texts, "blk.4294967295.attn_q.weight", "blk.-1.ffn_up.weight", "blk.99.attn_norm.weight"]),
		);
		return joinGguf(content);
	},
	"dimension count": change(
		({ field }) => field === "dimensionCount",
		(random) => uint(4, random.pick([0n, 1n, 3n, 4n, 5n, 2n ** 31n, 2n ** 32n - 1n])),
	),
	dimension: change(
		({ field }) => field === "dimension",
		(random) => uint(8, random.pick(integers)),
	),
	"tensor type": change(
		({ field }) => field === "tensorType",
		(random) => uint(4, BigInt(random.pick([0, 1, 2, 4, 5, 8, 12, 14, 30, 39, 99, 2 ** 31]))),
	),
	offset: change(
		({ field }) => field === "offset",
		(random) => uint(8, random.pick(integers)),
	),
	truncation: truncate,
	"header bits": flipHeader,
	weights: spoilWeights,
	appended: (content, random) => Buffer.concat([joinGguf(content), Buffer.alloc(1 + random.below(4096), random.below(256))]),
};

/** Names of all ways. */
export const MUTATION_NAMES = Object.keys(MUTATIONS);

/**
 * A damaged copy of a model.
 * @param {{ pieces: import("./pieces.mjs").Piece[], data: Buffer }} content of the sound one; left unchanged
 * @param {string} name one of {@link MUTATION_NAMES}
 * @param {ReturnType<typeof import("./random.mjs").randomOf>} random
 * @returns {Buffer}
 */
export function mutate(content, name, random) {
	return MUTATIONS[name](clone(content), random);
}
