// A byte-level BPE vocabulary of a real size that was learned from nothing: all bytes, then pieces of letters, each made by one merge.
import { seeded } from "./random.mjs";

/** Tokens at the end that stand for no text, as many as Llama 3 has. */
export const specialTokens = 256;
/** Their places among the special tokens are Llama 3's, so that llama.cpp knows the ends by their names. */
const named = { 0: "<|begin_of_text|>", 1: "<|end_of_text|>", 9: "<|eot_id|>" };
/** Letters of a piece at most. */
const longest = 16;
/** `tokenizer.ggml.token_type` */
const [normal, control] = [1, 3];

/** The characters that byte-level vocabularies write bytes as: what can be seen as it is, the rest from U+0100 on. */
export function byteCharacters() {
	const shown = (byte) => (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
	let next = 0x100;
	return Array.from({ length: 256 }, (_, byte) => String.fromCodePoint(shown(byte) ? byte : next++));
}

/**
 * Tokens, their types, and the merges that make them. Each piece is two earlier ones: two letters first, all pairs of them, then pieces
 * drawn at random. A space can only be in front, as in words.
 */
export function makeVocabulary(size, seed) {
	const tokens = byteCharacters();
	const pieces = size - specialTokens;
	if (pieces < tokens.length) throw new Error(`a vocabulary needs at least ${tokens.length + specialTokens} tokens, got ${size}`);
	const known = new Set(tokens);
	const merges = [];
	const space = tokens[0x20];
	const letters = Array.from("abcdefghijklmnopqrstuvwxyz");
	const [begins, inside] = [[space, ...letters], [...letters]];
	const merge = (left, right) => {
		const token = left + right;
		if (tokens.length >= pieces || token.length > longest || known.has(token)) return;
		known.add(token);
		tokens.push(token);
		merges.push(`${left} ${right}`);
		begins.push(token);
		if (!token.startsWith(space)) inside.push(token);
	};
	for (const left of [space, ...letters]) for (const right of letters) merge(left, right);
	const random = seeded(seed);
	const any = (list) => list[Math.floor(random() * list.length)];
	while (tokens.length < pieces) merge(any(begins), any(inside));
	const special = Array.from({ length: specialTokens }, (_, i) => named[i] ?? `<|reserved_special_token_${i}|>`);
	return {
		tokens: [...tokens, ...special],
		types: [...tokens.map(() => normal), ...special.map(() => control)],
		merges,
		...{ bos: pieces, eos: pieces + 1, eot: pieces + 9 },
	};
}
