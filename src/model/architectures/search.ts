import type { Check } from "./types.js";

/** Sets tried for each number of kept blocks. */
const TRIES = 20_000;
/** Blocks looked at in all sets of a search for the least number: a few seconds. Models of up to 140 blocks never reach it. */
const MOST_WORK = 2e8;

/**
 * The most blocks that can be removed at once. It tries sets in order and looks for the least number of blocks that can stay besides the
 * frozen ones. If one size has more than `TRIES` sets, or all sizes more than `MOST_WORK`, a possible set may be overlooked. The number is
 * never too high.
 */
export function mostRemovable(
	blocks: number,
	frozen: ReadonlyMap<number, string>,
	checks: readonly Check[],
): { blocks: number; reason?: string } {
	const fixed = [...frozen.keys()].sort((a, b) => a - b);
	const free = Array.from({ length: blocks }, (_, i) => i).filter((block) => !frozen.has(block));
	const least = Math.max(1, fixed.length);
	const impossible = least < blocks ? faultOfAll(blocks, checks) : undefined;
	if (impossible !== undefined) return { blocks: 0, reason: impossible };
	let reason = free.length === 0 ? frozen.get(fixed[0]!) : undefined;
	let work = 0;
	for (let size = least; size < blocks && work < MOST_WORK; size++) {
		const someSet = Array.from({ length: size }, (_, i) => i);
		const count = checks
			.filter((check) => check.countOnly)
			.map((check) => check.test(someSet))
			.find(Boolean);
		if (count) reason = count;
		else if (possibleSet(blocks, frozen, checks, size) === "some") return { blocks: blocks - size };
		else {
			work += TRIES * size;
			reason ??= faultOfLeast(blocks, fixed, free, checks);
		}
	}
	return reason === undefined ? { blocks: 0 } : { blocks: 0, reason };
}

/** Why no set satisfies the rules, if even all blocks together lack what some rule asks for. A search would take its whole bound. */
function faultOfAll(blocks: number, checks: readonly Check[]): string | undefined {
	const all = Array.from({ length: blocks }, (_, i) => i);
	return checks
		.filter((check) => check.monotone)
		.map((check) => check.test(all))
		.find(Boolean);
}

/** Whether a set of `size` kept blocks satisfies the rules: `none` is certain; `unknown` if there are more sets than are tried. */
export function possibleSet(
	blocks: number,
	frozen: ReadonlyMap<number, string>,
	checks: readonly Check[],
	size: number,
): "some" | "none" | "unknown" {
	const fixed = [...frozen.keys()].sort((a, b) => a - b);
	const free = Array.from({ length: blocks }, (_, i) => i).filter((block) => !frozen.has(block));
	let tries = 0;
	for (const chosen of size < fixed.length ? [] : combinations(free, size - fixed.length)) {
		const kept = merged(fixed, chosen);
		if (kept.length > 0 && checks.every((check) => check.test(kept) === undefined)) return "some";
		if (++tries >= TRIES) return "unknown";
	}
	return "none";
}

/** Both lists in one, ascending: to sort it would take most of the time of a search. */
function merged(a: readonly number[], b: readonly number[]): number[] {
	const out: number[] = [];
	let at = 0;
	for (const one of a) {
		while (at < b.length && b[at]! < one) out.push(b[at++]!);
		out.push(one);
	}
	while (at < b.length) out.push(b[at++]!);
	return out;
}

/** Why a single block cannot be removed, for people. */
function faultOfLeast(blocks: number, fixed: readonly number[], free: readonly number[], checks: readonly Check[]): string | undefined {
	const last = free.at(-1);
	if (last === undefined || fixed.length === blocks) return undefined;
	const kept = Array.from({ length: blocks }, (_, i) => i).filter((block) => block !== last);
	return checks.map((check) => check.test(kept)).find(Boolean);
}

/** All choices of `size` items, in lexicographic order. */
function* combinations(items: readonly number[], size: number): Generator<number[]> {
	const at = Array.from({ length: size }, (_, i) => i);
	while (size <= items.length) {
		yield at.map((i) => items[i]!);
		let move = size - 1;
		while (move >= 0 && at[move] === items.length - size + move) move--;
		if (move < 0) return;
		at[move]!++;
		for (let i = move + 1; i < size; i++) at[i] = at[i - 1]! + 1;
	}
}
