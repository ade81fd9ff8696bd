import { type FileType, fileTypeNames } from "./api.js";
import { UsageError } from "./exit.js";
import { groups, textValue, valueOption } from "./options.js";

// Options about files of other types of weights, and about sizes.

const units: Readonly<Record<string, number>> = {
	"": 1,
	b: 1,
	kb: 1e3,
	mb: 1e6,
	gb: 1e9,
	tb: 1e12,
	kib: 2 ** 10,
	mib: 2 ** 20,
	gib: 2 ** 30,
	tib: 2 ** 40,
};

/** Reads a size in bytes: `60MB`, `3.5GB`, `4GiB`, or a number of bytes. */
export function sizeOption(name: string) {
	return (value: unknown): number | undefined => {
		if (value === undefined) return undefined;
		const text = one(name, value);
		const [, number, unit = ""] = /^(\d+\.?\d*|\.\d+)\s*([a-z]*)$/i.exec(text) ?? [];
		const bytes = Math.floor(Number(number) * (units[unit.toLowerCase()] ?? Number.NaN));
		if (bytes >= 1 && Number.isSafeInteger(bytes)) return bytes;
		throw new UsageError(`--${name}: expected a size such as 60MB, 3.5GB or 4GiB, got ${JSON.stringify(text)}.`);
	};
}

/** Reads a type of file in either case. */
function fileTypeOption(name: string) {
	return (value: unknown): FileType | undefined => (value === undefined ? undefined : fileType(name, one(name, value)));
}

/** Reads types with commas between, each once. */
function fileTypesOption(name: string) {
	return (value: unknown): FileType[] | undefined => {
		if (value === undefined) return undefined;
		const types = one(name, value)
			.split(",")
			.map((text) => fileType(name, text.trim()));
		const repeated = types.find((type, i) => types.indexOf(type) !== i);
		if (repeated !== undefined) throw new UsageError(`--${name}: ${repeated} is named twice.`);
		return types;
	};
}

function fileType(name: string, text: string): FileType {
	const found = fileTypeNames.find((type) => type === text.toUpperCase());
	if (found) return found;
	throw new UsageError(`--${name}: expected one of ${fileTypeNames.join(", ")}, got ${JSON.stringify(text)}.`);
}

function one(name: string, value: unknown): string {
	if (Array.isArray(value)) throw new UsageError(`--${name}: given ${value.length} times; give it once.`);
	const text = String(value).trim();
	if (text === "") throw new UsageError(`--${name}: a value is missing.`);
	return text;
}

export const quantizeFromOption = textValue(
	"quantize-from",
	"F16, BF16 or F32 file of the same model, whose weights are quantised [default: the model's own, quantised a second time where they are already]",
	groups.output,
);

/** Of the commands that write a pruned model. */
export const quantizeOptions = {
	quantize: valueOption(
		"Quantise the pruned model with llama.cpp's quantiser, to a type such as Q4_K_M, and measure what was written",
		groups.output,
		fileTypeOption("quantize"),
	),
	"quantize-from": quantizeFromOption,
};

export const targetSizeOption = valueOption("Size that the file may have at most, such as 60MB", groups.amount, sizeOption("target-size"));

export const typesOption = valueOption(
	"Types to quantise to, beside the weights as they are, such as Q8_0,Q4_K_M [default: of Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q3_K_M, Q2_K those that make the file smaller]",
	groups.method,
	fileTypesOption("types"),
);
