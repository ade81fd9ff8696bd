// Ways to damage bytes and JSON of which nothing is known.

const numbers = [0, -0, 1, -1, 0.5, 11, 12, 13, 2 ** 31, 2 ** 53, -(2 ** 53), 1e308, 1e-320];
const texts = [
	"",
	"0",
	"null",
	"\u0000",
	"\u001b[31m",
	"\u202e",
	"\ud800",
	"../../x",
	"__proto__",
	"constructor",
	"x".repeat(5000),
	"3, 7-9",
	"1-999999999",
];

const splice = (bytes, at, gone, more) => Buffer.concat([bytes.subarray(0, at), more, bytes.subarray(at + gone)]);

/** @type {((bytes: Buffer, random: any, other: Buffer) => Buffer)[]} */
const ways = [
	(bytes, random) => {
		const copy = Buffer.from(bytes);
		for (let i = 0; i <= random.below(8) && copy.length > 0; i++) copy[random.below(copy.length)] ^= 1 << random.below(8);
		return copy;
	},
	(bytes, random) => {
		const copy = Buffer.from(bytes);
		if (copy.length > 0) copy[random.below(copy.length)] = random.pick([0, 1, 9, 10, 13, 34, 44, 93, 125, 127, 128, 255]);
		return copy;
	},
	(bytes, random) => bytes.subarray(0, random.below(bytes.length + 1)),
	(bytes, random) => splice(bytes, random.below(bytes.length + 1), random.below(16), Buffer.alloc(0)),
	(bytes, random) => splice(bytes, random.below(bytes.length + 1), 0, Buffer.alloc(1 + random.below(16), random.below(256))),
	(bytes, random, other) => {
		const from = random.below(other.length + 1);
		return splice(bytes, random.below(bytes.length + 1), random.below(64), other.subarray(from, from + random.below(256)));
	},
];

/**
 * @param {Buffer} bytes left unchanged
 * @param {{ below(n: number): number, pick<T>(list: T[]): T }} random
 * @param {Buffer} other a part of it may be put in
 */
export const damageBytes = (bytes, random, other) => random.pick(ways)(bytes, random, other);

/** All places of a JSON value: the object or list, and the key in it. */
function placesOf(value, found = []) {
	if (typeof value !== "object" || value === null) return found;
	for (const key of Object.keys(value)) {
		found.push({ holder: value, key });
		placesOf(value[key], found);
	}
	return found;
}

function otherValue(random, value, values) {
	const kinds = [
		() => random.pick(numbers),
		() => random.pick(texts),
		() => random.pick([null, true, false, [], {}, [null], [[]], { a: 1 }]),
		() => Array.from({ length: random.pick([1, 3, 1000]) }, () => value),
		() => random.pick(values),
		() => (typeof value === "number" ? value * random.pick([-1, 0.5, 2, 1e300]) : value),
	];
	return random.pick(kinds)();
}

/**
 * Changes one to four places of a JSON value: another value, another name, gone, or there as well.
 * @param {unknown} value left unchanged
 * @param {{ below(n: number): number, pick<T>(list: T[]): T }} random
 */
export function damageJson(value, random) {
	const copy = structuredClone(value);
	for (let i = 0; i <= random.below(4); i++) {
		const places = placesOf(copy);
		if (places.length === 0) break;
		const { holder, key } = random.pick(places);
		const way = random.below(6);
		if (way === 0 && !Array.isArray(holder)) delete holder[key];
		else if (way === 0) holder.splice(Number(key), 1);
		else if (way === 1 && !Array.isArray(holder)) {
			// Not by assignment: the name may be __proto__.
			Object.defineProperty(holder, random.pick(texts), { value: holder[key], enumerable: true, configurable: true, writable: true });
			delete holder[key];
		} else if (way === 1) holder.push(structuredClone(holder[key]));
		else {
			const source = random.pick(places);
			holder[key] = structuredClone(otherValue(random, holder[key], [source.holder[source.key]]));
		}
	}
	return copy;
}
