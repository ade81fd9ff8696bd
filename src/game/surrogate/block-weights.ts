import type { Granularity } from "../pairs.js";
import { removedUnits, rowLength, type Sample } from "../sample.js";
import { Cholesky } from "./cholesky.js";
import { linkOfLoss } from "./surrogate.js";

/** The cost of each block (or part) by an additive ridge fit, with mean 1. Clamped to a fifth and five times the mean, so that none vanishes. */
export function blockWeights(samples: readonly Sample[], blocks: number, granularity: Granularity = "block"): Float64Array {
	const players = rowLength(blocks, granularity);
	const gram = new Float64Array(players * players);
	const moment = new Float64Array(players);
	for (const sample of samples) {
		const removed = removedUnits(sample.coalition, granularity);
		for (const i of removed) {
			moment[i]! += linkOfLoss(sample.addedLoss);
			for (const j of removed) gram[i * players + j]! += 1;
		}
	}
	for (let i = 0; i < players; i++) gram[i * players + i]! += 0.1;
	const costs = new Cholesky(gram, players).solve(moment).map((cost) => Math.max(0, cost));
	const mean = costs.reduce((sum, cost) => sum + cost, 0) / players;
	if (!(mean > 0)) return costs.fill(1);
	const floored = costs.map((cost) => Math.max(0.2, Math.min(5, cost / mean)));
	const scale = players / floored.reduce((sum, weight) => sum + weight, 0);
	return floored.map((weight) => weight * scale);
}
