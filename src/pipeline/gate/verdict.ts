// The gate on a set that was chosen: it passes, or no model is written and the closest plan that would pass is named.
import { commandToRemove } from "../preflight/command-line.js";
import { namesAttention } from "../preflight/context.js";
import { type ClosestPlan, LimitsNotMetError } from "../../errors.js";
import { type Gate, requirementText, verdictOfGate } from "./gate.js";
import { meanLoss } from "../../game/game.js";
import { logger } from "../../api/logger.js";
import type { Standing } from "../race/standing.js";
import { formatBytes } from "../../report/format.js";
import { countedText } from "../../notation.js";
import { measuredText } from "../../report/gate.js";
import type { Session } from "../session/session.js";
import type { PlanLimits, PlanLimit } from "../../storage/plan-limits.js";
import type { Choices } from "../methods/selection-context.js";
import { asksToHeal } from "../preflight/heal-options.js";
import type { JobOptions } from "../../api/index.js";
import type {
	AmountSettings,
	AskedSettings,
	HealSettings,
	LimitSettings,
	MethodSettings,
	SessionSettings,
} from "../../api/options/settings.js";

/** What a verdict depends on, and what is said with it. */
export type GateSettings = LimitSettings & AmountSettings & Pick<MethodSettings, "granularity"> & HealSettings & JobOptions;

/** A gate with what is needed to look for a set that passes it. */
export interface GateCheck {
	readonly gate: Gate;
	readonly session: Session;
	readonly output: string | undefined;
	readonly choices?: Choices | undefined;
	readonly decided?: Standing | undefined;
	/** Further sets that are known. */
	readonly known?: readonly (readonly number[])[];
	/** Those of the session among them: it may be closed when further sets are looked at, and is opened again for that. */
	readonly options: GateSettings & AskedSettings & SessionSettings;
}

/**
 * Measures the set on the held-out split, under its mask.
 * @throws LimitsNotMetError where a limit is not met, unless `ignoreLimits`
 */
export async function checkGate(check: GateCheck, removed: readonly number[]): Promise<PlanLimits> {
	const figures = await check.session.timed("quality limits", () => check.gate.figures("heldOut", removed));
	return settleGate(verdictOfGate(figures, "memory", check.options.ignoreLimits ?? false), check.options, () =>
		closestPlan(check, removed.length),
	);
}

/**
 * The same of a healed set, from what it was measured to be: its closest plans are judged unhealed.
 * @throws LimitsNotMetError
 */
export function checkHealed(check: GateCheck, removed: readonly number[], figures: PlanLimit[]): Promise<PlanLimits> {
	return settleGate(verdictOfGate(figures, "memory", check.options.ignoreLimits ?? false), check.options, () =>
		closestPlan(check, removed.length),
	);
}

/** Lets a verdict pass, or throws. */
export async function settleGate(
	verdict: PlanLimits,
	options: GateSettings,
	closest: () => Promise<ClosestPlan | undefined>,
): Promise<PlanLimits> {
	if (verdict.met) return verdict;
	const missed = verdict.figures
		.filter(({ met }) => !met)
		.map(requirementText)
		.join("; ");
	if (verdict.ignored) {
		logger(options)("warning", `limits not met, but written all the same (--ignore-limits): ${missed}`);
		return verdict;
	}
	const where = verdict.measured === "memory" ? "on the held-out split" : "on the held-out split, by the file as written";
	const forSize = options.targetSize === undefined ? "" : `${formatBytes(options.targetSize)} needs more than the limits allow: `;
	throw gateError(`${forSize}quality limits not met ${where}: ${missed}. No model was written.`, verdict.figures, await closest(), options);
}

function gateError(
	message: string,
	figures: readonly PlanLimit[],
	closest: ClosestPlan | undefined,
	options: GateSettings,
): LimitsNotMetError {
	const forced = amountGiven(options) ? "--ignore-limits writes it all the same." : "";
	if (!closest) {
		const attention = ofAttention(options);
		const advice = amountGiven(options)
			? `prune-gguf ${attention ? "--granularity attention " : ""}with these limits and no amount looks for one`
			: `allow more, or ask for less with ${attention ? "--remove-attention" : "--remove-blocks"}`;
		return new LimitsNotMetError(`${message} No smaller removal that this run knows meets it; ${advice}. ${forced}`.trimEnd(), {
			figures,
		});
	}
	const { removed, estimated, command } = closest;
	const shown = closest.figures.map((figure) => `${figure.name} ${measuredText(figure)}`).join(", ");
	const unhealed = asksToHeal(options) ? ", not healed yet" : "";
	const how = estimated ? "should meet it, if quantizing costs it as much" : "meets it";
	const set = `removing ${countedText(removed)} ${how} (${shown}${unhealed})`;
	return new LimitsNotMetError(`${message} Closest: ${set}:\n  ${command}\n${forced}`.trimEnd(), { figures, closest });
}

/** Whether attention parts are searched, or among those that are named. */
const ofAttention = ({ granularity, removeAttention, targetKv, ...named }: GateSettings): boolean =>
	(granularity === "attention" && named.remove === undefined) ||
	removeAttention !== undefined ||
	targetKv !== undefined ||
	namesAttention(named);

/** Whether it was said how much to remove, or the limits decided. */
function amountGiven({ removeBlocks, removeFraction, remove, targetSize, targetSpeedup, ...attention }: AmountSettings): boolean {
	const { removeAttention, targetKv } = attention;
	return [removeBlocks, removeFraction, remove, targetSize, targetSpeedup, removeAttention, targetKv].some(
		(amount) => amount !== undefined,
	);
}

/**
 * The known set for the most blocks, fewer than asked for, that meets the gate.
 * @param shift changes what is measured under a mask to what is expected of the quantized file, where one is written
 */
export async function closestPlan(
	check: GateCheck,
	below: number,
	shift?: (figures: readonly PlanLimit[]) => readonly PlanLimit[],
): Promise<ClosestPlan | undefined> {
	for (const removed of await knownSets(check, below)) {
		if (!shift && !(await check.gate.meets("heldOut", removed))) continue;
		const measured = await check.gate.figures("heldOut", removed);
		const figures = shift?.(measured) ?? measured;
		if (!figures.every(({ met }) => met)) continue;
		return {
			removed,
			figures,
			estimated: shift !== undefined,
			command: commandToRemove(check.session.model.path, check.output, removed, check.options.asked),
		};
	}
	return undefined;
}

/** What is expected of the quantized file of another set: what quantizing changed of the set that was measured both ways. */
export function shiftedBy(mask: readonly PlanLimit[], file: readonly PlanLimit[]) {
	return (figures: readonly PlanLimit[]): PlanLimit[] =>
		figures.map((figure, i) => {
			const [before, after] = [mask[i]!.value, file[i]!.value];
			if (figure.value === null || before === null || after === null) return { ...figure, value: null, met: false };
			const value = figure.name === "max-ppl-ratio" ? (figure.value * after) / before : figure.value + after - before;
			return { ...figure, value, met: figure.name.startsWith("min-accuracy ") ? value >= figure.limit : value <= figure.limit };
		});
}

/** The best set that is known for each smaller number of blocks, the most blocks first. */
async function knownSets({ session, choices, decided, known, options }: GateCheck, below: number): Promise<(readonly number[])[]> {
	const best = new Map<number, readonly number[]>();
	const add = (removed: readonly number[]) => {
		const { length } = removed;
		if (length > 0 && length < below && !best.has(length)) best.set(length, removed);
	};
	for (const { removed } of decided?.winners.values() ?? []) add(removed);
	for (const { removed } of choices?.found.byCount.values() ?? []) add(removed);
	for (const removed of known ?? []) add(removed);
	const game = session.games.search;
	const smaller = game.ledger
		.measurements()
		.map(({ coalition }) => coalition)
		.filter((set) => {
			const removed = set.removed();
			return removed.length > 0 && removed.length < below && session.model.blocks.check(removed) === undefined;
		});
	const measured = await game.measure(smaller, { signal: options.signal });
	for (const one of measured.sort((a, b) => meanLoss(a) - meanLoss(b))) if (Number.isFinite(meanLoss(one))) add(one.coalition.removed());
	return [...best.values()].sort((a, b) => b.length - a.length);
}
