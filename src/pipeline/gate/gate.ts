// A quality gate: what a set of blocks, or a written file, is measured to be against the limits that were given.
import type { JobOptions, MachineOptions, UnknownOptions } from "../../api/index.js";
import type { FoldName } from "../../model/calibration/index.js";
import { accuracyOf, answersOf, rightOf } from "../../model/evaluation/accuracy.js";
import { packQuestions, scoreChoices, tokenizeQuestions } from "../../model/evaluation/choices.js";
import type { PreparedQuestions } from "../../model/evaluation/prepared-questions.js";
import type { QuestionFile } from "../../model/evaluation/questions.js";
import type { GateLimit, GateRequest } from "../preflight/gate-limits.js";
import { Coalition } from "../../game/coalition.js";
import type { Measurement } from "../../game/game.js";
import { type Measured, meanOf, pairedDifference } from "../session/paired-figures.js";
import { Once } from "../session/once.js";
import { checkReferenceRoom, type ReferenceRoom } from "../preflight/reference-memory.js";
import { limitText, measuredText } from "../../report/gate.js";
import type { Evaluator } from "../../model/runtime/evaluator.js";
import { loadModel } from "../../model/runtime/load-model.js";
import type { Model } from "../../model/runtime/model.js";
import type { Reference } from "../../model/runtime/positions.js";
import type { Session } from "../session/session.js";
import { finite } from "../../game/statistics.js";
import type { LedgerGame } from "../../storage/ledger-game.js";
import type { MeanAndError } from "../../storage/plan-quantized.js";
import type { PlanGate, PlanGateFigure } from "../../storage/plan-gate.js";
import { measuredOf } from "../writing/write-quantized.js";

/** Folds that a gate is measured on: one to choose a number of blocks by, one for what is reported and decided. */
export type GateFold = Exclude<FoldName, "search">;

type Questions = Readonly<Record<GateFold, PreparedQuestions>>;

/** The whole model on a fold: its losses, and its distributions where a limit needs them. */
export interface WholeModel {
	readonly measured: Measurement;
	readonly reference: Reference | undefined;
}

/** Limits on one session's model. What was measured is kept in ledgers, like everything else. */
export class Gate {
	readonly #session: Session;
	readonly #limits: GateRequest;
	readonly #questions: ReadonlyMap<GateLimit, Questions>;
	readonly #options: JobOptions;
	readonly #games = new Once<string, LedgerGame>();

	private constructor(session: Session, limits: GateRequest, questions: ReadonlyMap<GateLimit, Questions>, options: JobOptions) {
		this.#session = session;
		this.#limits = limits;
		this.#questions = questions;
		this.#options = options;
	}

	/**
	 * Tokenizes the questions.
	 * @throws NotEnoughMemoryError where the divergence would take more distributions than `referenceBytes` allows
	 */
	static open(session: Session, limits: GateRequest, options: JobOptions & ReferenceRoom): Gate {
		if (limits.some(({ kind }) => kind === "divergence")) {
			const { validation, report } = session.calibration.folds;
			checkReferenceRoom("--max-kl", { validation, report }, session.model.facts.vocabulary, options);
		}
		const questions = new Map<GateLimit, Questions>();
		for (const limit of limits) {
			if (typeof limit.questions === "object") questions.set(limit, dealt(session.model, limit.questions));
		}
		return new Gate(session, limits, questions, options);
	}

	/** Whether the model without these blocks meets every limit; stops measuring at the first that it does not. */
	async meets(fold: GateFold, removed: readonly number[]): Promise<boolean> {
		for (const limit of this.#limits) if (!(await this.#figure(limit, fold, removed)).met) return false;
		return true;
	}

	/** What the model without these blocks is measured to be, one figure a limit. */
	async figures(fold: GateFold, removed: readonly number[]): Promise<PlanGateFigure[]> {
		const figures: PlanGateFigure[] = [];
		for (const limit of this.#limits) figures.push(await this.#figure(limit, fold, removed));
		return figures;
	}

	/**
	 * What a written file is measured to be. Loads it where there are questions.
	 * @param measured the file on the windows of the report fold
	 * @param whole the whole source on the same windows
	 */
	async figuresOfFile(
		path: string,
		measured: Measured,
		whole: Measurement,
		options: JobOptions & MachineOptions & UnknownOptions,
	): Promise<PlanGateFigure[]> {
		const answer = async () => {
			const model = await loadModel(path, options);
			try {
				return await this.#answers(model.createEvaluator(), Coalition.full(model.facts.blocks), "report", options);
			} finally {
				await model.dispose();
			}
		};
		return this.#figuresFrom(measured, whole, this.#asksQuestions ? await answer() : new Map());
	}

	/** What healed models are held against; to be taken before any matrix of the model is another. */
	async whole(fold: GateFold): Promise<WholeModel> {
		const { texts, referenceOn } = this.#session;
		const game = texts[fold];
		const [measured] = await game.measure([Coalition.full(game.players)], { phase: "quality gate", signal: this.#options.signal });
		const compared = this.#limits.some(({ kind }) => kind === "divergence");
		return { measured: measured!, reference: compared ? await referenceOn(fold) : undefined };
	}

	/** What the model without these blocks is measured to be as it stands, healed: past the ledgers, which know the file's own matrices. */
	async figuresAsItStands(fold: GateFold, removed: readonly number[], whole: WholeModel): Promise<PlanGateFigure[]> {
		const { evaluator, calibration, model } = this.#session;
		const { signal } = this.#options;
		const mask = Coalition.ofRemoved(model.facts.blocks, removed);
		const [evaluation] = await evaluator.evaluate([mask], calibration.folds[fold], { reference: whole.reference, signal });
		return this.#figuresFrom(measuredOf(evaluation!), whole.measured, await this.#answers(evaluator, mask, fold, this.#options));
	}

	#figuresFrom(measured: Measured, whole: Measurement, right: ReadonlyMap<GateLimit, readonly boolean[]>): PlanGateFigure[] {
		return this.#limits.map((limit) => {
			if (limit.kind === "ratio") return figureOf(limit, ratioOf(pairedDifference(whole, measured, whole.sources)));
			if (limit.kind === "divergence") return figureOf(limit, meanOf(measured.figures?.divergence ?? [], whole.sources));
			return figureOf(limit, shareOf(right.get(limit)!));
		});
	}

	get #asksQuestions(): boolean {
		return this.#limits.some(({ kind }) => kind === "accuracy");
	}

	async #figure(limit: GateLimit, fold: GateFold, removed: readonly number[]): Promise<PlanGateFigure> {
		const game = await this.#game(limit, fold);
		const { players } = game;
		const { signal } = this.#options;
		const sets = [Coalition.full(players), Coalition.ofRemoved(players, removed)];
		if (limit.kind === "ratio") {
			const [whole, pruned] = await game.measure(sets, { phase: "quality gate", signal });
			return figureOf(limit, ratioOf(pairedDifference(whole!, pruned!, whole!.sources)));
		}
		const [pruned] = await game.measure(sets.slice(1), { phase: "quality gate", signal });
		const { figures, sources } = pruned!;
		if (limit.kind === "divergence") return figureOf(limit, meanOf(figures!.divergence!, sources));
		const name = byTokens(this.#questionsOf(limit)) ? "normalizedAccuracy" : "accuracy";
		return figureOf(limit, shareOf(Array.from(figures![name]!, (right) => right === 1)));
	}

	#game(limit: GateLimit, fold: GateFold): Promise<LedgerGame> {
		const { texts, finals } = this.#session;
		if (limit.kind === "ratio") return Promise.resolve(texts[fold]);
		if (limit.questions === "objective") return Promise.resolve(finals[fold]);
		const questions = this.#questions.get(limit);
		return this.#games.get(`${limit.name} ${fold}`, () =>
			questions ? this.#session.questionsOn(questions[fold]) : this.#session.comparedOn(fold),
		);
	}

	#questionsOf(limit: GateLimit, fold: GateFold = "report"): PreparedQuestions {
		return (this.#questions.get(limit) ?? this.#session.questions!)[fold];
	}

	/** Whether each answer to the questions of each limit is right. */
	async #answers(evaluator: Evaluator, mask: Coalition, fold: GateFold, { signal }: JobOptions): Promise<Map<GateLimit, boolean[]>> {
		const all = new Map<GateLimit, boolean[]>();
		for (const limit of this.#limits) {
			if (limit.kind !== "accuracy") continue;
			const prepared = this.#questionsOf(limit, fold);
			const [sums] = await scoreChoices(evaluator, [mask], prepared, { signal });
			all.set(limit, rightOf(answersOf(prepared, sums!), byTokens(prepared)));
		}
		return all;
	}
}

/** The verdict on figures of the report fold. */
export function verdictOfGate(figures: PlanGateFigure[], measured: PlanGate["measured"], ignore: boolean): PlanGate {
	const met = figures.every((figure) => figure.met);
	return { met, ignored: !met && ignore, measured, figures };
}

/** HellaSwag's text is judged as llama-perplexity judges it: by log-likelihood over tokens. */
const byTokens = ({ normalization }: PreparedQuestions) => normalization === "tokens";

/** Every third question is the validation fold's. */
function dealt(model: Model, file: QuestionFile): Questions {
	const tokenized = tokenizeQuestions(model, file);
	const fold = (wanted: boolean) =>
		packQuestions(
			tokenized.filter((_, i) => (i % 3 === 1) === wanted),
			file.format,
		);
	return { validation: fold(true), report: fold(false) };
}

/** A ratio of perplexities of a difference of losses. */
export function ratioOf({ mean, standardError }: MeanAndError): MeanAndError {
	const ratio = finite(Math.exp(mean ?? Number.NaN));
	return { mean: ratio, standardError: ratio === null || standardError === null ? null : finite(ratio * standardError) };
}

function shareOf(right: readonly boolean[]): MeanAndError {
	const { value, standardError = Number.NaN } = accuracyOf(right);
	return { mean: finite(value), standardError: finite(standardError) };
}

function figureOf({ kind, name, limit }: GateLimit, { mean, standardError }: MeanAndError): PlanGateFigure {
	const met = mean !== null && (kind === "accuracy" ? mean >= limit : mean <= limit);
	return { name, limit, value: mean, standardError, met };
}

/** What was required, and what was measured. */
export function requirementText(figure: PlanGateFigure): string {
	return `${figure.name} ${limitText(figure.name, figure.limit)} was required, ${measuredText(figure)} measured`;
}
