import { EvaluationError, InvalidOptionError, QuantizeError } from "../../errors.js";
import type { Model } from "../runtime/model.js";
import {
	type BlockRun,
	dequantizeBytes,
	type EquationOptions,
	type FittedTo,
	freeEquations,
	type HiddenStates,
	hiddenStates,
	type NormalEquations,
	normalEquations,
	normSums,
	normWeights,
	quantizeValues,
	solveEquations,
} from "../runtime/states.js";
import { firstWindows } from "../runtime/windows.js";
import { type Cut, cutsOf } from "./cuts.js";
import type { HealedCut, HealInput, Recipe } from "./job.js";
import { type FitKind, fitKinds } from "./kinds.js";
import { findSite, type Site } from "./site.js";
import { orRestored, restore } from "./standing.js";
import { tuningFigure } from "./tuning.js";
import { type HealedTensor, healedTypeName, readTensor, typeFor } from "./tensors.js";

/** What the equations of each kind are of. */
const fittedTo: Readonly<Record<FitKind, FittedTo>> = { refit: "inputs", map: "outputs" };
/** Of the weights of a norm, as multiples of the mean square of what it divides to. */
export const normRidges: readonly number[] = [0.01, 0.3, 3];
/** Weightings of tokens that are tried. */
export const defaultRelatives: readonly number[] = [0, 1];
/** Ridges that are tried. */
export const defaultRidges: readonly number[] = [0.003, 0.01, 0.03, 0.1, 0.3, 1, 3];

/**
 * Heals the cuts of a removal from the first to the last, each seeing the ones before. The matrix before a cut becomes W + dW with
 * dW = argmin sum |y - dW a|^2 + ridge |dW|^2, where a is what the matrix is multiplied with in the pruned model, and y the state of
 * the whole model after the run of removed blocks minus that of the pruned model before it. The new matrices stand in the model when
 * this returns, until {@link restore}; where it throws the model is as it was.
 */
export async function healCuts(model: Model, input: HealInput): Promise<{ tensors: HealedTensor[]; cuts: HealedCut[] }> {
	const healer = new Healer(model, input);
	return orRestored(model, healer.tensors, () => healer.run());
}

/** Of an architecture whose graph does not show what is needed, or of a type that the matrix cannot be stored in. */
export function isRefusal(error: unknown): error is Error {
	return error instanceof EvaluationError || error instanceof QuantizeError || error instanceof InvalidOptionError;
}

/** A matrix with all that is needed to change it. */
interface Subject {
	readonly site: Site;
	readonly type: number;
	readonly values: Float32Array;
	readonly wanted: Omit<EquationOptions, "relative">;
}

/** Of one matrix and weighting, by what they are fitted to. */
type Equations = Partial<Record<FittedTo, NormalEquations>>;

interface Trial {
	readonly recipe: Recipe;
	readonly tensor: HealedTensor;
	readonly explained: number;
	/** On the search fold. */
	readonly figure: number;
}

class Healer {
	readonly #model: Model;
	readonly #input: HealInput;
	readonly #kept: readonly number[];
	/** In the model already. */
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
			if (cut.before === undefined) done.push({ ...cut, reason: "it is at the very start: no block comes before it" });
			else if (recipes && !recipe) done.push({ ...cut, reason: "the plan leaves it alone" });
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

	/** A cut that is refused halfway leaves nothing in the model: what is recorded of it must be what is written. */
	async #wholly<T>(work: () => Promise<T>): Promise<T> {
		const held = this.tensors.length;
		try {
			return await work();
		} catch (error) {
			await restore(this.#model, this.tensors.splice(held)).catch(() => {});
			throw error;
		}
	}

	/** States of the whole model after these blocks. */
	async #targets(after: readonly number[]): Promise<HiddenStates[]> {
		const all = Array.from({ length: this.#model.facts.blocks }, (_, block) => block);
		return after.length === 0 ? [] : hiddenStates(this.#model, this.#over(all), after);
	}

	/** What cannot be done for this architecture or type of weights is a reason to leave a cut alone. */
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
		const { tensor } = site;
		const type = typeFor(tensor, this.#input.type);
		const values = await dequantizeBytes(model, await readTensor(tensor), tensor.type, tensor.dims[0]!, this.#input.signal);
		const subject = { site, type, values, wanted: { weight: tensor.name, after: cut.before, target, scale: site.scale, norm: site.norm } };
		const sums = async (relative: number, kinds: readonly FitKind[]) => {
			// The state after the block is that of the file's own matrix, not of the one that was tried last.
			await model.replaceTensor(tensor.name);
			const features = kinds.map((kind) => fittedTo[kind]);
			return normalEquations(model, this.#over(this.#kept), { ...subject.wanted, relative }, features);
		};
		const named = { tensor: tensor.name, type: healedTypeName(type) };
		const changedNorm = site.normTensor ? { norm: site.normTensor.name } : {};
		if (given) {
			const { kind, ridge } = given;
			const solved =
				kind === "norm"
					? undefined
					: await this.#withEquations(await sums(given.relative, [kind]), (all) => this.#solve(subject, all, kind, ridge));
			if (solved) await this.#put(solved.tensor);
			const normRidge = kind === "norm" ? ridge : given.normRidge;
			if (normRidge !== undefined) await this.#put((await this.#norms(subject, [normRidge]))[0]!);
			return {
				...cut,
				...(solved ? { ...named, explained: solved.explained } : {}),
				...(normRidge === undefined ? {} : changedNorm),
				recipe: given,
			};
		}
		const before = await this.#figure();
		const found = await this.#search(subject, sums).finally(() => model.replaceTensor(tensor.name));
		const best = found && found.figure < before ? found : undefined;
		if (best) await this.#put(best.tensor);
		const rescaled = await this.#searchNorm(subject, best?.figure ?? before);
		if (rescaled) await this.#put(rescaled.tensor);
		if (!best && !rescaled)
			return { ...cut, ...named, reason: "no map that was tried brings the model nearer to the whole one on the search fold" };
		const recipe: Recipe = best
			? { ...best.recipe, ...(rescaled ? { normRidge: rescaled.ridge } : {}) }
			: { kind: "norm", ridge: rescaled!.ridge, relative: 0 };
		const by = "reference" in this.#input.tuning! ? { by: "divergence" as const } : {};
		const tuning = { before, after: rescaled?.figure ?? best!.figure, ...by };
		return { ...cut, ...(best ? { ...named, explained: best.explained } : {}), ...(rescaled ? changedNorm : {}), recipe, tuning };
	}

	async #withEquations<T>(equations: Equations, work: (equations: Equations) => Promise<T>): Promise<T> {
		return work(equations).finally(async () => {
			for (const one of Object.values(equations)) await freeEquations(this.#model, one);
		});
	}

	/** Weights of the norm behind the matrix as it stands, while the norm stands as it is in the file. */
	async #norms({ site: { normTensor, norm }, wanted }: Subject, ridges: readonly number[]): Promise<HealedTensor[]> {
		if (!normTensor || !norm) throw new EvaluationError(`no norm comes after ${wanted.weight}`);
		const { name, type, dims } = normTensor;
		const sums = await normSums(this.#model, this.#over(this.#kept), wanted);
		const values = (ridge: number) => normWeights(sums, norm, ridge);
		const made = ridges.map((ridge) => quantizeValues(this.#model, values(ridge), type, dims[0]!, this.#input.signal));
		return (await Promise.all(made)).map((bytes) => ({ name, type, bytes }));
	}

	/** The weights of the norm that lower the figure on the search fold most; undefined where none do. */
	async #searchNorm(subject: Subject, before: number): Promise<{ tensor: HealedTensor; ridge: number; figure: number } | undefined> {
		if (!subject.site.normTensor) return undefined;
		const { name } = subject.site.normTensor;
		let best: { tensor: HealedTensor; ridge: number; figure: number } | undefined;
		for (const [i, tensor] of (await this.#norms(subject, normRidges)).entries()) {
			await this.#model.replaceTensor(name, tensor);
			const figure = await this.#figure().finally(() => this.#model.replaceTensor(name));
			if (figure < (best?.figure ?? before)) best = { tensor, ridge: normRidges[i]!, figure };
		}
		return best;
	}

	/** Tries kinds and weights of tokens; of the ridges those around the best one. */
	async #search(subject: Subject, sums: (relative: number, kinds: readonly FitKind[]) => Promise<Equations>): Promise<Trial | undefined> {
		const { kinds = fitKinds, relatives = defaultRelatives, ridges = defaultRidges } = this.#input;
		let best: Trial | undefined;
		for (const relative of relatives) {
			await this.#withEquations(await sums(relative, kinds), async (equations) => {
				for (const kind of kinds) {
					const attempt = (ridge: number) => this.#try(subject, equations, { kind, ridge, relative });
					const trial = await this.#bestRidge(ridges, attempt);
					if (trial && (!best || trial.figure < best.figure)) best = trial;
				}
			});
		}
		return best;
	}

	/** From the middle one on in both directions, as long as the figure falls. */
	async #bestRidge(ridges: readonly number[], attempt: (ridge: number) => Promise<Trial | undefined>): Promise<Trial | undefined> {
		const figures = new Map<number, number>();
		// Of the matrices only the best is held.
		let best: Trial | undefined;
		const at = async (i: number): Promise<number> => {
			if (i < 0 || i >= ridges.length) return Number.POSITIVE_INFINITY;
			if (!figures.has(i)) {
				const trial = await attempt(ridges[i]!);
				figures.set(i, trial && Number.isFinite(trial.figure) ? trial.figure : Number.POSITIVE_INFINITY);
				if (trial && figures.get(i)! < (best?.figure ?? Number.POSITIVE_INFINITY)) best = trial;
			}
			return figures.get(i)!;
		};
		let i = Math.floor(ridges.length / 2);
		for (const step of [-1, 1]) while ((await at(i + step)) < (await at(i))) i += step;
		return best;
	}

	/** Undefined where the equations cannot be solved so. */
	async #try(subject: Subject, equations: Equations, recipe: Recipe & { kind: FitKind }): Promise<Trial | undefined> {
		const solved = await this.#solve(subject, equations, recipe.kind, recipe.ridge).catch((error: unknown) => {
			if (!(error instanceof EvaluationError)) throw error;
		});
		if (!solved) return undefined;
		const { tensor, explained } = solved;
		await this.#model.replaceTensor(tensor.name, tensor);
		return { recipe, tensor, explained, figure: await this.#figure() };
	}

	async #solve({ site, type, values }: Subject, equations: Equations, kind: FitKind, ridge: number) {
		const { threads, signal } = this.#input;
		const through = kind === "map" ? values : undefined;
		const { update: healed, explained } = await solveEquations(this.#model, equations[fittedTo[kind]]!, {
			ridge,
			through,
			threads,
			signal,
		});
		for (let i = 0; i < healed.length; i++) healed[i]! += values[i]!;
		const { name, dims } = site.tensor;
		return { tensor: { name, type, bytes: await quantizeValues(this.#model, healed, type, dims[0]!, signal) }, explained };
	}

	async #put(tensor: HealedTensor): Promise<void> {
		await this.#model.replaceTensor(tensor.name, tensor);
		this.tensors.push(tensor);
	}

	/** Of the pruned model as it stands on the search fold: its loss, or divergence from the whole model. */
	#figure(): Promise<number> {
		const { tuning, removed, mask, ubatch, threads, signal } = this.#input;
		return tuningFigure(this.#model.createEvaluator({ ubatch, threads }), mask(removed), tuning!, signal);
	}
}
