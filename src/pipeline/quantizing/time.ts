// How long quantizing a model takes, by how fast this machine quantizes a little.
import { QuantizeError } from "../../errors.js";
import { Random } from "../../game/random.js";
import type { GgufFile } from "../../model/gguf/index.js";
import { predictedTypes } from "../../model/runtime/file-types.js";
import type { LoadedModel } from "../../model/runtime/loaded-model.js";
import type { FileType } from "../../model/runtime/quantize.js";
import { quantizeValues } from "../../model/runtime/states.js";
import { timed } from "../session/timings.js";

/** Numbers in a row of the sample, and rows: a whole number of the blocks of every type. */
const rowLength = 256;
const rows = 256;

/** Values of each tensor type that llama.cpp's quantizer makes from a model, by the type's number. Tensors that keep theirs are copied. */
export function valuesToMake(file: GgufFile, type: FileType): ReadonlyMap<number, number> {
	const values = new Map<number, number>();
	for (const [i, made] of predictedTypes(file, type).entries()) {
		const tensor = file.tensors[i]!;
		if (made === tensor.type) continue;
		values.set(made, (values.get(made) ?? 0) + tensor.dims.reduce((product, size) => product * size, 1));
	}
	return values;
}

/**
 * Seconds in which the quantizer makes each of the types from a model, all together; undefined for types that cannot be tried.
 * @param model any loaded one: its library quantizes the sample, on one thread
 */
export async function quantizingSeconds(
	{ model, file, types }: { readonly model: LoadedModel; readonly file: GgufFile; readonly types: readonly FileType[] },
	{ threads, signal }: { readonly threads: number; readonly signal?: AbortSignal | undefined },
): Promise<number | undefined> {
	if (types.length === 0) return 0;
	const random = new Random(0);
	const sample = Float32Array.from({ length: rows * rowLength }, () => random.normal());
	const each = new Map<number, number>();
	let seconds = 0;
	try {
		for (const [type, count] of types.flatMap((one) => [...valuesToMake(file, one)])) {
			if (!each.has(type)) each.set(type, await secondsOf(() => quantizeValues(model, sample, { type, rowLength }, signal)));
			seconds += (each.get(type)! / sample.length) * (count / threads);
		}
	} catch (error) {
		if (!(error instanceof QuantizeError)) throw error;
		return undefined;
	}
	return seconds;
}

/** The first time makes the tables that a type needs. */
async function secondsOf(work: () => Promise<unknown>): Promise<number> {
	await work();
	const [, seconds] = await timed(work);
	return seconds;
}
