// How long the steps of a frontier take.
import type { StepName } from "../../api/index.js";
import type { StepTime } from "../../model/runtime/job-options.js";
import type { OtherSeconds, PlannedSeconds } from "../../pipeline/pruning/steps.js";

/** What cells are measured, at most. */
export interface GridWork {
	/** Types of weights, the model's own among them. */
	readonly types: number;
	/** Sets of blocks. */
	readonly sets: number;
	readonly healed: boolean;
	/** Whether the original model's distributions are made for them; by the metric kl there are some already. @default false */
	readonly compared?: boolean;
}

/** Cells of each type that are measured on the held-out split: the original model, the best one, and the best one with blocks removed. */
const shown = 3;

/** Evaluations on each split: the original model first, then all cells, and the best ones of each type. */
export function gridEvaluations({ types, sets, healed }: GridWork): { readonly validation: number; readonly heldOut: number } {
	return { validation: 1 + types * (1 + sets * (healed ? 2 : 1)), heldOut: 1 + types * shown };
}

/** The same, with the passes that make the original model's distributions. */
export function gridPasses(work: GridWork): ReturnType<typeof gridEvaluations> {
	const { validation, heldOut } = gridEvaluations(work);
	const references = work.compared ? 1 : 0;
	return { validation: validation + references, heldOut: heldOut + references };
}

/** Seconds of what is done once for all cells. */
export interface GridSeconds extends OtherSeconds {
	readonly planned: PlannedSeconds;
	/** An evaluation on the validation split. */
	readonly validation: number;
	/** To make the quantized copies readable. */
	readonly loading: number;
	/** To measure speed; undefined if that is not known. */
	readonly speed: number | undefined;
}

/** How long the steps take, as far as that is known. */
export function frontierTimes(work: GridWork, seconds: GridSeconds): ReadonlyMap<StepName, StepTime> {
	const { planned, validation, healing, quantizing, loading, speed } = seconds;
	const times = new Map<StepName, StepTime>();
	if (!Object.values(planned).every(Number.isFinite)) return times;
	times.set("Searching", { evaluations: planned.search });
	times.set("Comparing finalists", { evaluations: planned.compare, other: planned.drawing });
	if (healing === undefined || quantizing === undefined || speed === undefined) return times;
	const counts = gridPasses(work);
	const evaluations = counts.validation * validation + counts.heldOut * planned.heldOut;
	return times.set("Measuring", { evaluations, other: healing + quantizing + loading + speed });
}
