// What the cells of a frontier of attention parts cost at the context: time per token in each type of weights, and KV cache.
import { costAt } from "../../pipeline/planning/context.js";
import type { Variant } from "../../pipeline/quantizing/variants.js";
import { type AtContext, partTimesOfCopy } from "../../pipeline/speed/at-context.js";
import type { ModelWeights } from "../../pipeline/writing/quantize-weights.js";
import type { FrontierTimes } from "../../api/frontier.js";
import type { FrontierJob } from "../../pipeline/preflight/job.js";
import type { Cell } from "./choice.js";

type Costs = Pick<Cell, "milliseconds" | "kvCache" | "speedup">;

/** What the costs are of. */
interface Costed {
	/** Whose weights are quantized. */
	readonly weights: ModelWeights;
	/** Where it is given, speed-ups are derived too. */
	readonly targetSpeedup?: number | undefined;
}

export class CostsAtContext {
	readonly #at: AtContext;
	readonly #costed: Costed;
	readonly #options: FrontierJob;
	readonly #times: FrontierTimes[] = [];

	constructor(at: AtContext, costed: Costed, options: FrontierJob) {
		this.#at = at;
		this.#costed = costed;
		this.#options = options;
	}

	/** Times of the types that were asked for. */
	get times(): readonly FrontierTimes[] {
		return this.#times;
	}

	/** A function of what is removed from one type. Its times are measured on the quantized copy, which runs at a speed of its own. */
	async of(variant: Pick<Variant<string>, "type" | "model">): Promise<(removed: readonly number[]) => Costs> {
		const { times, context } = this.#at;
		const { weights, targetSpeedup } = this.#costed;
		const { type } = variant;
		const copy = { model: () => variant.model() };
		const copied = type === "own" || !times ? times : await partTimesOfCopy(weights, { type, ...copy }, context, this.#options);
		if (copied) this.#times.push({ type, ...copied });
		const at = { ...this.#at, times: copied };
		return (removed) => {
			const cost = costAt(at, removed);
			if (targetSpeedup === undefined || cost.milliseconds === undefined) return cost;
			return { ...cost, speedup: { value: (1000 * times!.model) / cost.milliseconds } };
		};
	}
}
