// How much memory the original model's distributions may take, and what is said where they would take more.
import { InvalidOptionError, NotEnoughMemoryError } from "../../errors.js";
import { availableMemory, sizeText } from "../../model/runtime/memory.js";
import { bytesOfReference, defaultReferenceBytes } from "../../model/runtime/positions.js";
import type { TokenWindows } from "../../model/runtime/windows.js";
import type { ReferenceSettings } from "../../api/options/settings.js";
import { type SplitName, splitNames, splitTitle } from "../../storage/split-names.js";

/** What of the options bounds them. */
export type ReferenceMemory = ReferenceSettings;

/** Bytes that the distributions on one set of windows may take. @throws InvalidOptionError for no number of bytes */
export function mostReferenceBytes({ referenceBytes = defaultReferenceBytes }: ReferenceMemory): number {
	if (Number.isSafeInteger(referenceBytes) && referenceBytes >= 0) return referenceBytes;
	throw new InvalidOptionError(`reference-bytes must be a whole number of bytes from 0, got ${referenceBytes}`);
}

/** Positions that predict something: all but the last one of each window. */
export const predicting = ({ count, length }: Pick<TokenWindows, "count" | "length">): number => count * (length - 1);

/** Positions on all of these windows together, without those that would take more than is allowed: they are refused, or left out. */
export function allowedPositions(
	sets: readonly Pick<TokenWindows, "count" | "length">[],
	vocabulary: number,
	room: ReferenceMemory,
): number {
	const most = mostReferenceBytes(room);
	const allowed = sets.map(predicting).filter((count) => bytesOfReference(count, vocabulary) <= most);
	return allowed.reduce((sum, count) => sum + count, 0);
}

/** Distributions to compare with, where comparing goes without them if they find no room. */
export interface WishedReference {
	/** What one of them takes, bytes. */
	readonly bytes: number;
	/** How many are there at once. */
	readonly copies: 1 | 2;
	/** What measuring takes beside them, bytes. */
	readonly measuring: number;
}

/** Why they find no room, behind what one takes; undefined if they do. */
export function noRoomFor({ bytes, copies, measuring }: WishedReference, room: ReferenceMemory): string | undefined {
	const available = availableMemory();
	const why =
		bytes > mostReferenceBytes(room)
			? `--reference-bytes ${bytes} allows them`
			: copies * bytes + measuring > available
				? `${copies === 1 ? "that" : "twice that"} and ${sizeText(measuring)} to measure with are more than the ${sizeText(available)} that are free (--state-bytes lowers the second)`
				: undefined;
	return why && `the reference logits take ${sizeText(bytes)}; ${why}`;
}

/** What is needed, what is allowed, and by which option. */
export function memoryText(bytes: number, room: ReferenceMemory): string {
	const allowed = mostReferenceBytes(room);
	return `${bytes} bytes (${sizeText(bytes)}), and --reference-bytes allows ${allowed} (${sizeText(allowed)})`;
}

/**
 * @param asker what needs the distributions, as the user asked for it
 * @throws NotEnoughMemoryError where those on one of the splits would take more than is allowed
 */
export function checkReferenceMemory(
	asker: string,
	splits: Readonly<Partial<Record<SplitName, Pick<TokenWindows, "count" | "length">>>>,
	vocabulary: number,
	room: ReferenceMemory,
): void {
	const sizes = splitNames.flatMap((split) => {
		const windows = splits[split];
		return windows ? [{ split, bytes: bytesOfReference(predicting(windows), vocabulary) }] : [];
	});
	// The largest: an option that allows it allows all.
	const { split, bytes } = sizes.reduce((a, b) => (b.bytes > a.bytes ? b : a));
	if (bytes <= mostReferenceBytes(room)) return;
	throw new NotEnoughMemoryError(
		`${asker} keeps the original model's distributions: on the ${splitTitle(split)} split ${memoryText(bytes, room)}. Give --reference-bytes ${bytes}, or fewer or shorter windows (--windows, --window-length).`,
	);
}
