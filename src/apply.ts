import type { ApplyOptions, ApplyResult } from "./api.js";
import { deal, ownSamples } from "./calibration/index.js";
import { InvalidOptionError, InvalidPlanError } from "./errors.js";
import { Coalition } from "./game/coalition.js";
import { checkedRemoval, checkProvable, readHeader } from "./header.js";
import { measureBeyondSliding } from "./oracle.js";
import { notePartials } from "./partials.js";
import { loadModel } from "./runtime/load-model.js";
import { backEndOf, logger, modelIdentity, summarize } from "./session.js";
import { checkTarget } from "./storage/atomic-file.js";
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
	const { file, blocks } = await readHeader(model, options);
	const given = options.remove && checkedRemoval(model, blocks, options.remove);
	checkProvable(model, blocks, given ?? []);
	const sha256 = await modelIdentity(file, options);
	if (plan && plan.model.sha256 !== sha256) {
		throw new InvalidPlanError(
			`${options.plan} was made for ${plan.model.name} with SHA-256 ${plan.model.sha256}, but ${model} has ${sha256}. Use --remove ${plan.removed.join(",")} to remove the same blocks all the same.`,
		);
	}
	const removed = given ?? checkedRemoval(model, blocks, plan?.removed ?? []);
	checkProvable(model, blocks, removed);
	await notePartials(output, options);
	const loaded = await loadModel(model, options, { windows: verification.count, windowLength: verification.length });
	try {
		const own = await ownSamples(loaded, {
			count: verification.count,
			length: Math.min(verification.length, loaded.facts.contextLength),
			seed: 0,
			signal: options.signal,
		});
		const windows = deal(own, { search: 0, validation: 0, report: own.count }).report;
		const evaluator = loaded.createEvaluator();
		const [expected] = await evaluator.evaluate([Coalition.ofRemoved(loaded.facts.blocks, removed)], windows, { signal: options.signal });
		const long = await measureBeyondSliding(loaded, evaluator, removed, windows, options);
		const summary = summarize(loaded);
		const exact = backEndOf(loaded, options) === "CPU";
		await loaded.dispose();
		const written = await writePruned(
			loaded.file,
			output,
			removed,
			sha256,
			{ windows, losses: expected!.losses, long, threads: evaluator.threads, ubatch: evaluator.ubatch, exact },
			options,
		);
		logger(options)("debug", `removed blocks ${removed.join(", ")}`);
		return { model: summary, removed, output: written, seconds: (Date.now() - started) / 1000 };
	} finally {
		await loaded.dispose();
	}
}
