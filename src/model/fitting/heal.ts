import { EvaluationError, InvalidOptionError, QuantizeError } from "../../errors.js";
import { stackWithout, type StackedBlock } from "../../game/parts.js";
import type { Model } from "../runtime/model.js";
import { type BlockRun, type HiddenStates, hiddenStates } from "../runtime/states.js";
import { firstWindows } from "../runtime/windows.js";
import { type Cut, type CutPlace, defaultParts, isPlace, type Place, placesOf } from "./cuts.js";
import { withoutFeedForward } from "./half-states.js";
import type { HealedCut, HealInput, Recipe } from "./job.js";
import { type Comparing, type FitTask, MatrixFit } from "./matrix-fit.js";
import { findSite } from "./site.js";
import { orRestored, restore } from "./standing.js";
import type { HealedTensor } from "./tensors.js";

/**
 * Heals the cuts of a removal from the first to the last; each fit includes the earlier ones. A matrix beside a cut becomes W + dW with
 * dW = argmin sum |y - dW a|^2 + ridge |dW|^2. Here a is the input of the matrix in the pruned model. y is the state of the original model
 * behind the cut minus the pruned model's state behind the matrix. The new matrices are in the model when this returns, until
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

/** A cut that can be healed, and the states that are wanted behind it. */
interface CutTask extends Pick<FitTask, "onTried" | "target"> {
	readonly place: Place;
}

class Healer {
	readonly #model: Model;
	readonly #input: HealInput;
	readonly #kept: readonly StackedBlock[];
	/** Changes that are already in the model. */
	readonly tensors: HealedTensor[] = [];

	constructor(model: Model, input: HealInput) {
		this.#model = model;
		this.#input = input;
		this.#kept = stackWithout(model.facts.blocks, input.removed);
	}

	async run(): Promise<{ tensors: HealedTensor[]; cuts: HealedCut[] }> {
		const { removed, recipes, onProgress, parts = defaultParts } = this.#input;
		const places = placesOf(removed, parts);
		const able = places.filter((place, i): place is Place => isPlace(place) && (!recipes || recipes[i] !== undefined));
		onProgress?.(0, places.length + 1);
		const targets = await this.#unlessRefused(() => this.#targets(able));
		const done: HealedCut[] = [];
		for (const [i, place] of places.entries()) {
			onProgress?.(i + 1, places.length + 1);
			const cut = recordOf(place);
			const recipe = recipes?.[i];
			if (!isPlace(place)) done.push({ ...cut, reason: "it is at the very start, so no block comes before it" });
			else if (recipes && !recipe) done.push({ ...cut, reason: "the plan does not heal it" });
			else if (typeof targets === "string") done.push({ ...cut, reason: targets });
			else {
				const healed = await this.#unlessRefused(() =>
					this.#wholly(() =>
						this.#heal({ place, target: targets.get(place)!, onTried: (share) => onProgress?.(i + 1 + share, places.length + 1) }, recipe),
					),
				);
				done.push(typeof healed === "string" ? { ...cut, reason: healed } : healed);
			}
		}
		onProgress?.(places.length + 1, places.length + 1);
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

	/** The wanted states, while the model has the file's own values: those after whole blocks from one run, and each other one from its own. */
	async #targets(places: readonly Place[]): Promise<ReadonlyMap<Place, HiddenStates>> {
		const over = this.#over(this.#all());
		const targets = new Map<Place, HiddenStates>();
		const whole = places.filter(({ part }) => part !== "attention");
		const after = whole.map(({ target }) => target);
		const states = whole.length === 0 ? [] : await hiddenStates(this.#model, over, after);
		for (const [i, place] of whole.entries()) targets.set(place, states[i]!);
		for (const place of places.filter(({ part }) => part === "attention")) {
			const { target } = place;
			const [state] = await withoutFeedForward(this.#model, target, () => hiddenStates(this.#model, over, [target]));
			targets.set(place, state!);
		}
		return targets;
	}

	#all(): StackedBlock[] {
		return stackWithout(this.#model.facts.blocks, []);
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

	#over(kept: readonly StackedBlock[], windows = this.#input.fit): BlockRun {
		const { ubatch, threads, signal } = this.#input;
		return { windows, kept, ubatch, threads, signal };
	}

	async #heal({ place, target, onTried }: CutTask, given: Recipe | undefined): Promise<HealedCut> {
		const model = this.#model;
		const cut = recordOf(place);
		const { part, after } = place;
		// The states that are compared after an attention part are those after its block while the feed-forward part gives nothing.
		const comparing: Comparing = part === "attention" ? (work) => withoutFeedForward(model, after, work) : (work) => work();
		const site = await comparing(() => findSite(model, place, this.#over(this.#kept, firstWindows(this.#input.fit, 2))));
		if (typeof site === "string") {
			if (given && this.#input.mustHeal) throw new EvaluationError(site);
			return { ...cut, reason: site };
		}
		const fit = await MatrixFit.of(model, this.#input, { site, after, target, run: this.#over(this.#kept), comparing, onTried });
		return given ? this.#again(cut, fit, given) : this.#tried(cut, fit);
	}

	/** The fit that a recipe names. */
	async #again(cut: CutRecord, fit: MatrixFit, recipe: Recipe): Promise<HealedCut> {
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
	async #tried(cut: CutRecord, fit: MatrixFit): Promise<HealedCut> {
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

/** What a record says of a cut. */
type CutRecord = Cut & Pick<Place, "part">;

function recordOf(place: CutPlace): CutRecord {
	const { before, first, last } = place;
	return { before, first, last, ...(isPlace(place) && place.part ? { part: place.part } : {}) };
}
