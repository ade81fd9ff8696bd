import { mkdtempSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";
import { GgufFile } from "../../../src/model/gguf/file.js";
import type { GgufContent } from "../../../src/model/gguf/types.js";
import { writeGguf } from "../../../src/model/gguf/writer.js";
import { entry, makeGguf, type SpecEntry, type SpecScalar, type SpecTensor, type SpecValue } from "../../helpers/make-gguf.js";

// Small models of any architecture: given metadata, and tensors whose bytes show the block they come from.

const folder = mkdtempSync(join(tmpdir(), "prune-gguf-architectures-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let files = 0;

/** Key after the architecture's name to type and value; an item type makes it an array. */
export type Keys = Record<string, readonly [SpecScalar, number | boolean | string] | readonly ["array", readonly SpecValue[], SpecScalar]>;

export interface ModelSpec {
	blocks: number;
	/** @default 0 */
	tail?: number;
	keys?: Keys;
	/** Complete keys, without the architecture's name. */
	plain?: Keys;
	/** Parts of every block after `blk.N.`. @default attn_q, attn_output, ffn_down (weights) */
	parts?: readonly string[];
	/** @default "blk." */
	prefix?: string;
	tensors?: readonly SpecTensor[];
}

export async function model(architecture: string, spec: ModelSpec): Promise<GgufFile> {
	const { blocks, tail = 0, prefix = "blk.", parts = ["attn_q.weight", "attn_output.weight", "ffn_down.weight"] } = spec;
	const entries = [
		entry("general.architecture", "string", architecture),
		entry(`${architecture}.block_count`, "uint32", blocks + tail),
		...(tail ? [entry(`${architecture}.nextn_predict_layers`, "uint32", tail)] : []),
		...keyEntries(spec.keys ?? {}, `${architecture}.`),
		...keyEntries(spec.plain ?? {}, ""),
		entry("tokenizer.ggml.unknown", "array", [], "float32"),
		entry("general.empty", "string", ""),
	];
	const block = (i: number): SpecTensor[] => [
		...parts.map((part) => ({ name: `${prefix}${i}.${part}`, dims: [8] })),
		...(i >= blocks ? [{ name: `${prefix}${i}.nextn.eh_proj.weight`, dims: [8] }] : []),
	];
	const tensors = [{ name: "token_embd.weight", dims: [8, 4] }, ...Array.from({ length: blocks + tail }, (_, i) => block(i)).flat()];
	return GgufFile.read(makeGguf(join(folder, `${files++}.gguf`), { entries, tensors: [...tensors, ...(spec.tensors ?? [])] }));
}

function keyEntries(keys: Keys, before: string): SpecEntry[] {
	return Object.entries(keys).map(([key, [type, value, item]]) => entry(before + key, type, value, item));
}

/** Writes a pruned model and reads it back. */
export async function written(content: GgufContent): Promise<GgufFile> {
	const path = join(folder, `${files++}.gguf`);
	const handle = await open(path, "w");
	try {
		await writeGguf(handle, content);
	} finally {
		await handle.close();
	}
	return GgufFile.read(path);
}

export function range(count: number): number[] {
	return Array.from({ length: count }, (_, i) => i);
}

export function without(count: number, removed: readonly number[]): number[] {
	return range(count).filter((block) => !removed.includes(block));
}
