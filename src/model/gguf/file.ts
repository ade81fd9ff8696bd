import { InvalidGgufError } from "../../errors.js";
import type { FileState } from "../../storage/file-state.js";
import type { GgufHeader, GgufHeaderOptions } from "./header.js";
import { readShards, withoutSplitKeys } from "./split.js";
import { type GgufContent, type GgufEntry, type GgufTensor, type GgufValue, MAX_NAME_BYTES, VALUE_BYTES } from "./types.js";
import { decodeValue } from "./value.js";
import { shownText } from "../../storage/shown-text.js";

export interface ReadOptions extends GgufHeaderOptions {
	readonly signal?: AbortSignal;
}

/** The header of a GGUF model: metadata and the place of every tensor, never the tensors' bytes. */
export class GgufFile {
	/** The file, or all shards in order. */
	readonly paths: readonly string[];
	readonly version: 2 | 3;
	/** Alignment of the first file; the tensors of each shard were located with its own. */
	readonly alignment: number;
	/** Metadata of the first file, in its order, including `split.*` keys. Other shards' metadata has no meaning to llama.cpp. */
	readonly entries: readonly GgufEntry[];
	/** Tensors of all shards, in order. */
	readonly tensors: readonly GgufTensor[];
	/** Bytes of all files together. */
	readonly size: number;
	/** The files, each as it was when it was opened to read its header. */
	readonly states: readonly FileState[];
	readonly #entries: ReadonlyMap<string, GgufEntry>;
	readonly #tensors: ReadonlyMap<string, GgufTensor>;

	private constructor(shards: readonly GgufHeader[]) {
		const first = shards[0]!;
		this.paths = shards.map((shard) => shard.path);
		this.version = first.version;
		this.alignment = first.alignment;
		this.entries = first.entries;
		this.tensors = shards.flatMap((shard) => shard.tensors);
		this.size = shards.reduce((sum, shard) => sum + shard.size, 0);
		this.states = shards.map((shard) => shard.state);
		this.#entries = new Map(this.entries.map((entry) => [entry.key, entry]));
		this.#tensors = new Map(this.tensors.map((tensor) => [tensor.name, tensor]));
	}

	/**
	 * Reads and checks the header of a model. For a split model give any shard: all are found and checked.
	 * @throws InvalidGgufError that names the file, the offset and what was expected
	 * @throws FileError if a file cannot be read
	 * @throws the signal's reason once it is aborted
	 */
	static async read(path: string, options: ReadOptions = {}): Promise<GgufFile> {
		return new GgufFile(await readShards(path, options, options.signal));
	}

	entry(key: string): GgufEntry | undefined {
		return this.#entries.get(key);
	}

	tensor(name: string): GgufTensor | undefined {
		return this.#tensors.get(name);
	}

	/** The decoded value, undefined if the key is absent. Arrays are decoded again on every call. */
	value(key: string): GgufValue | undefined {
		const entry = this.#entries.get(key);
		return entry && decodeValue(entry);
	}

	/** @throws InvalidGgufError if the key holds something else */
	string(key: string): string | undefined {
		const value = this.value(key);
		return value === undefined || typeof value === "string" ? value : this.#refuse(key, "a string");
	}

	/** @throws InvalidGgufError if the key holds something else, or an integer beyond 2^53 */
	number(key: string): number | undefined {
		const value = this.value(key);
		return value === undefined || typeof value === "number" ? value : this.#refuse(key, "a number below 2^53");
	}

	/** @throws InvalidGgufError if the key holds something else */
	boolean(key: string): boolean | undefined {
		const value = this.value(key);
		return value === undefined || typeof value === "boolean" ? value : this.#refuse(key, "a boolean");
	}

	/** @throws InvalidGgufError if the key holds something else */
	array(key: string): readonly GgufValue[] | undefined {
		const value = this.value(key);
		return value === undefined || typeof value === "object" ? value : this.#refuse(key, "an array");
	}

	/** Numbers by block, from one number for all blocks or an array with one per block; 0 if the file has none. */
	perBlock(key: string): (block: number) => number {
		const value = this.value(key);
		return (block) => Number((typeof value === "object" ? value[block] : value) ?? 0) || 0;
	}

	/** @throws InvalidGgufError if the file does not name it, or if no key could begin with it */
	get architecture(): string {
		const bytes = (this.#entries.get("general.architecture")?.raw.length ?? 0) - VALUE_BYTES.string;
		if (bytes > MAX_NAME_BYTES) {
			const found = `found ${bytes}; the file is damaged`;
			throw new InvalidGgufError(`${this.paths[0]}: expected general.architecture of at most ${MAX_NAME_BYTES} bytes, ${found}`);
		}
		const name = this.string("general.architecture");
		if (name) return name;
		throw new InvalidGgufError(`${this.paths[0]}: expected the key general.architecture, found none; this is not a model`);
	}

	#refuse(key: string, expected: string): never {
		throw new InvalidGgufError(`${this.paths[0]}: expected ${expected} as ${shownText(key)}, found ${this.#entries.get(key)?.type}`);
	}
}

/** The model as one file to write, unchanged except for the `split.*` keys: the starting point of every rewrite. */
export function contentOf(file: GgufFile): GgufContent {
	return { version: file.version, alignment: file.alignment, entries: withoutSplitKeys(file.entries), tensors: file.tensors };
}
