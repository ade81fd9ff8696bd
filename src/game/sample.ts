import type { Coalition } from "./coalition.js";
import { type Measurement, meanLoss, valueOfLoss } from "./game.js";

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

/** Coalitions as rows of bytes, 1 kept and 0 removed: the form that surrogates predict in bulk. Shape: coalitions x players. */
export function toRows(coalitions: readonly Coalition[], players: number): Uint8Array {
	const rows = new Uint8Array(coalitions.length * players);
	for (const [index, coalition] of coalitions.entries()) {
		if (coalition.players !== players)
			throw new RangeError(`expected coalitions of ${players} blocks, got ${coalition.players} (${coalition})`);
		for (let i = 0; i < players; i++) if (coalition.has(i)) rows[index * players + i] = 1;
	}
	return rows;
}
