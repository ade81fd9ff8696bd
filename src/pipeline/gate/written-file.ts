// The limits on a quantised file, asked of it before it gets its name.
import { closestPlan, type GateCheck, settleGate, shiftedBy } from "./verdict.js";
import { type ClosestPlan, GateNotMetError } from "../../errors.js";
import { Gate, verdictOfGate } from "./gate.js";
import { readGate } from "../preflight/gate-limits.js";
import { formatBytes } from "../../report/format.js";
import { Session } from "../session/session.js";
import type { PlanGate, PlanGateFigure } from "../../storage/plan-gate.js";
import type { Measurement } from "../../game/game.js";
import type { Measured } from "../session/paired-figures.js";
import type { PruneJob } from "../preflight/job.js";

/** A quantised file that has not its name yet, measured on the report fold, and the whole source on the same windows. */
export interface WrittenCandidate {
	readonly path: string;
	readonly measured: Measured;
	readonly whole: Measurement;
	readonly bytes: number;
}

/** The check, and the verdict once it was made. */
export interface FileCheck {
	/** @throws GateNotMetError unless `ignoreGate` */
	check(file: WrittenCandidate): Promise<void>;
	verdict(): PlanGate | undefined;
}

/**
 * A check of the quality gate, and of the size that was asked for, which `ignoreGate` does not let pass; undefined where neither was. Measures the set under its mask now,
 * while the session is open: what quantising costs beyond that is carried over to sets of fewer blocks.
 * @param healed what the set is measured to be before it is quantised, where it was healed
 */
export async function fileCheck(
	check: GateCheck | undefined,
	removed: readonly number[],
	options: PruneJob,
	healed?: readonly PlanGateFigure[],
): Promise<FileCheck | undefined> {
	const { targetSize } = options;
	if (!check && targetSize === undefined) return undefined;
	const mask = healed ?? (check ? await check.gate.figures("report", removed) : []);
	let verdict: PlanGate | undefined;
	return {
		verdict: () => verdict,
		check: async ({ path, measured, whole, bytes }) => {
			const figures = check ? await check.gate.figuresOfFile(path, measured, whole, options) : [];
			const size = targetSize === undefined ? [] : [sizeFigure(targetSize, bytes)];
			const all = [...figures, ...size];
			if (size.some(({ met }) => !met)) throw tooLarge(targetSize!, bytes, removed.length, all);
			verdict = await settleGate(verdictOfGate(all, "file", options.ignoreGate ?? false), options, async () =>
				check ? closestAgain(check, removed.length, shiftedBy(mask, figures)) : undefined,
			);
		},
	};
}

/** A size is no matter of quality: nothing lets a file that misses it pass. */
function tooLarge(target: number, bytes: number, removed: number, figures: PlanGateFigure[]): GateNotMetError {
	return new GateNotMetError(
		`target-size ${formatBytes(target)} is not met: the file as quantised has ${formatBytes(bytes)}, more than was foretold. No model was written. Remove one block more (--remove-blocks ${removed + 1}).`,
		{ figures },
	);
}

function sizeFigure(limit: number, value: number): PlanGateFigure {
	return { name: "target-size", limit, value, standardError: null, met: value <= limit };
}

/** The closest plan after the session was closed: what was measured is in the ledgers. */
async function closestAgain(
	check: GateCheck,
	below: number,
	shift: (figures: readonly PlanGateFigure[]) => readonly PlanGateFigure[],
): Promise<ClosestPlan | undefined> {
	const { options } = check;
	const session = await Session.open(check.session.model.path, options, {
		masks: 0,
		weights: "own",
		compared: options.maxKl !== undefined,
	});
	try {
		const limits = await readGate(options);
		return await closestPlan({ ...check, session, gate: Gate.open(session, limits!, options) }, below, shift);
	} finally {
		await session.close();
	}
}
