// What a race says of every size: the curve, and what it suggests.
import type { CurvePoint, Metric, PruneResult } from "../../api/index.js";
import { finite } from "../../game/statistics.js";
import { commandToRemove, outputWithout } from "../preflight/command-line.js";
import type { Session } from "../session/session.js";
import { kindsText, removedText } from "../../notation.js";
import { natsBesideBound, riseText, sensibleLoss, smallRise } from "../../report/trade.js";
import type { Standing } from "./standing.js";
import type { AskedSettings } from "../../api/options/settings.js";

/** The curve of loss against blocks removed on the validation split, the original model first; sizes that were not raced are left out. */
export function curveOf({ race, winners }: Standing): CurvePoint[] {
	const full: CurvePoint = {
		...{ removed: [], loss: race.originalLoss, added: 0, standardError: 0 },
		...(race.originalFigures ? { figures: race.originalFigures } : {}),
	};
	const points = [...winners.values()].map(({ removed, loss, added, standardError, figures, tied }) => ({
		removed,
		loss: finite(loss),
		added: finite(added),
		standardError: standardError === undefined ? undefined : finite(standardError),
		...(figures ? { figures } : {}),
		...(tied ? { tied } : {}),
	}));
	return [full, ...points.sort((a, b) => a.removed.length - b.removed.length)];
}

export { sensibleLoss } from "../../report/trade.js";

/** What counts as small, and what a set costs, for people. */
const costWords: Readonly<Record<Metric, { bound: string; cost: (added: number) => string }>> = {
	loss: {
		bound: `up to ${smallRise}`,
		cost: (added) => (added > 0 ? `perplexity rises by ${riseText(added)}` : "perplexity does not rise"),
	},
	kl: {
		bound: `up to ${sensibleLoss}`,
		cost: (added) => `the KL divergence is ${natsBesideBound(added)} nats per token`,
	},
	accuracy: {
		bound: `up to ${sensibleLoss}`,
		cost: (added) => `the loss rises by ${natsBesideBound(added)} nats per question`,
	},
};

/** The most blocks whose loss stays small, which may be none. */
export function suggest(curve: readonly CurvePoint[], session: Session): NonNullable<PruneResult["suggestion"]> {
	const fits = curve.filter((point) => point.added !== null && point.added <= sensibleLoss);
	const best = fits.at(-1)!;
	const { bound, cost } = costWords[session.metric];
	if (best.removed.length > 0) {
		return {
			removed: best.removed,
			reason: `This is the largest measured number of ${kindsText(best.removed)} with a small cost: ${cost(best.added!)} on the validation split (${bound} counts as small). The run that removes them measures again on other text.`,
		};
	}
	const next = curve[1];
	if (!next) return { removed: [], reason: "Nothing that can be removed was found." };
	const loss = next.added == null ? "the model gives no finite loss" : cost(next.added);
	return {
		removed: [],
		reason: `Even without ${removedText(next.removed)} alone, ${loss} (${bound} counts as small). For a smaller file, quantizing may cost less.`,
	};
}

/** Commands that write the models of a curve, set by set: nothing is searched again, and what was measured is used again. */
export function commandsFor(
	session: Session,
	curve: readonly CurvePoint[],
	output: string | undefined,
	{ asked }: AskedSettings,
): string[] {
	const model = session.model.path;
	const suggested = suggest(curve, session).removed.length;
	const smaller = curve.filter((point) => point.removed.length > 0);
	const sizes = smaller.map((point) => point.removed.length);
	const shown = [suggested, sizes[Math.floor(sizes.length / 3)], sizes.at(-1)];
	return smaller
		.filter((point) => shown.includes(point.removed.length))
		.map(({ removed }) => commandToRemove(model, output ?? outputWithout(model, removed), removed, asked));
}
