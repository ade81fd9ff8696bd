// What healed matrices may take in the file, predicted from the header.
import { InvalidOptionError } from "../../errors.js";
import { type GgufTensor, tensorBytes } from "../../model/gguf/index.js";
import type { Header } from "./model-header.js";
import { defaultParts, isPlace, type Place, placesOf } from "../../model/fitting/cuts.js";
import { matricesOf } from "../../model/fitting/site.js";
import type { HealType } from "../../model/fitting/kinds.js";
import { typeFor } from "../../model/fitting/tensors.js";
import { asksToHeal } from "./heal-options.js";
import type { HealSettings, QuantizeSettings } from "../../api/options/settings.js";

/** Types of the matrices that healing may change, by their names in the file: of each cut the one that would take the most bytes more. */
export type HealedTypes = (removed: readonly number[]) => ReadonlyMap<string, number>;

/**
 * The types that make the largest file that healing can: which matrix of a block is healed, and whether it is, only running it says. None
 * where nothing is healed, and where the file is quantized afterwards, its healed matrices with the rest.
 */
export function healedTypes({ file, blocks }: Header, options: HealSettings & QuantizeSettings): HealedTypes {
	const none = new Map<string, number>();
	if (!asksToHeal(options) || options.quantize !== undefined) return () => none;
	const width = file.number(`${file.architecture}.embedding_length`) ?? Number.NaN;
	const largestOf = (place: Place) =>
		matricesOf({ file, blocks }, place, width)
			.map(({ tensor }) => ({ tensor, ...grown(tensor, options.healType ?? "auto") }))
			.filter(({ more }) => more > 0)
			.sort((a, b) => b.more - a.more)[0];
	return (removed) => {
		const types = new Map<string, number>();
		for (const place of placesOf(
			[...removed].sort((a, b) => a - b),
			defaultParts,
		)) {
			const largest = isPlace(place) ? largestOf(place) : undefined;
			if (largest) types.set(largest.tensor.name, largest.type);
		}
		return types;
	};
}

/** Bytes that one healed matrix may add at most, the padding behind it counted. */
export function mostAdded({ file, blocks: { blocks, parts } }: Pick<Header, "file" | "blocks">, types: HealedTypes): number {
	const single = (first: number) => Array.from({ length: blocks - 1 }, (_, i) => [...types([i + first])]).flat();
	const each = [...single(1), ...(parts.allowed ? single(0.5) : [])];
	const more = each.map(([name, type]) => {
		const tensor = file.tensor(name)!;
		return tensorBytes(tensor.dims, type)! - tensor.source.size;
	});
	return more.length === 0 ? 0 : Math.max(...more) + file.alignment;
}

/**
 * Bytes that must be free beside those of the pruned file, which is written with its healed matrices before it is quantized: of a given
 * set as many as healing may add, of a set that is not known yet those of one cut, which every set has.
 */
export function bytesToHeal(header: Header, removed: number | readonly number[], options: HealSettings): number {
	const { file } = header;
	const types = healedTypes(header, { ...options, quantize: undefined });
	if (typeof removed === "number") return mostAdded(header, types);
	return [...types(removed)].reduce((sum, [name, type]) => {
		const { dims, source } = file.tensor(name)!;
		return sum + tensorBytes(dims, type)! - source.size + file.alignment;
	}, 0);
}

function grown(tensor: GgufTensor, wanted: HealType): { type: number; more: number } {
	try {
		const type = typeFor(tensor, wanted);
		return { type, more: tensorBytes(tensor.dims, type)! - tensor.source.size };
	} catch (error) {
		// A matrix that cannot be of the type cannot be healed either.
		if (error instanceof InvalidOptionError) return { type: tensor.type, more: 0 };
		throw error;
	}
}
