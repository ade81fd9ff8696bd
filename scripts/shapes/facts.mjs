// What of a model its time, memory and disk depend on: of a shape, or of a file's header.
import { fileURLToPath } from "node:url";
import { bytesOf, elementsOf, shapes, tensorsOf } from "./shapes.mjs";

/** Facts of a shape whose weights have this type. */
export function factsOfShape(name, type) {
	const shape = shapes[name];
	const tensors = tensorsOf(shape, type).map((tensor) => ({ name: tensor.name, weights: elementsOf(tensor), bytes: bytesOf(tensor) }));
	const { blocks, width, kvHeads, headSize, vocabulary, experts = 1, activeExperts = 1 } = shape;
	return factsOf(tensors, {
		...{ name: `${shape.name}.${type}`, blocks, width, vocabulary },
		...{ kvWidth: 2 * kvHeads * headSize, activeShare: activeExperts / experts, quick: type === "Q8_0", chat: false },
	});
}

/** Of a GGUF file, by its header. It needs a build of the project. */
export async function factsOfFile(path) {
	const { GgufFile } = await import(fileURLToPath(new URL("../../dist/model/gguf/index.js", import.meta.url)));
	return factsOfHeader(await GgufFile.read(path), path);
}

export function factsOfHeader(file, path) {
	const number = (key) => Number(file.value(`${file.architecture}.${key}`) ?? 0) || 0;
	const tensors = file.tensors.map(({ name, dims, source }) => ({
		name,
		weights: dims.reduce((product, dim) => product * dim, 1),
		bytes: source.size,
	}));
	const [width, heads] = [number("embedding_length"), number("attention.head_count")];
	const headSize = number("attention.key_length") || Math.ceil(width / Math.max(1, heads));
	const q8 = file.tensors.reduce((sum, { type, source }) => sum + (type === 8 ? source.size : 0), 0);
	return factsOf(tensors, {
		...{ name: path.split("/").at(-1), blocks: number("block_count"), width },
		vocabulary: file.tensor("token_embd.weight")?.dims[1] ?? 0,
		kvWidth: 2 * (number("attention.head_count_kv") || heads) * headSize,
		activeShare: number("expert_count") > 0 ? number("expert_used_count") / number("expert_count") : 1,
		chat: file.entry("tokenizer.chat_template") !== undefined,
		// A copy of the weights cannot pay where most of them are of the quickest type already.
		quick: q8 >= 0.8 * tensors.reduce((sum, { bytes }) => sum + bytes, 0),
	});
}

/** `active`: weights that a token meets; of experts those that are used. */
function factsOf(tensors, { activeShare, ...known }) {
	const sum = (list, value) => list.reduce((total, tensor) => total + value(tensor), 0);
	const inBlocks = tensors.filter(({ name }) => name.startsWith("blk."));
	const active = ({ name, weights }) => (name.includes("_exps.") ? weights * activeShare : weights);
	const activeBytes = ({ name, bytes }) => (name.includes("_exps.") ? bytes * activeShare : bytes);
	const head = tensors.find(({ name }) => name === "output.weight") ?? tensors.find(({ name }) => name === "token_embd.weight");
	return {
		...known,
		bytes: sum(tensors, ({ bytes }) => bytes),
		weights: sum(tensors, ({ weights }) => weights),
		blockBytes: sum(inBlocks, ({ bytes }) => bytes),
		/** What a token of a prompt computes with, and what it takes beside that where its logits are wanted. */
		activeBlockWeights: sum(inBlocks, active),
		headWeights: head?.weights ?? 0,
		/** What is read for each generated token. */
		activeBytes: sum(inBlocks, activeBytes) + (head?.bytes ?? 0),
	};
}
