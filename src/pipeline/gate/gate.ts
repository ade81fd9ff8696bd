// Quality limits: what a set of blocks, or a written file, is measured to be against the limits that were given.
import type { JobOptions } from "../../api/index.js";
import type { SplitName } from "../../model/calibration/index.js";
import { packQuestions, tokenizeQuestions } from "../../model/evaluation/choices.js";
import type { QuestionFile } from "../../model/evaluation/questions.js";
import type { GateLimit, GateRequest } from "../preflight/gate-limits.js";
import { Coalition } from "../../game/coalition.js";
import type { Measurement } from "../../game/game.js";
import { finiteMean, pairedDifference } from "../session/paired-figures.js";
import { Once } from "../session/once.js";
import { checkReferenceMemory, type ReferenceMemory } from "../preflight/reference-memory.js";
import { limitText, measuredText } from "../../report/gate.js";
import type { Model } from "../../model/runtime/model.js";
import type { Reference } from "../../model/runtime/positions.js";
import type { Session } from "../session/session.js";
import type { LedgerGame } from "../../storage/ledger-game.js";
import type { PlanLimits, PlanLimit } from "../../storage/plan-limits.js";
import { measuredOf } from "../writing/write-quantized.js";
import { answersTo, byTokens, figureOf, figuresFrom, type LimitQuestions, perplexityRatio, shareRight } from "./figures.js";
import { FileGate } from "./file-gate.js";

/** Splits that a gate is measured on: one to choose a number of blocks by, one for what is reported and decided. */
export type GateSplit = Exclude<SplitName, "search">;

type Questions = LimitQuestions<GateSplit>;

/** The original model on a split: its losses, and its distributions where a limit needs them. */
export interface OriginalModel {
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

	/** What is asked for. */
	get limits(): GateRequest {
		return this.#limits;
	}

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
	static open(session: Session, limits: GateRequest, options: JobOptions & ReferenceMemory): Gate {
		if (limits.some(({ kind }) => kind === "divergence")) {
			const { validation, heldOut } = session.calibration.splits;
			checkReferenceMemory("--max-kl", { validation, heldOut }, session.model.facts.vocabulary, options);
		}
		const questions = new Map<GateLimit, Questions>();
		for (const limit of limits) {
			if (typeof limit.questions === "object") questions.set(limit, dealt(session.model, limit.questions));
			else if (limit.kind === "accuracy") questions.set(limit, session.questions!);
		}
		return new Gate(session, limits, questions, options);
	}

	/** Whether the model without these blocks meets every limit; stops measuring at the first that it does not. */
	async meets(split: GateSplit, removed: readonly number[]): Promise<boolean> {
		for (const limit of this.#limits) if (!(await this.#figure(limit, split, removed)).met) return false;
		return true;
	}

	/** What the model without these blocks is measured to be, one figure a limit. */
	async figures(split: GateSplit, removed: readonly number[]): Promise<PlanLimit[]> {
		const figures: PlanLimit[] = [];
		for (const limit of this.#limits) figures.push(await this.#figure(limit, split, removed));
		return figures;
	}

	/** The same limits on a written file, which outlive the session. */
	ofFile(): FileGate {
		return new FileGate(this.#limits, this.#questions);
	}

	/** What healed models are held against; to be taken before any matrix of the model is another. */
	async whole(split: GateSplit): Promise<OriginalModel> {
		const { texts, referenceOn } = this.#session;
		const game = texts[split];
		const [measured] = await game.measure([Coalition.full(game.players)], { phase: "checking limits", signal: this.#options.signal });
		const compared = this.#limits.some(({ kind }) => kind === "divergence");
		return { measured: measured!, reference: compared ? await referenceOn(split) : undefined };
	}

	/** What the model without these blocks is measured to be as it stands, healed: past the ledgers, which know the file's own matrices. */
	async figuresAsItStands(split: GateSplit, removed: readonly number[], whole: OriginalModel): Promise<PlanLimit[]> {
		const { evaluator, calibration, model, scoredOn } = this.#session;
		const { signal } = this.#options;
		const mask = Coalition.ofRemoved(model.facts.blocks, removed);
		const how = { ...scoredOn(split), reference: whole.reference, signal };
		const [evaluation] = await evaluator.evaluate([mask], calibration.splits[split], how);
		const answers = await answersTo(this.#limits, (limit) => this.#questions.get(limit)![split], { evaluator, mask }, this.#options);
		return figuresFrom(this.#limits, measuredOf(evaluation!), whole.measured, answers);
	}

	async #figure(limit: GateLimit, split: GateSplit, removed: readonly number[]): Promise<PlanLimit> {
		const game = await this.#game(limit, split);
		const { players } = game;
		const { signal } = this.#options;
		const sets = [Coalition.full(players), Coalition.ofRemoved(players, removed)];
		if (limit.kind === "ratio") {
			const [whole, pruned] = await game.measure(sets, { phase: "checking limits", signal });
			return figureOf(limit, perplexityRatio(pairedDifference(whole!, pruned!, whole!.sources)));
		}
		const [pruned] = await game.measure(sets.slice(1), { phase: "checking limits", signal });
		const { figures, sources } = pruned!;
		if (limit.kind === "divergence") return figureOf(limit, finiteMean(figures!.divergence!, sources));
		const name = byTokens(this.#questions.get(limit)!.heldOut) ? "normalizedAccuracy" : "accuracy";
		return figureOf(limit, shareRight(Array.from(figures![name]!, (right) => right === 1)));
	}

	#game(limit: GateLimit, split: GateSplit): Promise<LedgerGame> {
		const { texts, finals } = this.#session;
		if (limit.kind === "ratio") return Promise.resolve(texts[split]);
		if (limit.questions === "metric") return Promise.resolve(finals[split]);
		const questions = this.#questions.get(limit);
		return this.#games.get(`${limit.name} ${split}`, () =>
			questions ? this.#session.questionsOn(questions[split]) : this.#session.comparedOn(split),
		);
	}
}

/** The verdict on figures of the held-out split. */
export function verdictOfGate(figures: PlanLimit[], measured: PlanLimits["measured"], ignore: boolean): PlanLimits {
	const met = figures.every((figure) => figure.met);
	return { met, ignored: !met && ignore, measured, figures };
}

/** Every third question is the validation split's. */
function dealt(model: Model, file: QuestionFile): Questions {
	const tokenized = tokenizeQuestions(model, file);
	const split = (wanted: boolean) =>
		packQuestions(
			tokenized.filter((_, i) => (i % 3 === 1) === wanted),
			file.format,
		);
	return { validation: split(true), heldOut: split(false) };
}

/** What was required, and what was measured. */
export function requirementText(figure: PlanLimit): string {
	return `${figure.name} ${limitText(figure.name, figure.limit)} was required, ${measuredText(figure)} measured`;
}
