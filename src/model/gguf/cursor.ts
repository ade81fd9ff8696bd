import type { FileHandle } from "node:fs/promises";
import { InvalidGgufError } from "../../errors.js";
import { readFully } from "./io.js";
import { decodeText } from "./text.js";

const FIRST_CHUNK = 2 ** 20;

/** What is wrong with a file that ends too early, and what helps. */
export const cutShort = "the file is cut short or damaged: download or copy it again";

/** Thrown and caught only here: the next bytes are in the file but not yet in memory. */
class NeedMore {
	constructor(readonly end: number) {}
}

/**
 * Reads a header of unknown length front to back. Parsing is synchronous over the part in memory, since a vocabulary has hundreds of
 * thousands of strings. At its end, twice as much is loaded and the unfinished item is parsed again.
 */
export class Cursor {
	position = 0;
	bytes: Uint8Array = new Uint8Array(0);
	view: DataView = new DataView(new ArrayBuffer(0));
	#committed = 0;

	constructor(
		private readonly handle: FileHandle,
		readonly path: string,
		readonly fileSize: number,
		private readonly maxBytes: number,
	) {}

	/** Runs `parse`; if the loaded part ended, it runs again from the last `commit` with more of the file loaded. */
	async run<T>(parse: () => T): Promise<T> {
		for (;;) {
			try {
				const result = parse();
				this.commit();
				return result;
			} catch (error) {
				if (!(error instanceof NeedMore)) throw error;
				await this.#load(error.end);
				this.position = this.#committed;
			}
		}
	}

	/** Everything before the position is finished and will not be parsed again. */
	commit(): void {
		this.#committed = this.position;
	}

	/** Advances over `count` bytes and returns where they begin. */
	take(count: number, what: string): number {
		const start = this.position;
		const end = start + count;
		if (end > this.fileSize) {
			this.fail(start, `${count} bytes for ${what}`, `${this.fileSize - start} until the end of the file; ${cutShort}`);
		}
		if (end > this.maxBytes) {
			this.fail(start, `a header of at most ${this.maxBytes} bytes`, `${what} that ends at byte ${end}; the file is damaged`);
		}
		if (end > this.bytes.length) throw new NeedMore(end);
		this.position = end;
		return start;
	}

	u32(what: string): number {
		return this.view.getUint32(this.take(4, what), true);
	}

	/** An unsigned 64-bit number that must be below 2^53: lengths, counts, sizes and offsets within a file always are. */
	u64(what: string): number {
		const at = this.take(8, what);
		const high = this.view.getUint32(at + 4, true);
		if (high >= 0x200000) this.fail(at, `${what} below 2^53`, this.view.getBigUint64(at, true));
		return high * 2 ** 32 + this.view.getUint32(at, true);
	}

	/** A count of items that take at least `itemBytes` each. One that cannot fit into the file is refused before anything is allocated. */
	count(what: string, itemBytes: number): number {
		const at = this.position;
		const count = this.u64(`the number of ${what}`);
		const room = Math.min(this.fileSize, this.maxBytes) - this.position;
		if (count > room / itemBytes) {
			const most = Math.floor(room / itemBytes);
			this.fail(at, `at most ${most} ${what} in the ${room} bytes that may follow`, `${count}; ${cutShort}`);
		}
		return count;
	}

	/** A string of `minBytes..maxBytes` bytes. */
	text(what: string, minBytes: number, maxBytes: number): string {
		const at = this.position;
		const length = this.u64(`the length of ${what}`);
		if (length < minBytes || length > maxBytes) this.fail(at, `${what} of ${minBytes} to ${maxBytes} bytes`, `${length} bytes`);
		const start = this.take(length, what);
		return decodeText(this.bytes.subarray(start, start + length));
	}

	/** @throws InvalidGgufError always */
	fail(offset: number, expected: string, found: string | number | bigint): never {
		return this.refuse(offset, `expected ${expected}, found ${found}`);
	}

	/** @throws InvalidGgufError always */
	refuse(offset: number, message: string): never {
		throw new InvalidGgufError(`${this.path}: at byte ${offset}: ${message}`);
	}

	async #load(end: number): Promise<void> {
		const loaded = this.bytes.length;
		// With what usually follows a long value, which would else be copied to load that.
		const size = Math.min(Math.max(end + FIRST_CHUNK, loaded * 2), this.fileSize, this.maxBytes);
		const bytes = new Uint8Array(size);
		bytes.set(this.bytes);
		await readFully(this.handle, this.path, bytes.subarray(loaded), loaded);
		this.bytes = bytes;
		this.view = new DataView(bytes.buffer);
	}
}
