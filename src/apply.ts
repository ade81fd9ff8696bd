import type { ApplyOptions, ApplyResult } from "./api.js";
import { deal, ownSamples } from "./calibration/index.js";
import { InvalidOptionError, InvalidPlanError, UnsupportedArchitectureError } from "./errors.js";
import { Coalition } from "./game/coalition.js";
import { loadModel } from "./runtime/load-model.js";
import { backEndOf, logger, summarize } from "./session.js";
import { checkTarget } from "./storage/atomic-file.js";
import { identityOf } from "./storage/hash.js";
import { readPlan } from "./storage/plan.js";
import { writePruned } from "./write.js";

/** Windows that a file written without measuring is verified on. */
const verification = { count: 4, length: 128 };

/**
 * Writes a model without blocks, as a plan or a list says. What is written must compute what the model computes through the layer
 * view, on samples of its own.
 * @throws InvalidPlanError where the plan was made for another file
 * @throws the errors of loading and writing
 */
export async function applyPlan(model: string, output: string, options: ApplyOptions): Promise<ApplyResult> {
	const started = Date.now();
	if ((options.plan === undefined) === (options.remove === undefined))
		throw new InvalidOptionError("give either a plan or a list of blocks to remove");
	await checkTarget(output, { overwrite: options.overwrite ?? false, inputs: [model] });
	const plan = options.plan === undefined ? undefined : await readPlan(options.plan);
	const loaded = await loadModel(model, options);
	try {
		const sha256 = await identityOf(loaded.file.paths, options.signal);
		if (plan && plan.model.sha256 !== sha256) {
			throw new InvalidPlanError(
				`${options.plan} was made for ${plan.model.name} with SHA-256 ${plan.model.sha256}, but ${model} has ${sha256}. Use --remove ${plan.removed.join(",")} to remove the same blocks all the same.`,
			);
		}
		const removed = [...new Set(plan?.removed ?? options.remove)].sort((a, b) => a - b);
		checkRemoval(model, loaded.blocks, removed);
		const own = await ownSamples(loaded, {
			count: verification.count,
			length: Math.min(verification.length, loaded.facts.contextLength),
			seed: 0,
			signal: options.signal,
		});
		const windows = deal(own, { search: 0, validation: 0, report: own.count }).report;
		const [expected] = await loaded
			.createEvaluator()
			.evaluate([Coalition.ofRemoved(loaded.facts.blocks, removed)], windows, { signal: options.signal });
		const summary = summarize(loaded);
		const exact = backEndOf(loaded, options) === "CPU";
		await loaded.dispose();
		const written = await writePruned(
			loaded.file,
			output,
			removed,
			sha256,
			{ windows, losses: expected!.losses, threads: loaded.threads, exact },
			options,
		);
		logger(options)("debug", `removed blocks ${removed.join(", ")}`);
		return { model: summary, removed, output: written, seconds: (Date.now() - started) / 1000 };
	} finally {
		await loaded.dispose();
	}
}

function checkRemoval(
	path: string,
	blocks: { support: string; reason?: string; architecture: string; check(removed: readonly number[]): string | undefined },
	removed: readonly number[],
): void {
	if (blocks.support === "refused")
		throw new UnsupportedArchitectureError(`${path} (architecture ${blocks.architecture}): ${blocks.reason}`);
	if (removed.length === 0) throw new InvalidOptionError("nothing to remove: the list of blocks is empty");
	const problem = blocks.check(removed);
	if (problem) throw new InvalidOptionError(`blocks ${removed.join(", ")} cannot be removed from ${path}: ${problem}`);
}
