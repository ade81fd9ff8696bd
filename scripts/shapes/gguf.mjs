// A GGUF file of a shape: its header, and its bytes piece by piece.
import { bytesOf, fileTypes, tensorsOf, types } from "./shapes.mjs";
import { makeVocabulary } from "./vocabulary.mjs";
import { bytesOfTensor, Pools } from "./weights.mjs";

/** Bytes that tensors are aligned to, where a file says nothing else. */
const alignment = 32;
/** GGUF's ids of the types of values. */
const ids = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 };

const padding = (bytes) => (alignment - (bytes % alignment)) % alignment;

/** What a file holds: its header, where each tensor lies behind it, and its size. */
export function layoutOf(shape, type, seed) {
	const tensors = tensorsOf(shape, type);
	let offset = 0;
	const placed = tensors.map((tensor) => {
		const bytes = bytesOf(tensor);
		const at = offset;
		offset += bytes + padding(bytes);
		return { tensor, bytes, offset: at };
	});
	const entries = entriesOf(shape, type, seed);
	const head = Buffer.concat([Buffer.from("GGUF"), uint32(3), uint64(tensors.length), uint64(entries.length)]);
	const infos = placed.map(({ tensor: { name, dims, type }, offset }) =>
		Buffer.concat([text(name), uint32(dims.length), ...dims.map(uint64), uint32(types[type].id), uint64(offset)]),
	);
	const header = padded(Buffer.concat([head, ...entries.map(encode), ...infos]));
	return { header, placed, size: header.length + offset };
}

/** All bytes of the file in their order, a few megabytes at a time. */
export function* bytesOfFile({ header, placed }, seed) {
	yield header;
	const pools = new Pools(seed);
	for (const { tensor, bytes } of placed) {
		yield* bytesOfTensor(tensor, pools, seed);
		yield Buffer.alloc(padding(bytes));
	}
}

function entriesOf(shape, type, seed) {
	const { name, blocks, width, heads, kvHeads, headSize, feedForward, vocabulary, context, ropeBase, epsilon } = shape;
	const { tokens, types: kinds, merges, bos, eos, eot } = makeVocabulary(vocabulary, seed);
	const number = (key, value) => [key, "uint32", value];
	return [
		["general.architecture", "string", "llama"],
		["general.type", "string", "model"],
		["general.name", "string", name],
		["general.description", "string", `random weights in the shape of a real model, seed ${seed}: for measuring time and memory only`],
		number("general.file_type", fileTypes[type]),
		number("general.quantization_version", 2),
		number("llama.block_count", blocks),
		number("llama.context_length", context),
		number("llama.embedding_length", width),
		number("llama.feed_forward_length", feedForward),
		number("llama.attention.head_count", heads),
		number("llama.attention.head_count_kv", kvHeads),
		number("llama.attention.key_length", headSize),
		number("llama.attention.value_length", headSize),
		["llama.attention.layer_norm_rms_epsilon", "float32", epsilon],
		number("llama.rope.dimension_count", headSize),
		["llama.rope.freq_base", "float32", ropeBase],
		number("llama.vocab_size", vocabulary),
		["tokenizer.ggml.model", "string", "gpt2"],
		["tokenizer.ggml.pre", "string", "llama-bpe"],
		["tokenizer.ggml.tokens", "array", { of: "string", items: tokens }],
		["tokenizer.ggml.token_type", "array", { of: "int32", items: kinds }],
		["tokenizer.ggml.merges", "array", { of: "string", items: merges }],
		number("tokenizer.ggml.bos_token_id", bos),
		number("tokenizer.ggml.eos_token_id", eos),
		number("tokenizer.ggml.eot_token_id", eot),
		["tokenizer.ggml.add_bos_token", "bool", true],
	];
}

function encode([key, type, value]) {
	return Buffer.concat([text(key), uint32(ids[type]), type === "array" ? array(value) : scalar(type, value)]);
}

function array({ of, items }) {
	return Buffer.concat([uint32(ids[of]), uint64(items.length), ...items.map((item) => scalar(of, item))]);
}

function scalar(type, value) {
	if (type === "string") return text(value);
	if (type === "bool") return Buffer.of(value ? 1 : 0);
	const bytes = Buffer.alloc(4);
	if (type === "float32") bytes.writeFloatLE(value);
	else if (type === "int32") bytes.writeInt32LE(value);
	else bytes.writeUInt32LE(value);
	return bytes;
}

function text(value) {
	const bytes = Buffer.from(value);
	return Buffer.concat([uint64(bytes.length), bytes]);
}

function uint32(value) {
	return scalar("uint32", value);
}

function uint64(value) {
	const bytes = Buffer.alloc(8);
	bytes.writeBigUInt64LE(BigInt(value));
	return bytes;
}

function padded(bytes) {
	return Buffer.concat([bytes, Buffer.alloc(padding(bytes.length))]);
}
