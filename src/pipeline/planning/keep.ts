// Where plans go: beside the model that they describe, or among the kept runs.
import { FileError } from "../../errors.js";
import { hashOf } from "../../storage/hash.js";
import { type Plan, type WritePlanOptions, writePlan } from "../../storage/plan.js";
import { keptPlanPath } from "../../storage/runs.js";

/** The plan beside a model that is written: it is not lost where its own name cannot be written. @param folder of the model's runs */
export async function writePlanBeside(
	{ folder, output, path }: { readonly folder: string; readonly output: string; readonly path: string },
	plan: Plan,
	options: WritePlanOptions,
): Promise<void> {
	try {
		await writePlan(path, plan, options);
	} catch (cause) {
		const kept = keptPlanPath(folder, keptName(plan));
		await writePlan(kept, plan, { overwrite: true }).catch(() => {
			throw cause;
		});
		throw new FileError(
			`${output} is written and verified, but its plan is not: ${(cause as Error).message} The plan is kept in ${kept}.`,
			{ cause },
		);
	}
}

/** Differs where the plan removes other blocks or was decided on other text. */
export function keptName({ method, removed, calibration, options, machine }: Plan): string {
	const { metric } = options;
	const { scoreShare, stateType } = (options.search ?? {}) as { readonly scoreShare?: unknown; readonly stateType?: unknown };
	const decided = hashOf([removed, calibration, metric, scoreShare, stateType, machine.weights]).slice(0, 8);
	return `${method}-${removed.length}-${decided}`;
}
