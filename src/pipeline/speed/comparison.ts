// How many times as fast as a model something is: itself without some blocks, or another one, in turns with it.
import type { JobOptions } from "../../api/index.js";
import type { Model } from "../../model/runtime/model.js";
import { runSpeed, type SpeedShape } from "../../model/runtime/speed.js";
import { type SideModel, speedSide } from "./speed.js";
import type { Speedup } from "../../api/speed.js";
import { probeWithin, ratioOf, shapeWithin } from "./figures.js";
import type { TurnSeconds } from "./settle.js";
import type { SpeedRatio } from "../../storage/plan-speed.js";

/** Compares others with one model, which was run once to see how much can be measured in how many seconds. */
export class SpeedComparison {
	readonly #model: Model;
	readonly #of: Speedup;
	readonly #shape: (seconds: number, sides: number) => SpeedShape;
	readonly #options: JobOptions;

	private constructor(model: Model, of: Speedup, shape: (seconds: number, sides: number) => SpeedShape, options: JobOptions) {
		this.#model = model;
		this.#of = of;
		this.#shape = shape;
		this.#options = options;
	}

	/** @throws EvaluationError, or `signal.reason` */
	static async of(model: Model, of: Speedup, options: JobOptions): Promise<SpeedComparison> {
		const { contextLength } = model.facts;
		options.progress?.work({ phase: "measuring the speed", done: 0, total: 0, unit: "percent" });
		const [probe] = await runSpeed([{ model }], {
			...{ ...probeWithin(contextLength), context: 1, threads: model.threads, signal: options.signal },
		});
		return new SpeedComparison(model, of, (seconds, sides) => shapeWithin(probe!, seconds, sides, contextLength), options);
	}

	/**
	 * How many times as fast as the model each of the others is: all take turns, repetition by repetition.
	 * @param seconds that this should take, about
	 */
	async ratios(others: readonly SideModel[], seconds: number): Promise<SpeedRatio[]> {
		return (await this.turns(others, seconds)).map(({ before, after }) => ratioOf(before, after));
	}

	/** The seconds of the repetitions that these ratios are made of. */
	async turns(others: readonly SideModel[], seconds: number): Promise<TurnSeconds[]> {
		if (others.length === 0) return [];
		const { signal, progress } = this.#options;
		const [whole, ...rest] = await runSpeed([{ model: this.#model }, ...others.map(speedSide)], {
			...{ ...this.#shape(seconds, others.length + 1), context: 1, threads: this.#model.threads, signal },
			onProgress: (done, total) =>
				progress?.work({ phase: "measuring the speed", done: Math.round((100 * done) / total), total: 100, unit: "percent" }),
		});
		const name = this.#of === "prompt" ? "promptSeconds" : "generationSeconds";
		return rest.map((side) => ({ before: whole![name], after: side[name] }));
	}
}
