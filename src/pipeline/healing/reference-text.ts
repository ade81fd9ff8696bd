// Text with the original model's distributions on it, for healing to come near to.
import type { JobOptions } from "../../api/index.js";
import { drawPositions } from "../../model/calibration/index.js";
import { Coalition } from "../../game/coalition.js";
import type { ComparedText } from "../../model/fitting/tuning.js";
import { logger } from "../../api/logger.js";
import { mostReferenceBytes, predicting } from "../preflight/reference-memory.js";
import type { Evaluator } from "../../model/runtime/evaluator.js";
import { availableMemory, sizeText } from "../../model/runtime/memory.js";
import { bytesOfReference } from "../../model/runtime/positions.js";
import { firstWindows, type TokenWindows } from "../../model/runtime/windows.js";
import type { HealSettings, SessionSettings } from "../../api/options/settings.js";

/** What the original model's distributions on a text may take: fewer positions are scored where all would take more. */
export const mostComparedBytes = 2 ** 29;

/** What bounds them beside that. */
export type ComparedOptions = HealSettings & JobOptions & Pick<SessionSettings, "referenceBytes">;

/** How positions are drawn. */
interface Drawing {
	readonly seed: number;
	/** First position of a window that counts. @default 0 */
	readonly scoreFrom?: number | undefined;
	/** Bytes that healing takes beside the distributions. @default not looked at */
	readonly reserved?: number | undefined;
}

/** Which positions are scored. */
export interface ComparedShape {
	/** First windows of the text that are used, and positions in each, at least 2. */
	readonly windows: number;
	readonly positions: number;
}

/**
 * As many positions as predict something and fit, the same number in every window; only the first windows where two in each do not fit.
 * @param share of the positions of a window, at most
 * @param most bytes
 */
export function comparedShape(
	{ count, length }: Pick<TokenWindows, "count" | "length">,
	vocabulary: number,
	share: number,
	most: number,
): ComparedShape {
	const allowed = Math.floor(most / bytesOfReference(1, vocabulary));
	const windows = Math.min(count, Math.floor(allowed / 2));
	const wanted = Math.max(2, Math.round(share * (length - 1)));
	return { windows, positions: windows === 0 ? 0 : Math.min(wanted, length - 1, Math.floor(allowed / windows)) };
}

/**
 * The drawn positions with the original model's distributions there; undefined where the options leave no room for two of them, or the
 * memory none beside what is reserved.
 */
export async function comparedAt(
	evaluator: Evaluator,
	all: TokenWindows,
	{ share, seed, reserved, scoreFrom = 0 }: Drawing & { readonly share: number },
	options: ComparedOptions,
): Promise<ComparedText | undefined> {
	const { vocabulary, blocks } = evaluator.model.facts;
	const most = Math.min(mostComparedBytes, mostReferenceBytes(options));
	const shape = comparedShape({ count: all.count, length: all.length - scoreFrom }, vocabulary, share, most);
	const bytes = bytesOfReference(shape.windows * shape.positions, vocabulary);
	if (shape.windows === 0 || (reserved !== undefined && bytes + reserved > availableMemory())) return undefined;
	const windows = firstWindows(all, shape.windows);
	const positions = drawPositions(windows, { share: shape.positions / (windows.length - 1 - scoreFrom), seed, scoreFrom });
	const reference = await evaluator.createReference(Coalition.full(blocks), windows, { positions, maxBytes: most, signal: options.signal });
	return { windows, positions, reference };
}

/**
 * Self-generated text with reference logits, at all positions that fit. Undefined, with a note, if they do not fit in memory.
 * The loss on such text is an estimate of the divergence, with the chance of the drawn tokens on top.
 */
export async function comparedText(
	evaluator: Evaluator,
	windows: TokenWindows,
	drawing: Drawing & { readonly reserved: number },
	options: ComparedOptions,
): Promise<ComparedText | undefined> {
	const text = await comparedAt(evaluator, windows, { ...drawing, share: 1 }, options);
	if (text) return text;
	const bytes = bytesOfReference(predicting(windows), evaluator.model.facts.vocabulary);
	logger(options)(
		"note",
		`ways to heal are compared by loss, not by KL divergence, which varies less: the reference logits take ${sizeText(bytes)}, more than the memory or --reference-bytes allows`,
	);
	return undefined;
}
