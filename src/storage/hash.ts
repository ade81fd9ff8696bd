import { createHash } from "node:crypto";
import { FileError } from "../errors.js";
import { openInput } from "./input-file.js";

const CHUNK_BYTES = 4 * 2 ** 20;

/** Called after each piece that was read, with bytes. */
export type OnHashed = (done: number) => void;

/**
 * SHA-256 of a file in hexadecimal, read in pieces.
 * @throws FileError when it cannot be read, or is no regular file
 * @throws the signal's reason once it is aborted
 */
export async function hashFile(path: string, signal?: AbortSignal, onHashed?: OnHashed): Promise<string> {
	signal?.throwIfAborted();
	const hash = createHash("sha256");
	const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
	const { handle } = await openInput(path, { give: "the path of a file" });
	try {
		for (let position = 0; ; ) {
			signal?.throwIfAborted();
			const { bytesRead } = await handle.read(buffer, 0, buffer.length, position);
			if (bytesRead === 0) return hash.digest("hex");
			hash.update(buffer.subarray(0, bytesRead));
			position += bytesRead;
			onHashed?.(position);
		}
	} catch (cause) {
		if (signal?.aborted) throw signal.reason;
		throw new FileError(`${path} cannot be read: ${cause instanceof Error ? cause.message : cause}`, { cause });
	} finally {
		await handle.close();
	}
}

/** SHA-256 in hexadecimal of values that JSON holds: a name for what was decided by them. */
export const hashOf = (parts: unknown): string => createHash("sha256").update(JSON.stringify(parts)).digest("hex");

/** SHA-256 in hexadecimal of bytes. */
export const hashOfBytes = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

/**
 * What identifies a model's bytes: the SHA-256 of its file; for a split model the SHA-256 over the 32-byte digests of its shards, in
 * order. Hexadecimal.
 * @throws FileError when a file cannot be read
 * @throws RangeError without paths
 */
export async function identityOf(paths: readonly string[], signal?: AbortSignal, onHashed?: OnHashed): Promise<string> {
	if (paths.length === 0) throw new RangeError("the identity of a model needs at least one file");
	const digests: string[] = [];
	let before = 0;
	for (const path of paths) {
		let size = 0;
		const count = (done: number) => {
			size = done;
			onHashed?.(before + done);
		};
		digests.push(await hashFile(path, signal, count));
		before += size;
	}
	if (digests.length === 1) return digests[0]!;
	const hash = createHash("sha256");
	for (const digest of digests) hash.update(digest, "hex");
	return hash.digest("hex");
}
