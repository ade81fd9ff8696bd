// How much memory the full model's distributions may take, and what is said where they would take more.
import { InvalidOptionError, NotEnoughMemoryError } from "../../errors.js";
import { sizeText } from "../../model/runtime/memory.js";
import { bytesOfReference, defaultReferenceBytes } from "../../model/runtime/positions.js";
import type { TokenWindows } from "../../model/runtime/windows.js";
import type { ReferenceSettings } from "../../api/options/settings.js";

/** What of the options bounds them. */
export type ReferenceRoom = ReferenceSettings;

/** Bytes that the distributions on one set of windows may take. @throws InvalidOptionError for no number of bytes */
export function mostReferenceBytes({ referenceBytes = defaultReferenceBytes }: ReferenceRoom): number {
	if (Number.isSafeInteger(referenceBytes) && referenceBytes >= 0) return referenceBytes;
	throw new InvalidOptionError(`reference-bytes must be a whole number of bytes from 0, got ${referenceBytes}`);
}

/** Positions that predict something: all but the last one of each window. */
export const predicting = ({ count, length }: Pick<TokenWindows, "count" | "length">): number => count * (length - 1);

/** Positions on all of these windows together, without those that would take more than is allowed: they are refused, or left out. */
export function allowedPositions(sets: readonly Pick<TokenWindows, "count" | "length">[], vocabulary: number, room: ReferenceRoom): number {
	const most = mostReferenceBytes(room);
	const allowed = sets.map(predicting).filter((count) => bytesOfReference(count, vocabulary) <= most);
	return allowed.reduce((sum, count) => sum + count, 0);
}

/** What is needed, what is allowed, and by which option. */
export function roomText(bytes: number, room: ReferenceRoom): string {
	const allowed = mostReferenceBytes(room);
	return `${bytes} bytes (${sizeText(bytes)}), and --reference-bytes allows ${allowed} (${sizeText(allowed)})`;
}

/**
 * @param asker what needs the distributions, as the user asked for it
 * @throws NotEnoughMemoryError where those on one of the folds would take more than is allowed
 */
export function checkReferenceRoom(
	asker: string,
	folds: Readonly<Record<string, Pick<TokenWindows, "count" | "length">>>,
	vocabulary: number,
	room: ReferenceRoom,
): void {
	const sizes = Object.entries(folds).map(([fold, windows]) => ({ fold, bytes: bytesOfReference(predicting(windows), vocabulary) }));
	// The largest: an option that allows it allows all.
	const { fold, bytes } = sizes.reduce((a, b) => (b.bytes > a.bytes ? b : a));
	if (bytes <= mostReferenceBytes(room)) return;
	throw new NotEnoughMemoryError(
		`${asker} keeps the full model's distributions: on the ${fold} fold ${roomText(bytes, room)}. Give --reference-bytes ${bytes}, or fewer or shorter windows (--windows, --window-length).`,
	);
}
