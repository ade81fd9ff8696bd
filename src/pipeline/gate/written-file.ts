// The limits on a quantized file, asked of it before it gets its name.
import { closestPlan, type GateCheck, settleGate, shiftedBy, type GateSettings } from "./verdict.js";
import { LimitsNotMetError } from "../../errors.js";
import { Gate, verdictOfGate } from "./gate.js";
import { limitText, measuredText } from "../../report/gate.js";
import { Session } from "../session/session.js";
import type { PlanLimits, PlanLimit } from "../../storage/plan-limits.js";
import type { Measured, MeasuredOriginal } from "../session/paired-figures.js";
import type { MachineSettings, UnknownSettings } from "../../api/options/settings.js";

/** A quantized file that has not its name yet, measured on the held-out split, and the whole source on the same windows. */
export interface WrittenCandidate {
	readonly path: string;
	readonly measured: Measured;
	readonly whole: MeasuredOriginal;
	readonly bytes: number;
}

/** The check, and the verdict once it was made. */
export interface FileCheck {
	/** @throws LimitsNotMetError unless `ignoreLimits` */
	check(file: WrittenCandidate): Promise<void>;
	verdict(): PlanLimits | undefined;
}

/**
 * A check of the quality limits, and of the size that was asked for, which `ignoreLimits` does not let pass; undefined if neither was.
 * Measures the set under its mask now, while the session is open: what quantizing costs beyond that is carried over to sets of fewer
 * blocks.
 * @param healed what the set is measured to be before it is quantized, where it was healed
 */
export async function fileCheck(
	check: GateCheck | undefined,
	removed: readonly number[],
	options: GateSettings & MachineSettings & UnknownSettings,
	healed?: readonly PlanLimit[],
): Promise<FileCheck | undefined> {
	const { targetSize } = options;
	if (!check && targetSize === undefined) return undefined;
	const mask = healed ?? (check ? await check.gate.figures("heldOut", removed) : []);
	// The session is closed by the time the file is there.
	const later = check && { gate: check.gate.ofFile(), reopen: reopened(check) };
	let verdict: PlanLimits | undefined;
	return {
		verdict: () => verdict,
		check: async ({ path, measured, whole, bytes }) => {
			const figures = later ? await later.gate.figures(path, measured, whole, options) : [];
			const size = targetSize === undefined ? [] : [sizeFigure(targetSize, bytes)];
			const all = [...figures, ...size];
			if (size.some(({ met }) => !met)) throw tooLarge(targetSize!, bytes, removed.length, all);
			verdict = await settleGate(verdictOfGate(all, "file", options.ignoreLimits ?? false), options, async () =>
				later?.reopen((again) => closestPlan(again, removed.length, shiftedBy(mask, figures))),
			);
		},
	};
}

/** A size is no matter of quality: nothing lets a file that misses it pass. */
function tooLarge(target: number, bytes: number, removed: number, figures: PlanLimit[]): LimitsNotMetError {
	return new LimitsNotMetError(
		`target-size ${limitText("target-size", target)} is not met: the file as quantized has ${measuredText(sizeFigure(target, bytes))}, more than predicted. No model was written. Remove one block more (--remove-blocks ${removed + 1}).`,
		{ figures },
	);
}

function sizeFigure(limit: number, value: number): PlanLimit {
	return { name: "target-size", limit, value, standardError: null, met: value <= limit };
}

/** Does work with the gate of a session of its own: that of the check is closed then. What was measured is in the ledgers. */
function reopened({ session: { model }, gate: { limits }, ...known }: GateCheck) {
	const { path } = model;
	const { options } = known;
	return async <T>(work: (check: GateCheck) => Promise<T>): Promise<T> => {
		const session = await Session.open(path, options, { masks: 0, weights: "own", compared: options.maxKl !== undefined });
		try {
			return await work({ ...known, session, gate: Gate.open(session, limits, options) });
		} finally {
			await session.close();
		}
	};
}
