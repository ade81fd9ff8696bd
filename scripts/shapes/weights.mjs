// Random weights as the bytes of quantized blocks, without numbers that are quantized: bytes are drawn once and repeated.
import { seeded, seedOf } from "./random.mjs";
import { elementsOf, types } from "./shapes.mjs";

/**
 * Quantized blocks that are drawn. It is a prime above the number of rows of any matrix: each row begins at another place of the pool, so
 * that no two rows are alike.
 */
export const poolBlocks = 131_101;
/** Scale of the sixteen parts of a Q6_K block, in steps of the block's scale. */
const partScale = 64;

/** Standard deviation of what is drawn, before the scale: of whole numbers from -n to n. */
const uniform = (n) => Math.sqrt((n * (n + 1)) / 3);

/** How each type is drawn: where the 16-bit scale lies in a block, what the rest is, and its standard deviation. */
const kinds = {
	// -7..7: 0 would be -8, which has no counterpart.
	Q4_0: {
		scaleAt: 0,
		deviation: uniform(7),
		fill: (block, random) => {
			for (let i = 2; i < 18; i++) block[i] = (1 + Math.floor(random() * 15)) | ((1 + Math.floor(random() * 15)) << 4);
		},
	},
	Q8_0: {
		scaleAt: 0,
		deviation: uniform(127),
		fill: (block, random) => {
			for (let i = 2; i < 34; i++) block[i] = Math.floor(random() * 255) - 127;
		},
	},
	// 128 bytes of low bits, 64 of high bits: any are a value from -32 to 31. Scales of both signs leave no mean.
	Q6_K: {
		scaleAt: 208,
		deviation: partScale * Math.sqrt((64 ** 2 - 1) / 12 + 0.25),
		fill: (block, random) => {
			for (let i = 0; i < 192; i++) block[i] = Math.floor(random() * 256);
			for (let i = 192; i < 208; i++) block[i] = random() < 0.5 ? partScale : -partScale;
		},
	},
};

/** Makes pools as they are needed: one of each type and standard deviation. */
export class Pools {
	#seed;
	#drawn = new Map();
	#scaled = new Map();

	constructor(seed) {
		this.#seed = seed;
	}

	/** Bytes of blocks whose weights have this standard deviation. */
	of(type, deviation) {
		const half = toHalf(deviation / kinds[type].deviation);
		const key = `${type} ${half}`;
		const known = this.#scaled.get(key);
		if (known) return known;
		const { bytes } = types[type];
		const pool = Buffer.from(this.#pool(type));
		for (let at = kinds[type].scaleAt; at < pool.length; at += bytes) pool.writeUInt16LE(half, at);
		this.#scaled.set(key, pool);
		return pool;
	}

	#pool(type) {
		const known = this.#drawn.get(type);
		if (known) return known;
		const { bytes } = types[type];
		const pool = Buffer.alloc(poolBlocks * bytes);
		const random = seeded(seedOf(this.#seed, type));
		for (let at = 0; at < pool.length; at += bytes) kinds[type].fill(pool.subarray(at, at + bytes), random);
		this.#drawn.set(type, pool);
		return pool;
	}
}

/** The bytes of a tensor, piece by piece. A quantized one begins at a place of the pool that is its own. */
export function* bytesOfTensor(tensor, pools, seed) {
	const { name, type, deviation, value, values } = tensor;
	if (type === "F32") {
		yield Buffer.from(Float32Array.from(values ?? new Array(elementsOf(tensor)).fill(value)).buffer);
		return;
	}
	const { elements, bytes } = types[type];
	const pool = pools.of(type, deviation);
	let left = (elementsOf(tensor) / elements) * bytes;
	let at = Math.floor(seeded(seedOf(seed, name))() * (pool.length / bytes)) * bytes;
	while (left > 0) {
		const piece = pool.subarray(at, Math.min(pool.length, at + left));
		yield piece;
		left -= piece.length;
		at = 0;
	}
}

/** The bits of the nearest half-precision number, for finite numbers within its range. */
export function toHalf(number) {
	const sign = number < 0 ? 0x8000 : 0;
	const size = Math.abs(number);
	if (size === 0) return sign;
	const exponent = Math.max(-14, Math.floor(Math.log2(size)));
	// In steps of the last of ten bits; a subnormal number has no leading one.
	const steps = Math.round(size / 2 ** (exponent - 10));
	return sign + (exponent + 14) * 1024 + steps;
}

/** The number that half-precision bits stand for. */
export function fromHalf(bits) {
	const exponent = (bits >> 10) & 31;
	const fraction = bits & 1023;
	const size = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
	return bits & 0x8000 ? -size : size;
}
