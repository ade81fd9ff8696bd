import { mkdir, open, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { perBlockKeys } from "../../src/model/architectures/entries.js";
import { ARCHITECTURES } from "../../src/model/architectures/index.js";
import {
	contentOf,
	decodeValue,
	encodeEntry,
	type GgufContentTensor,
	type GgufEntry,
	GgufFile,
	type GgufScalarType,
	writeGguf,
} from "../../src/model/gguf/index.js";
import { shardName } from "../../src/model/gguf/split.js";

/** A tensor with its bytes. */
export interface LoadedTensor {
	name: string;
	dims: readonly number[];
	type: number;
	bytes: Uint8Array;
}

export type KeyValue =
	| readonly [GgufScalarType, number | boolean | string]
	| readonly ["array", readonly (number | boolean)[], GgufScalarType];

/** How to make another model from a generated one. */
export interface Rewrite {
	/** The source block of each block of the new model. @default unchanged */
	blocks?: readonly number[];
	/** Keys after the architecture's name: new values; null removes one. */
	keys?: Readonly<Record<string, KeyValue | null>>;
	/** Changes (or, with null, drops) a tensor; called with the new names. */
	tensor?: (tensor: LoadedTensor) => LoadedTensor | null;
	/** Tensors to add, made from the others. */
	more?: (tensors: readonly LoadedTensor[]) => LoadedTensor[];
	/** Another architecture's name, for all keys too. */
	architecture?: string;
}

/** Writes the new model and returns its path. Blocks from the same source block differ in their weights. */
export async function rewrite(source: string, target: string, change: Rewrite): Promise<string> {
	const file = await GgufFile.read(source);
	const bytes = await readFile(source);
	const count = Number(file.value(`${file.architecture}.block_count`));
	const order = change.blocks ?? Array.from({ length: count }, (_, i) => i);
	const loaded = file.tensors.map(({ name, dims, type, source: { offset, size } }) => ({
		name,
		dims,
		type,
		bytes: bytes.subarray(offset, offset + size),
	}));
	const tensors = reordered(loaded, order).flatMap((tensor) => (change.tensor ? (change.tensor(tensor) ?? []) : tensor));
	const content = contentOf(file);
	await mkdir(dirname(target), { recursive: true });
	const handle = await open(target, "w");
	try {
		await writeGguf(handle, {
			...content,
			entries: renamed(
				changed(repeated(file, content.entries, order, count), file.architecture, change.keys ?? {}),
				file.architecture,
				change.architecture,
			),
			tensors: [...tensors, ...(change.more?.(tensors) ?? [])].map(toContent),
		});
	} finally {
		await handle.close();
	}
	return target;
}

/** Writes the model as `count` files, as llama.cpp splits one, and returns the path of the first. */
export async function splitInto(count: number, source: string, folder: string): Promise<string> {
	const file = await GgufFile.read(source);
	const { version, alignment, entries, tensors } = contentOf(file);
	await mkdir(folder, { recursive: true });
	const each = Math.ceil(tensors.length / count);
	const paths: string[] = [];
	for (let no = 0; no < count; no++) {
		const path = join(folder, shardName("model", no, count));
		const split = [
			encodeEntry("split.no", "uint16", no),
			encodeEntry("split.count", "uint16", count),
			encodeEntry("split.tensors.count", "int32", tensors.length),
		];
		const handle = await open(path, "w");
		try {
			const part = tensors.slice(no * each, (no + 1) * each);
			await writeGguf(handle, { version, alignment, entries: no === 0 ? [...entries, ...split] : split, tensors: part });
		} finally {
			await handle.close();
		}
		paths.push(path);
	}
	return paths[0]!;
}

/** An order of `count` blocks that cycles through the source's. */
export function cycle(source: number, count: number): number[] {
	return Array.from({ length: count }, (_, i) => i % source);
}

const toContent = ({ name, dims, type, bytes }: LoadedTensor): GgufContentTensor => ({ name, dims, type, source: bytes });

function reordered(tensors: readonly LoadedTensor[], order: readonly number[]): LoadedTensor[] {
	const outside = tensors.filter(({ name }) => !name.startsWith("blk."));
	const seen = new Map<number, number>();
	return [
		...outside,
		...order.flatMap((from, to) => {
			const copy = seen.get(from) ?? 0;
			seen.set(from, copy + 1);
			const prefix = `blk.${from}.`;
			return tensors
				.filter(({ name }) => name.startsWith(prefix))
				.map((tensor) => ({ ...tensor, name: `blk.${to}.${tensor.name.slice(prefix.length)}`, bytes: rolled(tensor, copy) }));
		}),
	];
}

/** Shifted values, so that a copy is another block with weights of the same kind. */
function rolled({ bytes, type, dims }: LoadedTensor, copy: number): Uint8Array {
	const width = type === 0 ? 4 : type === 1 ? 2 : 0;
	const values = dims.reduce((product, dim) => product * dim, 1);
	if (copy === 0 || width === 0 || values < 2) return bytes;
	const by = ((copy * 37) % (values - 1)) + 1;
	return Buffer.concat([bytes.subarray(by * width), bytes.subarray(0, by * width)]);
}

/** Per-block arrays follow their blocks. */
function repeated(file: GgufFile, entries: readonly GgufEntry[], order: readonly number[], count: number): GgufEntry[] {
	const arrays = perBlockKeys(file.architecture, ARCHITECTURES.get(file.architecture)!);
	return entries.map((entry) => {
		if (entry.key === `${file.architecture}.block_count`) return encodeEntry(entry.key, "uint32", order.length);
		if (entry.type !== "array" || !arrays.has(entry.key) || !entry.itemType) return entry;
		const values = decodeValue(entry) as readonly number[];
		if (values.length < count) return entry;
		const rest = values.length > count ? values.slice(order.length) : [];
		return encodeEntry(entry.key, "array", [...order.map((from) => values[from]!), ...rest], entry.itemType as GgufScalarType);
	});
}

function changed(entries: readonly GgufEntry[], architecture: string, keys: NonNullable<Rewrite["keys"]>): GgufEntry[] {
	const full = new Map(Object.entries(keys).map(([key, value]) => [`${architecture}.${key}`, value]));
	const added = [...full].flatMap(([key, value]) => (value ? [encodeEntry(key, value[0], value[1] as never, value[2] as never)] : []));
	return [...entries.filter(({ key }) => !full.has(key)), ...added];
}

function renamed(entries: readonly GgufEntry[], from: string, to: string | undefined): GgufEntry[] {
	if (to === undefined) return [...entries];
	return entries.map((entry) => {
		if (entry.key === "general.architecture") return encodeEntry(entry.key, "string", to);
		return entry.key.startsWith(`${from}.`) ? { ...entry, key: to + entry.key.slice(from.length) } : entry;
	});
}
