import { readFully, writeFully } from "./io.js";
import type { ReadableFile, WritableFile } from "./types.js";

const BUFFER_BYTES = 8 * 2 ** 20;

export interface GgufWriteOptions {
	/** Checked before every buffer (8 MiB). */
	readonly signal?: AbortSignal;
	/** Called after every buffer and at the end, with bytes. */
	readonly onProgress?: (bytesDone: number, bytesTotal: number) => void;
}

/** Appends to a file from its beginning through one buffer, which also holds what is read for copying. */
export class Sink {
	readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
	#filled = 0;
	#flushed = 0;

	constructor(
		private readonly handle: WritableFile,
		private readonly total: number,
		private readonly options: GgufWriteOptions,
	) {}

	/** Bytes appended so far. */
	get position(): number {
		return this.#flushed + this.#filled;
	}

	async bytes(data: Uint8Array): Promise<void> {
		for (let done = 0; done < data.length; ) {
			const room = await this.#room(data.length - done);
			room.set(data.subarray(done, done + room.length));
			done += room.length;
			this.#filled += room.length;
		}
	}

	async zeros(count: number): Promise<void> {
		for (let left = count; left > 0; ) {
			const room = await this.#room(left);
			room.fill(0);
			left -= room.length;
			this.#filled += room.length;
		}
	}

	async copy(source: ReadableFile, path: string, offset: number, size: number): Promise<void> {
		for (let done = 0; done < size; ) {
			const room = await this.#room(size - done);
			await readFully(source, path, room, offset + done);
			done += room.length;
			this.#filled += room.length;
		}
	}

	async flush(): Promise<void> {
		this.options.signal?.throwIfAborted();
		await writeFully(this.handle, this.#buffer.subarray(0, this.#filled), this.#flushed);
		this.#flushed += this.#filled;
		this.#filled = 0;
		this.options.onProgress?.(this.#flushed, this.total);
	}

	/** The free part of the buffer, at least one byte and at most `wanted`. */
	async #room(wanted: number): Promise<Uint8Array> {
		if (this.#filled === BUFFER_BYTES) await this.flush();
		return this.#buffer.subarray(this.#filled, Math.min(this.#filled + wanted, BUFFER_BYTES));
	}
}
