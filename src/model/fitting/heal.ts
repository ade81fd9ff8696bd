import { EvaluationError, InvalidOptionError, QuantizeError } from "../../errors.js";
import type { Model } from "../runtime/model.js";
import { type BlockRun, type HiddenStates, hiddenStates } from "../runtime/states.js";
import { firstWindows } from "../runtime/windows.js";
import { type Cut, cutsOf } from "./cuts.js";
import type { HealedCut, HealInput, Recipe } from "./job.js";
import { MatrixFit } from "./matrix-fit.js";
import { findSite } from "./site.js";
import { orRestored, restore } from "./standing.js";
import type { HealedTensor } from "./tensors.js";

/**
 * Heals the cuts of a removal from the first to the last; each fit includes the earlier ones. The matrix before a cut becomes W + dW with
 * dW = argmin sum |y - dW a|^2 + ridge |dW|^2. Here a is the input of the matrix in the pruned model. y is the state of the original model
 * after the run of removed blocks minus the pruned model's state before the run. The new matrices are in the model when this returns, until
 * {@link restore}; if it throws, the model is unchanged.
 */
export async function healCuts(model: Model, input: HealInput): Promise<{ tensors: HealedTensor[]; cuts: HealedCut[] }> {
	const healer = new Healer(model, input);
	return orRestored(model, healer.tensors, () => healer.run());
}

/** The architecture's graph does not show what is needed, or the matrix cannot be stored in its type. */
export function isRefusal(error: unknown): error is Error {
	return error instanceof EvaluationError || error instanceof QuantizeError || error instanceof InvalidOptionError;
}

class Healer {
	readonly #model: Model;
	readonly #input: HealInput;
	readonly #kept: readonly number[];
	/** Changes that are already in the model. */
	readonly tensors: HealedTensor[] = [];

	constructor(model: Model, input: HealInput) {
		this.#model = model;
		this.#input = input;
		const gone = new Set(input.removed);
		this.#kept = Array.from({ length: model.facts.blocks }, (_, block) => block).filter((block) => !gone.has(block));
	}

	async run(): Promise<{ tensors: HealedTensor[]; cuts: HealedCut[] }> {
		const { removed, recipes, onProgress } = this.#input;
		const cuts = cutsOf(removed);
		const able = cuts.filter(({ before }, i) => before !== undefined && (!recipes || recipes[i]));
		onProgress?.(0, cuts.length + 1);
		const targets = await this.#unlessRefused(() => this.#targets(able.map(({ last }) => last)));
		const done: HealedCut[] = [];
		for (const [i, cut] of cuts.entries()) {
			onProgress?.(i + 1, cuts.length + 1);
			const recipe = recipes?.[i];
			if (cut.before === undefined) done.push({ ...cut, reason: "it is at the very start, so no block comes before it" });
			else if (recipes && !recipe) done.push({ ...cut, reason: "the plan does not heal it" });
			else if (typeof targets === "string") done.push({ ...cut, reason: targets });
			else {
				const { before } = cut;
				const healed = await this.#unlessRefused(() =>
					this.#wholly(() => this.#heal({ ...cut, before }, targets[able.indexOf(cut)]!, recipe)),
				);
				done.push(typeof healed === "string" ? { ...cut, reason: healed } : healed);
			}
		}
		onProgress?.(cuts.length + 1, cuts.length + 1);
		return { tensors: this.tensors, cuts: done };
	}

	/** A refused cut leaves nothing in the model, so that the record of a cut is what is written. */
	async #wholly<T>(work: () => Promise<T>): Promise<T> {
		const held = this.tensors.length;
		try {
			return await work();
		} catch (error) {
			await restore(this.#model, this.tensors.splice(held)).catch(() => {});
			throw error;
		}
	}

	/** States of the original model after these blocks. */
	async #targets(after: readonly number[]): Promise<HiddenStates[]> {
		const all = Array.from({ length: this.#model.facts.blocks }, (_, block) => block);
		return after.length === 0 ? [] : hiddenStates(this.#model, this.#over(all), after);
	}

	/** A limit of the architecture or of the type of weights is a reason to leave a cut unhealed. */
	async #unlessRefused<T>(work: () => Promise<T>): Promise<T | string> {
		try {
			return await work();
		} catch (error) {
			if (this.#input.mustHeal || !isRefusal(error)) throw error;
			return error.message;
		}
	}

	#over(kept: readonly number[], windows = this.#input.fit): BlockRun {
		const { ubatch, threads, signal } = this.#input;
		return { windows, kept, ubatch, threads, signal };
	}

	async #heal(cut: Cut & { before: number }, target: HiddenStates, given: Recipe | undefined): Promise<HealedCut> {
		const model = this.#model;
		const site = await findSite(model, cut.before, this.#over(this.#kept, firstWindows(this.#input.fit, 2)));
		if (typeof site === "string") {
			if (given && this.#input.mustHeal) throw new EvaluationError(site);
			return { ...cut, reason: site };
		}
		const fit = await MatrixFit.of(model, this.#input, { site, before: cut.before, target, run: this.#over(this.#kept) });
		return given ? this.#again(cut, fit, given) : this.#tried(cut, fit);
	}

	/** The fit that a recipe names. */
	async #again(cut: Cut, fit: MatrixFit, recipe: Recipe): Promise<HealedCut> {
		const { kind, ridge, relative } = recipe;
		const solved = kind === "norm" ? undefined : await fit.solved({ kind, ridge, relative });
		if (solved) await this.#put(solved.tensor);
		const normRidge = kind === "norm" ? ridge : recipe.normRidge;
		if (normRidge !== undefined) await this.#put((await fit.norms([normRidge]))[0]!);
		return {
			...cut,
			...(solved ? { ...fit.named, explained: solved.explained } : {}),
			...(normRidge === undefined ? {} : fit.changedNorm),
			recipe,
		};
	}

	/** The fit that lowers the figure on the search split most. */
	async #tried(cut: Cut, fit: MatrixFit): Promise<HealedCut> {
		const before = await fit.figure();
		const found = await fit.search();
		const best = found && found.figure < before ? found : undefined;
		if (best) await this.#put(best.tensor);
		const rescaled = await fit.searchNorm(best?.figure ?? before);
		if (rescaled) await this.#put(rescaled.tensor);
		if (!best && !rescaled)
			return { ...cut, ...fit.named, reason: "no map that was tried brings the model closer to the original on the search split" };
		const recipe: Recipe = best
			? { ...best.recipe, ...(rescaled ? { normRidge: rescaled.ridge } : {}) }
			: { kind: "norm", ridge: rescaled!.ridge, relative: 0 };
		const by = "reference" in this.#input.tuning! ? { by: "divergence" as const } : {};
		const tuning = { before, after: rescaled?.figure ?? best!.figure, ...by };
		return {
			...cut,
			...(best ? { ...fit.named, explained: best.explained } : {}),
			...(rescaled ? fit.changedNorm : {}),
			recipe,
			tuning,
		};
	}

	async #put(tensor: HealedTensor): Promise<void> {
		await this.#model.replaceTensor(tensor.name, tensor);
		this.tensors.push(tensor);
	}
}
