import { InvalidGgufError } from "../../errors.js";
import type { GgufFile } from "../gguf/file.js";

/** Values of `tokenizer.ggml.model` that llama.cpp loads without a tokenizer (llama-vocab.cpp:1949). */
const NONE = ["none", "no_vocab"];
const BYTES = 256;
/** Values of `tokenizer.ggml.token_type` that are removed from a text before it is cut into characters: unknown, control, user-defined. */
const SPECIAL = [2, 3, 4];
const USER_DEFINED = 4;
/** What SentencePiece writes for a space. */
const SPACE = "\u2581";

/**
 * Refuses a text that llama.cpp cannot tokenize, since it would end the process.
 * @param parseSpecial as in `Model.tokenize`
 * @throws InvalidGgufError
 */
export type CheckText = (text: string, parseSpecial: boolean) => void;

/** What a model's vocabulary can tokenize. */
export function textCheckOf(file: GgufFile): CheckText {
	const kind = file.value("tokenizer.ggml.model");
	if (NONE.includes(String(kind))) {
		return () => refuse(file, `it has no vocabulary (tokenizer.ggml.model is ${kind})`);
	}
	return kind === "llama" ? piecesCheck(file) : () => {};
}

/** A SentencePiece vocabulary starts from the characters of a text, and needs a token for each byte of a character that it lacks. */
function piecesCheck(file: GgufFile): CheckText {
	const tokens = (file.array("tokenizer.ggml.tokens") ?? []).map(String);
	const known = new Set(tokens);
	const lacking = new Set(
		Array.from({ length: BYTES }, (_, byte) => byte).filter((byte) => !byteTokens(byte).some((token) => known.has(token))),
	);
	if (lacking.size === 0) return () => {};
	const types = file.array("tokenizer.ggml.token_type") ?? [];
	const prefix = file.value("tokenizer.ggml.add_space_prefix") === false ? "" : " ";
	return (text, parseSpecial) => {
		const taken = parseSpecial ? SPECIAL : [USER_DEFINED];
		const whole = tokens.filter((token, i) => token !== "" && taken.includes(Number(types[i])));
		const cut = whole.reduce((rest, token) => rest.replaceAll(token, ""), text);
		const pieces = cut === "" ? "" : `${prefix}${cut}`.replaceAll(" ", SPACE);
		for (const character of new Set(pieces)) {
			const byte = known.has(character) ? undefined : Buffer.from(character).find((one) => lacking.has(one));
			if (byte !== undefined)
				refuse(file, `its vocabulary has no token for ${JSON.stringify(character)}, and none for its bytes (${byteTokens(byte)[0]})`);
		}
	};
}

/** How llama.cpp writes a byte: its token, or else the byte itself (escaped by `gguf/text.ts` if it is not valid text). */
function byteTokens(byte: number): string[] {
	const hexadecimal = byte.toString(16).toUpperCase().padStart(2, "0");
	return [`<0x${hexadecimal}>`, String.fromCharCode(byte < 128 ? byte : 0xdc00 + byte)];
}

function refuse(file: GgufFile, why: string): never {
	throw new InvalidGgufError(
		`${file.paths[0]}: text cannot be turned into tokens of this model: ${why}; convert the model again, with its tokenizer`,
	);
}
