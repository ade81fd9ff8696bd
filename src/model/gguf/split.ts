import { access } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { InvalidGgufError } from "../../errors.js";
import { defaultHeaderBytes, type GgufHeader, type GgufHeaderOptions, MAX_TENSORS, readGgufHeader } from "./header.js";
import type { GgufEntry } from "./types.js";
import { decodeValue } from "./value.js";
import { quotedText, shownText } from "../../storage/shown-text.js";

const SPLIT_KEYS: ReadonlySet<string> = new Set(["split.no", "split.count", "split.tensors.count"]);
/** llama.cpp keeps the count in 16 bits. */
const MAX_SHARDS = 65535;
const SHARD_NAME = /^(.*)-(\d{5,})-of-(\d{5,})\.gguf$/s;

/** Entries without those that mark a file as one of several: a written file is always a single one. */
export function withoutSplitKeys(entries: readonly GgufEntry[]): GgufEntry[] {
	return entries.filter((entry) => !SPLIT_KEYS.has(entry.key));
}

/** Name of a shard (0-based) in llama.cpp's form `PREFIX-00001-of-00003.gguf`. */
export function shardName(prefix: string, no: number, count: number): string {
	const digits = (value: number) => String(value).padStart(5, "0");
	return `${prefix}-${digits(no + 1)}-of-${digits(count)}.gguf`;
}

/**
 * The headers of a model's files in order: one, or all shards if `path` is any shard of a split model.
 * @throws InvalidGgufError if a shard is missing, is misnamed, or does not belong to the others
 */
export async function readShards(path: string, options: GgufHeaderOptions = {}, signal?: AbortSignal): Promise<GgufHeader[]> {
	signal?.throwIfAborted();
	const given = await readGgufHeader(path, options);
	const count = integerOf(given, "split.count") ?? 1;
	if (count <= 1) return [given];
	if (count > MAX_SHARDS) throw new InvalidGgufError(`${path}: expected at most ${MAX_SHARDS} as split.count, found ${count}`);
	const paths = shardPaths(given, count);
	await checkPresent(paths);
	const shards: GgufHeader[] = [];
	let left = (options.maxHeaderBytes ?? defaultHeaderBytes) - given.headerBytes;
	let tensors = 0;
	for (const [no, shardPath] of paths.entries()) {
		signal?.throwIfAborted();
		const shard = shardPath === path ? given : await readGgufHeader(shardPath, { maxHeaderBytes: left });
		checkMember(shard, no, count);
		tensors += shard.tensors.length;
		if (tensors > MAX_TENSORS)
			throw new InvalidGgufError(`${shardPath}: expected at most ${MAX_TENSORS} tensors in all shards, found ${tensors}`);
		if (shard !== given) left -= shard.headerBytes;
		// Only the first shard says what the model is.
		shards.push(no === 0 ? shard : { ...shard, entries: [] });
	}
	checkTogether(shards);
	return shards;
}

function shardPaths(given: GgufHeader, count: number): string[] {
	const no = integerOf(given, "split.no");
	if (no === undefined || no < 0 || no >= count) {
		throw new InvalidGgufError(
			`${given.path}: expected split.no in 0..${count - 1} (split.count is ${count}), found ${no ?? "no such key"}`,
		);
	}
	const name = basename(given.path);
	const prefix = SHARD_NAME.exec(name)?.[1];
	if (prefix === undefined || shardName(prefix, no, count) !== name) {
		throw new InvalidGgufError(
			`${given.path} is shard ${no + 1} of ${count}: expected a name like ${shardName("NAME", no, count)}; give the shards their original names`,
		);
	}
	const names = Array.from({ length: count }, (_, i) => shardName(prefix, i, count));
	// The given path is kept exactly, so that it is recognized among the others.
	return names.map((other, i) => (i === no ? given.path : join(dirname(given.path), other)));
}

async function checkPresent(paths: readonly string[]): Promise<void> {
	for (const path of paths) {
		try {
			await access(path);
		} catch (cause) {
			const message = `${path} is missing: the model is split into ${paths.length} files, put all of them into one folder`;
			throw new InvalidGgufError(message, { cause });
		}
	}
}

function checkMember(shard: GgufHeader, no: number, count: number): void {
	const type = shard.entries.find(({ key }) => key === "split.no")?.type;
	// llama.cpp asserts it, which would end the process.
	if (type !== undefined && type !== "uint16") {
		throw new InvalidGgufError(`${shard.path}: expected split.no as uint16, found ${type}; split the model again`);
	}
	for (const [key, expected] of [
		["split.no", no],
		["split.count", count],
	] as const) {
		const found = integerOf(shard, key);
		if (found !== expected) {
			throw new InvalidGgufError(
				`${shard.path}: expected ${key} ${expected}, found ${found ?? "no such key"}; it is not a shard of this model`,
			);
		}
	}
}

function checkTogether(shards: readonly GgufHeader[]): void {
	const homes = new Map<string, string>();
	for (const shard of shards) {
		for (const { name } of shard.tensors) {
			const home = homes.get(name);
			if (home !== undefined) throw new InvalidGgufError(`${shard.path}: tensor ${quotedText(name)} is in ${home} too`);
			homes.set(name, shard.path);
		}
	}
	const first = shards[0]!;
	const expected = integerOf(first, "split.tensors.count");
	if (expected !== undefined && expected !== homes.size) {
		const message = `${first.path}: expected ${expected} tensors in all ${shards.length} shards (split.tensors.count), found ${homes.size}`;
		throw new InvalidGgufError(message);
	}
}

function integerOf(header: GgufHeader, key: string): number | undefined {
	const entry = header.entries.find((candidate) => candidate.key === key);
	if (!entry) return undefined;
	const value = entry.type === "array" ? undefined : decodeValue(entry);
	if (typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 2 ** 31) return value;
	throw new InvalidGgufError(`${header.path}: expected a whole number as ${key}, found ${entry.type} ${shownText(String(value))}`);
}
