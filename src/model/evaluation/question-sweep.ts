import { checkAsRead } from "../gguf/as-read.js";
import { checkFiniteLosses } from "../runtime/finite-loss.js";
import type { Model } from "../runtime/model.js";
import type { PartLedger, PartValues } from "../../storage/part-ledger.js";
import { scoreChoices } from "./choices.js";
import type { PreparedQuestions } from "./prepared-questions.js";
import { maskOf, openKept, type Side } from "./kept.js";
import type { QuestionsOptions } from "./question-types.js";

/**
 * Sums of the log-likelihoods of each choice's tokens, one list per side; all sides are masks of one model. Scored batch by batch, and
 * cached: a known batch is not scored again.
 * @throws EvaluationError if a side broke down
 */
export async function scoreKept(
	model: Model,
	sides: readonly Side[],
	prepared: PreparedQuestions,
	options: QuestionsOptions,
): Promise<Float64Array[]> {
	const evaluator = model.createEvaluator();
	const shape = {
		...({ hash: prepared.sha256, unit: "batches of questions", parts: prepared.batches.length } as const),
		fits: (batch: number, { logLikelihoods }: PartValues) => logLikelihoods?.length === (prepared.batches[batch]?.choices.length ?? 0),
		settings: { evaluation: "questions" },
	};
	const ledgers: PartLedger[] = [];
	try {
		for (const side of sides) ledgers.push(await openKept(side, evaluator, shape, options));
		const left = (batch: number) => ledgers.flatMap((ledger, side) => (ledger.get(batch) ? [] : [side]));
		const total = prepared.batches.reduce((sum, { windows }, batch) => sum + left(batch).length * windows.tokens.length, 0);
		options.progress?.begin("Measuring");
		const report = progressOf(prepared.questions.length, total, options);
		let done = 0;
		for (const [batch, part] of prepared.batches.entries()) {
			const missing = left(batch);
			if (missing.length === 0) continue;
			const masks = missing.map((side) => maskOf(sides[side]!, evaluator));
			const before = done;
			const sums = await scoreChoices(
				evaluator,
				masks,
				{ ...prepared, batches: [part] },
				{
					signal: options.signal,
					onProgress: (tokens) => report(before + tokens),
				},
			);
			// All sides are of one file.
			await checkAsRead(sides[0]!);
			done += masks.length * part.windows.tokens.length;
			for (const [i, side] of missing.entries())
				await ledgers[side]!.append([[batch, { logLikelihoods: part.choices.map((choice) => sums[i]![choice]!) }]]);
		}
		return ledgers.map((ledger, side) => checked(collected(ledger, prepared), sides[side]!));
	} finally {
		for (const ledger of ledgers) await ledger.close();
	}
}

/** A model may break down on a single choice, which then counts as wrong. @throws EvaluationError if the model has no finite score at all */
function checked(sums: Float64Array, { path, removed }: Side): Float64Array {
	if (!sums.some(Number.isFinite)) checkFiniteLosses(path, sums, removed);
	return sums;
}

/** @param total tokens, of all questions that are left */
function progressOf(questions: number, total: number, { progress }: QuestionsOptions): (done: number) => void {
	const started = Date.now();
	return (done) => {
		const seconds = (Date.now() - started) / 1000;
		const answered = Math.floor((questions * done) / total);
		progress?.work({ phase: "answering questions", done: answered, total: questions, unit: "questions", tokensPerSecond: done / seconds });
	};
}

/** Log-likelihoods in the order of the questions and their choices. */
function collected(ledger: PartLedger, { questions, batches }: PreparedQuestions): Float64Array {
	const sums = new Float64Array(questions.reduce((sum, { choices }) => sum + choices.length, 0));
	for (const [batch, { choices }] of batches.entries()) {
		const { logLikelihoods } = ledger.get(batch)!;
		choices.forEach((choice, row) => {
			sums[choice] = logLikelihoods![row]!;
		});
	}
	return sums;
}
