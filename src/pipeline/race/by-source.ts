// Several calibration sources: what each of them would rather remove.
import type { Disagreement } from "../../api/index.js";
import { type Measurement, meanLoss } from "../../game/game.js";
import { bySource } from "../../game/sources.js";
import type { Session } from "../session/session.js";
import { differences, meanAndError, studentT95 } from "../../game/statistics.js";
import type { ProposedSet } from "../methods/selection-context.js";
import { isWithoutCuts } from "./kinds.js";
import { blocksArgument, formatBlocks } from "../../notation.js";

/** The best set without half-block cuts of each size on each source, among those that the search has measured: no evaluation of the search is spent. */
export function bestBySource(session: Session, sizes: readonly number[]): ProposedSet[] {
	const played = session.games.search.played().filter(({ coalition }) => isWithoutCuts(coalition));
	const sources = played[0]?.sources ?? [];
	return sizes.flatMap((size) => {
		const sets = played.filter(({ coalition }) => coalition.removed().length === size && session.games.search.allows(coalition));
		return sources.flatMap(({ name }, source) => {
			const best = lowest(sets, (set) => lossOn(set, source));
			return best && Number.isFinite(lossOn(best, source)) ? [{ removed: best.coalition.removed(), method: `best on ${name}` }] : [];
		});
	});
}

/** Sources on which another of the sets is better than the chosen one by more than the 95 % interval of the paired difference. */
export function disagreementsOf(chosen: Measurement, others: readonly Measurement[]): Disagreement[] {
	// What breaks the model on another source is no alternative.
	const whole = others.filter((set) => Number.isFinite(meanLoss(set)));
	return (chosen.sources ?? []).flatMap(({ name, count }, source) => {
		const best = lowest(whole, (set) => lossOn(set, source));
		if (!best || count < 2) return [];
		const paired = differences(windowsOn(chosen, source), windowsOn(best, source));
		const { mean: by, standardError = 0 } = meanAndError(paired);
		if (!(by > studentT95(count - 1) * standardError)) return [];
		const worseOverall = meanLoss(best) - meanLoss(chosen);
		return [{ source: name, chosen: chosen.coalition.removed(), better: best.coalition.removed(), by, standardError, worseOverall }];
	});
}

/** For people. */
export function disagreementText({ source, chosen, better, by, standardError, worseOverall }: Disagreement): string {
	return (
		`the calibration texts disagree: on ${source}, removing ${formatBlocks(better)} is better than the chosen ${formatBlocks(chosen)} by ${by.toFixed(3)} ± ${standardError.toFixed(3)}, ` +
		`but worse by ${worseOverall.toFixed(3)} on all texts together. To take it: --remove ${blocksArgument(better)}, or give ${source} more weight`
	);
}

function windowsOn({ losses, sources }: Measurement, source: number): Float64Array {
	return bySource(losses, sources ?? [])[source]!;
}

function lossOn(measurement: Measurement, source: number): number {
	const windows = windowsOn(measurement, source);
	return windows.every(Number.isFinite) ? meanAndError(windows).mean : Number.POSITIVE_INFINITY;
}

function lowest<T>(items: readonly T[], loss: (item: T) => number): T | undefined {
	return items.reduce<T | undefined>((best, item) => (best === undefined || loss(item) < loss(best) ? item : best), undefined);
}
