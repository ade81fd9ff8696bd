import { truncateSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { u32, u64 } from "./make-gguf.js";

/**
 * A GGUF file of 4.5 GiB that takes no space on a disk with sparse files: tensors a (32 bytes of 1), b (the hole) and c (32 bytes
 * of 3), all of type I8, with the data beginning at byte `start`.
 */
export async function makeLargeGguf(path: string): Promise<{ path: string; start: number; hole: number }> {
	const hole = 4.5 * 2 ** 30;
	const info = (name: string, bytes: number, offset: number) =>
		Buffer.concat([u64(1), Buffer.from(name), u32(1), u64(bytes), u32(24), u64(offset)]);
	const infos = [info("a", 32, 0), info("b", hole, 32), info("c", 32, hole + 32)];
	const head = Buffer.concat([Buffer.from("GGUF"), u32(3), u64(3), u64(0), ...infos]);
	const start = Math.ceil(head.length / 32) * 32;
	writeFileSync(path, Buffer.concat([head, Buffer.alloc(start - head.length), Buffer.alloc(32, 1)]));
	truncateSync(path, start + hole + 64);
	const handle = await open(path, "r+");
	await handle.write(Buffer.alloc(32, 3), 0, 32, start + hole + 32);
	await handle.close();
	return { path, start, hole };
}
