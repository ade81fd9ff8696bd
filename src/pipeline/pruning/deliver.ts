// What a run does with the set that it chose: the file, its plan, the report.
import type { PruneResult } from "../../api/index.js";
import { runInLlama } from "../preflight/command-line.js";
import type { GateCheck } from "../gate/verdict.js";
import { healChosen } from "../healing/of-session.js";
import { alternativesIfAsked, type AskedAlternatives, type Delivered } from "./alternatives.js";
import type { Gate } from "../gate/gate.js";
import type { Healing } from "../healing/heal-model.js";
import { logger } from "../../api/logger.js";
import { checkAsRead } from "../../model/gguf/index.js";
import { keptName, writePlanBeside } from "../planning/keep.js";
import { contextOfPlan } from "../planning/context.js";
import { makePlan, type PlanningSettings } from "../planning/plan.js";
import { attempt, type MeasuredPair, measurePair, type PairSettings } from "./measure-pair.js";
import { inputFiles } from "../preflight/metric.js";
import { reportFiles } from "../preflight/output-files.js";
import type { ModelWeights } from "../writing/quantize-weights.js";
import { type ReportRunSettings, type Run, reportRun } from "../reporting/run.js";
import { type Session, summarize } from "../session/session.js";
import { shellWord } from "../../report/commands.js";
import { type Plan, type WritePlanOptions, writePlan } from "../../storage/plan.js";
import { keptPlanPath } from "../../storage/runs.js";
import type { RunFacts } from "../reporting/facts.js";
import { curveOf } from "../race/curve.js";
import { asksToHeal } from "../preflight/heal-options.js";
import type { Decision } from "./decision.js";
import { isJudgedLater, judgeSet } from "./judge-set.js";
import { type Remains, remainsOf } from "./remains.js";
import { sourceOf } from "./source.js";
import { writeModel, type WriteJob, type WriteSettings, type Written } from "./write-model.js";
import type {
	ComparedSettings,
	HealingSettings,
	HealSettings,
	InputSettings,
	OverwriteSettings,
	QuantizeSettings,
	Settings,
} from "../../api/options/settings.js";

/** What making the plan of the chosen set reads, its healing with it. */
type ChosenSettings = PlanningSettings & HealSettings & HealingSettings;
/** What writing a model and proving it reads. */
type WrittenSettings = ComparedSettings & WriteSettings;
/** What is measured of what was written, or would be. */
type MeasuringSettings = AskedAlternatives & PairSettings;
/** What the steps after the plan was made read, whether a model is written or not. */
type FinishingSettings = Pick<Settings<"prune">, "plan"> & OverwriteSettings & WrittenSettings & MeasuringSettings & ReportRunSettings;
/** What all steps of a delivery read. */
type DeliverySettings = ChosenSettings & GateCheck["options"] & QuantizeSettings & InputSettings & FinishingSettings;

/** What a run has when it has decided. */
export interface Delivery {
	readonly output: string | undefined;
	readonly facts: RunFacts;
	/** Whose weights are quantized, where they are not the model's. */
	readonly original: ModelWeights | undefined;
	readonly gate: Gate | undefined;
	readonly run: Run;
}

/** The chosen set with all that is said of it, ready to be delivered. */
interface Chosen {
	readonly plan: Plan;
	/** What is left when the session is closed. */
	readonly remains: Remains;
	readonly healing: Healing | undefined;
	readonly check: GateCheck | undefined;
	readonly planPath: string;
	/** Files that were read. */
	readonly inputs: readonly string[];
}

/** Writes what was asked for: the model and its plan where there is an output, else the plan alone. */
export async function deliver(session: Session, decided: Decision, delivery: Delivery, options: DeliverySettings): Promise<PruneResult> {
	const { output, original, gate, facts } = delivery;
	const { healing } = decided;
	const plan = await planOf(session, decided, delivery, options);
	const check = gate && { gate, session, output, choices: facts.choices, decided, options };
	if (check && !isJudgedLater(options)) plan.limits = await judgeSet(check, plan.removed, healing);
	const planPath = options.plan ?? (output === undefined ? keptPlanPath(session.folder, keptName(plan)) : `${output}.plan.json`);
	const inputs = [...session.model.file.paths, ...(original?.file.paths ?? []), ...inputFiles(options)];
	const chosen = { plan, healing, check, planPath, inputs, remains: remainsOf(session) };
	return output === undefined
		? deliverPlan(session, chosen, delivery, options)
		: deliverModel(session, chosen, { ...delivery, output }, options);
}

/** The decision with its cuts healed where that is asked for, which may change it: to be called before it is delivered. */
export async function healedAsAsked(session: Session, raced: Decision, options: HealingSettings & HealSettings): Promise<Decision> {
	return raced.healing !== undefined || !asksToHeal(options) ? raced : healChosen(session, raced, options);
}

/** The plan of the chosen set. */
async function planOf(session: Session, decided: Decision, { output, facts }: Delivery, options: ChosenSettings): Promise<Plan> {
	const { chosen, healing } = decided;
	const plan = await makePlan(session, { output, chosen, choices: facts.choices, decided }, options);
	plan.heal = healing?.section;
	if (facts.at) plan.context = contextOfPlan(facts.at, plan.removed);
	return plan;
}

/** Writes the model and, beside it, its plan; then measures what is measured of a written file. */
async function deliverModel(
	session: Session,
	chosen: Chosen,
	delivery: Delivery & { readonly output: string },
	options: FinishingSettings,
): Promise<PruneResult> {
	const { plan, remains, healing, check, planPath, inputs } = chosen;
	const { output, original, facts, run } = delivery;
	const job = { output, removed: plan.removed, original, check, healing, judged: plan.limits };
	const made = await writtenModel(session, job, run, options);
	const { timings } = remains;
	const place = { folder: remains.folder, output, path: planPath };
	const keep = (how: WritePlanOptions) => {
		plan.timings = { ...timings };
		return writePlanBeside(place, plan, how);
	};
	if (made.quantized) plan.quantized = made.quantized;
	plan.limits = made.limits ?? plan.limits;
	await keep({ overwrite: run.own?.isThere || (options.overwrite ?? false), inputs });
	const { extras, interrupted } = await measureWritten(chosen, { removed: plan.removed, output, original, healing }, options);
	if (plan.quantizedAlternatives || plan.speed) await keep({ overwrite: true, inputs });
	const report = await reportRun(facts, { plan, output: made.output, timings, extras }, run, options);
	await (interrupted ? run.own?.leave(reportFiles(output, options)) : run.own?.done());
	const { metric } = remains;
	return {
		...{ model: facts.model, plan, planPath, output: made.output, curve: curveOf(facts.decided), metric },
		...{ disagreements: facts.decided.race.disagreements, ...report, commands: [runInLlama(output)] },
		...(interrupted ? { interrupted } : {}),
		...(run.granularity ? { granularity: run.granularity } : {}),
		seconds: (Date.now() - run.started) / 1000,
	};
}

/** What is measured after the model was written, for the plan and the report. The session is closed. */
async function measureWritten({ plan, remains }: Chosen, delivered: Delivered, options: MeasuringSettings): Promise<MeasuredPair> {
	options.progress?.begin("Measuring");
	let interrupted: true | undefined;
	const onStopped = () => {
		interrupted = true;
	};
	const compare = () => alternativesIfAsked(remains, delivered, options);
	plan.quantizedAlternatives = await attempt("quantized alternatives were", options, compare, onStopped);
	const pair = await measurePair(remains, { removed: plan.removed, output: delivered.output }, options);
	plan.speed = pair.speed;
	return interrupted ? { ...pair, interrupted } : pair;
}

/** Writes the plan alone. The session stays open. */
async function deliverPlan(session: Session, chosen: Chosen, delivery: Delivery, options: FinishingSettings): Promise<PruneResult> {
	const { plan, remains, healing, planPath, inputs } = chosen;
	const { original, facts, run } = delivery;
	const { removed } = plan;
	options.progress?.begin("Measuring");
	plan.quantizedAlternatives = await alternativesIfAsked(remains, { removed, output: undefined, original, healing }, options);
	const pair = { removed, output: undefined, model: session.model };
	const { speed, extras } = await measurePair(remains, pair, withoutTexts(healing, options));
	plan.speed = speed;
	await checkAsRead(session.model);
	const keptAmongRuns = options.plan === undefined;
	await writePlan(planPath, plan, { overwrite: keptAmongRuns || (options.overwrite ?? false), inputs });
	const { decided } = facts;
	return finish(
		session,
		{
			...{ plan, planPath, curve: curveOf(decided), disagreements: decided.race.disagreements },
			commands: [`prune-gguf apply ${shellWord(session.model.path)} OUTPUT.gguf --plan ${shellWord(planPath)}`],
			...(await reportRun(facts, { plan, timings: remains.timings, extras }, run, options)),
		},
		run,
	);
}

/** As an earlier run of the same command wrote it, or written now. */
async function writtenModel(session: Session, job: WriteJob, { own }: Run, options: WrittenSettings): Promise<Written> {
	const { removed } = job;
	// As it was kept below, by an earlier run.
	const before = own?.made(removed) as Written | undefined;
	if (!before) {
		options.progress?.begin("Writing and verifying");
		const { folder } = session;
		const onVerified = own && ((temporary: string, made: Written) => own.keep(folder, temporary, removed, made));
		return writeModel(sourceOf(session, options), { ...job, onVerified }, options);
	}
	await session.close();
	return before;
}

/** Texts are written by the loaded model under its mask where no file was written: it has the file's own matrices, not the healed ones. */
function withoutTexts(healing: Healing | undefined, options: PairSettings): PairSettings {
	if (!healing?.section.applied || !options.samples) return options;
	logger(options)("note", "samples of a healed model need its file: give an output for them");
	return { ...options, samples: 0 };
}

type Finished = Omit<PruneResult, "model" | "metric" | "disagreements" | "seconds"> & Partial<Pick<PruneResult, "disagreements">>;

/** The result of a run that wrote no model. */
export function finish(session: Session, result: Finished, { started, granularity }: Run): PruneResult {
	return {
		model: summarize(session.model),
		...(granularity ? { granularity } : {}),
		metric: session.metric,
		disagreements: [],
		...result,
		seconds: (Date.now() - started) / 1000,
	};
}
