// A quality gate: what a set of blocks, or a written file, is measured to be against the limits that were given.
import type { JobOptions, MachineOptions, UnknownOptions } from "./api.js";
import type { FoldName } from "./calibration/index.js";
import { NotEnoughMemoryError } from "./errors.js";
import { accuracyOf, answersOf, rightOf } from "./evaluation/accuracy.js";
import { type PreparedQuestions, packQuestions, scoreChoices, tokenizeQuestions } from "./evaluation/choices.js";
import type { QuestionFile } from "./evaluation/questions.js";
import type { GateLimit, GateRequest } from "./gate-request.js";
import { Coalition } from "./game/coalition.js";
import type { Measurement } from "./game/game.js";
import { type Measured, meanOf, pairedDifference } from "./model-figures.js";
import { limitText, measuredText } from "./report/gate.js";
import { loadModel } from "./runtime/load-model.js";
import { sizeText } from "./runtime/memory.js";
import type { Model } from "./runtime/model.js";
import { referenceBytes } from "./runtime/positions.js";
import type { Session } from "./session.js";
import { finite } from "./statistics.js";
import type { LedgerGame } from "./storage/ledger-game.js";
import type { MeanAndError } from "./storage/plan-quantized.js";
import type { PlanGate, PlanGateFigure } from "./storage/plan-gate.js";

/** Folds that a gate is measured on: one to choose a number of blocks by, one for what is reported and decided. */
export type GateFold = Exclude<FoldName, "search">;

type Questions = Readonly<Record<GateFold, PreparedQuestions>>;

/** Limits on one session's model. What was measured is kept in ledgers, like everything else. */
export class Gate {
	readonly #session: Session;
	readonly #limits: GateRequest;
	readonly #questions: ReadonlyMap<GateLimit, Questions>;
	readonly #options: JobOptions;
	readonly #games = new Map<string, Promise<LedgerGame>>();

	private constructor(session: Session, limits: GateRequest, questions: ReadonlyMap<GateLimit, Questions>, options: JobOptions) {
		this.#session = session;
		this.#limits = limits;
		this.#questions = questions;
		this.#options = options;
	}

	/**
	 * Tokenizes the questions.
	 * @throws NotEnoughMemoryError where the divergence would take more than 1 GiB of distributions
	 */
	static open(session: Session, limits: GateRequest, options: JobOptions): Gate {
		if (limits.some(({ kind }) => kind === "divergence")) checkReferences(session);
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
		const limits = this.#limits.filter(({ kind }) => kind === "accuracy");
		const right = limits.length === 0 ? [] : await this.#answersOfFile(path, limits, options);
		return this.#limits.map((limit) => {
			if (limit.kind === "ratio") return figureOf(limit, ratioOf(pairedDifference(whole, measured, whole.sources)));
			if (limit.kind === "divergence") return figureOf(limit, meanOf(measured.figures?.divergence ?? [], whole.sources));
			return figureOf(limit, shareOf(right[limits.indexOf(limit)]!));
		});
	}

	/** Of a set whose loss above the whole model's is known, nats per token; limits of another kind cannot be told from it. */
	figuresOfAdded(added: MeanAndError): PlanGateFigure[] {
		return this.#limits.map((limit) => figureOf(limit, limit.kind === "ratio" ? ratioOf(added) : { mean: null, standardError: null }));
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
		const name = `${limit.name} ${fold}`;
		const known = this.#games.get(name);
		if (known) return known;
		const questions = this.#questions.get(limit);
		const made = questions ? this.#session.questionsOn(questions[fold]) : this.#session.comparedOn(fold);
		this.#games.set(name, made);
		return made;
	}

	#questionsOf(limit: GateLimit): PreparedQuestions {
		return (this.#questions.get(limit) ?? this.#session.questions!).report;
	}

	async #answersOfFile(path: string, limits: readonly GateLimit[], options: JobOptions & MachineOptions & UnknownOptions) {
		const model = await loadModel(path, options);
		try {
			const evaluator = model.createEvaluator();
			const all: boolean[][] = [];
			for (const limit of limits) {
				const prepared = this.#questionsOf(limit);
				const [sums] = await scoreChoices(evaluator, [Coalition.full(model.facts.blocks)], prepared, { signal: options.signal });
				all.push(rightOf(answersOf(prepared, sums!), byTokens(prepared)));
			}
			return all;
		} finally {
			await model.dispose();
		}
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

function checkReferences({ calibration, model }: Session): void {
	for (const fold of ["validation", "report"] as const) {
		const { count, length } = calibration.folds[fold];
		const bytes = referenceBytes(count * (length - 1), model.facts.vocabulary);
		if (bytes <= 2 ** 30) continue;
		throw new NotEnoughMemoryError(
			`--max-kl keeps the full model's distributions: ${sizeText(bytes)} for the ${fold} fold, and 1.0 GiB is allowed. Give fewer or shorter windows (--windows, --window-length).`,
		);
	}
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
