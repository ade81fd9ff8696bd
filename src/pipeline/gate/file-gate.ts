// Limits on a written file: nothing of a session is needed for them.
import type { JobOptions, MachineOptions, UnknownOptions } from "../../api/index.js";
import { Coalition } from "../../game/coalition.js";
import { loadModel } from "../../model/runtime/load-model.js";
import type { PlanLimit } from "../../storage/plan-limits.js";
import type { GateLimit, GateRequest } from "../preflight/gate-limits.js";
import type { Measured, MeasuredOriginal } from "../session/paired-figures.js";
import { answersTo, figuresFrom, type LimitQuestions } from "./figures.js";

export class FileGate {
	readonly #limits: GateRequest;
	readonly #questions: ReadonlyMap<GateLimit, LimitQuestions<"heldOut">>;

	constructor(limits: GateRequest, questions: ReadonlyMap<GateLimit, LimitQuestions<"heldOut">>) {
		this.#limits = limits;
		this.#questions = questions;
	}

	/**
	 * What a written file is measured to be. Loads it where there are questions.
	 * @param measured the file on the windows of the held-out split
	 * @param whole the whole source on the same windows
	 */
	async figures(
		path: string,
		measured: Measured,
		whole: MeasuredOriginal,
		options: JobOptions & MachineOptions & UnknownOptions,
	): Promise<PlanLimit[]> {
		const asks = this.#limits.some(({ kind }) => kind === "accuracy");
		return figuresFrom(this.#limits, measured, whole, asks ? await this.#answers(path, options) : new Map());
	}

	async #answers(path: string, options: JobOptions & MachineOptions & UnknownOptions) {
		const model = await loadModel(path, options);
		try {
			const side = { evaluator: model.createEvaluator(), mask: Coalition.full(model.facts.blocks) };
			return await answersTo(this.#limits, (limit) => this.#questions.get(limit)!.heldOut, side, options);
		} finally {
			await model.dispose();
		}
	}
}
