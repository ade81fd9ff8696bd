import type { Coalition } from "./coalition.js";
import { type Measurement, meanLoss, valueOfLoss } from "./game.js";
import type { Granularity } from "./pairs.js";
import { partsAt } from "./parts.js";

/** One measured coalition as surrogates see it. */
export interface Sample {
	readonly coalition: Coalition;
	/** Loss of the coalition minus that of the original model, nats per token; Infinity if the model broke down. */
	readonly addedLoss: number;
	/** v(S) = exp(-addedLoss): 1 no loss, 0 broken. */
	readonly value: number;
}

/**
 * @param originalLoss mean loss of the original model, nats per token
 * @throws RangeError if the original model's loss is not finite
 */
export function toSamples(measurements: Iterable<Measurement>, originalLoss: number): Sample[] {
	if (!Number.isFinite(originalLoss)) throw new RangeError(`the original model's loss must be finite, got ${originalLoss}`);
	const samples: Sample[] = [];
	for (const measurement of measurements) samples.push(toSample(measurement.coalition, meanLoss(measurement), originalLoss));
	return samples;
}

/** @param loss mean loss of the coalition, nats per token */
export function toSample(coalition: Coalition, loss: number, originalLoss: number): Sample {
	const finite = Number.isFinite(loss);
	return { coalition, addedLoss: finite ? loss - originalLoss : Number.POSITIVE_INFINITY, value: valueOfLoss(loss, originalLoss) };
}

/** Bytes in the row of a coalition: one per block, or with half-block cuts one per part. */
export function rowLength(players: number, granularity: Granularity = "block"): number {
	return granularity === "block" ? players : 2 * players;
}

/**
 * What a coalition removes, ascending: numbers of blocks, or with half-block cuts numbers of parts (2i is the attention part of block i,
 * 2i + 1 its feed-forward part).
 * @throws RangeError for a half-block cut if blocks are counted: half a block is neither removed nor kept
 */
export function removedUnits(coalition: Coalition, granularity: Granularity = "block"): number[] {
	if (granularity === "half-block") return coalition.removed().flatMap(unitsAt);
	if (!coalition.whole)
		throw new RangeError(`expected whole blocks, got ${coalition}, which keeps parts of blocks; use granularity half-block`);
	return coalition.removed();
}

/** Numbers of the parts that a removed position stands for. */
function unitsAt(position: number): number[] {
	const { first, count } = partsAt(position);
	return count === 1 ? [first] : [first, first + 1];
}

/**
 * Coalitions as rows of bytes, 1 kept and 0 removed: the form that surrogates predict in bulk. Shape: coalitions x {@link rowLength}.
 * @throws RangeError for coalitions of another number of blocks, and as {@link removedUnits}
 */
export function toRows(coalitions: readonly Coalition[], players: number, granularity: Granularity = "block"): Uint8Array {
	const length = rowLength(players, granularity);
	const rows = new Uint8Array(coalitions.length * length).fill(1);
	for (const [index, coalition] of coalitions.entries()) {
		if (coalition.players !== players)
			throw new RangeError(`expected coalitions of ${players} blocks, got ${coalition.players} (${coalition})`);
		for (const unit of removedUnits(coalition, granularity)) rows[index * length + unit] = 0;
	}
	return rows;
}
