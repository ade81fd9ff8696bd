import { EvaluationError } from "../../errors.js";
import type { Model } from "../runtime/model.js";
import {
	type BlockRun,
	dequantizeBytes,
	type EquationOptions,
	type FittedTo,
	freeEquations,
	type HiddenStates,
	type NormalEquations,
	normalEquations,
	normSums,
	normWeights,
	quantizeValues,
	solveEquations,
} from "../runtime/states.js";
import type { HealInput, Recipe } from "./job.js";
import { type FitKind, fitKinds } from "./kinds.js";
import type { Site } from "./site.js";
import { type HealedTensor, healedTypeName, readTensor, typeFor } from "./tensors.js";
import { tuningFigure } from "./tuning.js";

// The matrix before one cut: its target, the variants to try, and which of them lowers the figure on the search split.

/** Features of the equations of each kind. */
const fittedTo: Readonly<Record<FitKind, FittedTo>> = { refit: "inputs", map: "outputs" };
/** Ridges for the weights of a norm, as multiples of the mean square of the normalized values. */
export const normRidges: readonly number[] = [0.01, 0.3, 3];
/** Weightings of tokens to try. */
export const defaultRelatives: readonly number[] = [0, 1];
/** Ridges to try. */
export const defaultRidges: readonly number[] = [0.003, 0.01, 0.03, 0.1, 0.3, 1, 3];

/** Equations of one matrix and weighting, by their features. */
type Equations = Partial<Record<FittedTo, NormalEquations>>;

interface Trial {
	readonly recipe: Recipe;
	readonly tensor: HealedTensor;
	readonly explained: number;
	/** Figure on the search split. */
	readonly figure: number;
}

/** A recipe that changes the matrix, not only the norm behind it. */
type FitRecipe = Recipe & { readonly kind: FitKind };

/** Which matrix is fitted to which target. */
export interface FitTask {
	readonly site: Site;
	/** Block whose feed-forward part is the last before the states that are compared. */
	readonly after: number;
	/** States of the original model behind the cut. */
	readonly target: HiddenStates;
	/** The kept blocks over the text of the fit. */
	readonly run: BlockRun;
	/** Does work while the model gives the states that are compared. */
	readonly comparing: Comparing;
	/** Called while variants are tried, with the share that is done at least, 0..1. */
	readonly onTried?: ((share: number) => void) | undefined;
}

export type Comparing = <T>(work: () => Promise<T>) => Promise<T>;

/** Tries values for one matrix of the model. A trial stays in the model until the next one, or until the file's own values return. */
export class MatrixFit {
	readonly #model: Model;
	readonly #input: HealInput;
	readonly #site: Site;
	readonly #run: BlockRun;
	readonly #comparing: Comparing;
	/** Type that the new matrix is stored in. */
	readonly #type: number;
	/** Values of the file's own matrix. */
	readonly #values: Float32Array;
	readonly #onTried: FitTask["onTried"];
	readonly #wanted: Omit<EquationOptions, "relative">;

	private constructor(
		model: Model,
		input: HealInput,
		{ site, after, target, run, comparing, onTried }: FitTask,
		matrix: { type: number; values: Float32Array },
	) {
		const { tensor, scale, norm } = site;
		this.#model = model;
		this.#input = input;
		this.#site = site;
		this.#run = run;
		this.#comparing = comparing;
		this.#onTried = onTried;
		this.#type = matrix.type;
		this.#values = matrix.values;
		this.#wanted = { weight: tensor.name, after, target, scale, norm };
	}

	/** @throws QuantizeError if the matrix cannot be read, or not be stored in the wanted type */
	static async of(model: Model, input: HealInput, task: FitTask): Promise<MatrixFit> {
		const { tensor } = task.site;
		const type = typeFor(tensor, input.type);
		const format = { type: tensor.type, rowLength: tensor.dims[0]! };
		const values = await dequantizeBytes(model, await readTensor(tensor), format, input.signal);
		return new MatrixFit(model, input, task, { type, values });
	}

	/** The matrix and the type that it is stored in, as a cut records them. */
	get named(): { tensor: string; type: string } {
		return { tensor: this.#site.tensor.name, type: healedTypeName(this.#type) };
	}

	/** The norm behind it, as a cut records it; empty if there is none. */
	get changedNorm(): { norm?: string } {
		return this.#site.normTensor ? { norm: this.#site.normTensor.name } : {};
	}

	/** The matrix that a recipe gives. @throws EvaluationError if its equations cannot be solved */
	async solved(recipe: FitRecipe): Promise<{ tensor: HealedTensor; explained: number }> {
		return this.#withEquations(await this.#sums(recipe.relative, [recipe.kind]), (all) => this.#solve(all, recipe));
	}

	async #sums(relative: number, kinds: readonly FitKind[]): Promise<Equations> {
		// The state after the block must come from the file's own matrix, not from the last trial.
		await this.#model.replaceTensor(this.#site.tensor.name);
		const features = kinds.map((kind) => fittedTo[kind]);
		return this.#comparing(() => normalEquations(this.#model, this.#run, { ...this.#wanted, relative }, features));
	}

	async #withEquations<T>(equations: Equations, work: (equations: Equations) => Promise<T>): Promise<T> {
		return work(equations).finally(async () => {
			for (const one of Object.values(equations)) await freeEquations(this.#model, one);
		});
	}

	/** Weights of the norm behind the current matrix, fitted while the norm has the file's own. */
	async norms(ridges: readonly number[]): Promise<HealedTensor[]> {
		const { normTensor, norm } = this.#site;
		if (!normTensor || !norm) throw new EvaluationError(`no norm comes after ${this.#wanted.weight}`);
		const { name, type, dims } = normTensor;
		const sums = await this.#comparing(() => normSums(this.#model, this.#run, this.#wanted));
		const values = (ridge: number) => normWeights(sums, norm, ridge);
		const made = ridges.map((ridge) => quantizeValues(this.#model, values(ridge), { type, rowLength: dims[0]! }, this.#input.signal));
		return (await Promise.all(made)).map((bytes) => ({ name, type, bytes }));
	}

	/** The weights of the norm that lower the figure on the search split most; undefined if none do. */
	async searchNorm(before: number): Promise<{ tensor: HealedTensor; ridge: number; figure: number } | undefined> {
		if (!this.#site.normTensor) return undefined;
		const { name } = this.#site.normTensor;
		let best: { tensor: HealedTensor; ridge: number; figure: number } | undefined;
		for (const [i, tensor] of (await this.norms(normRidges)).entries()) {
			await this.#model.replaceTensor(name, tensor);
			const figure = await this.figure().finally(() => this.#model.replaceTensor(name));
			if (figure < (best?.figure ?? before)) best = { tensor, ridge: normRidges[i]!, figure };
		}
		return best;
	}

	/** Tries kinds, weightings of tokens, and ridges around the best one. The file's own matrix returns afterwards. */
	search(): Promise<Trial | undefined> {
		return this.#search().finally(() => this.#model.replaceTensor(this.#site.tensor.name));
	}

	async #search(): Promise<Trial | undefined> {
		const { kinds = fitKinds, relatives = defaultRelatives, ridges = defaultRidges } = this.#input;
		let best: Trial | undefined;
		let tried = 0;
		for (const relative of relatives) {
			await this.#withEquations(await this.#sums(relative, kinds), async (equations) => {
				for (const kind of kinds) {
					const before = tried;
					const attempt = async (ridge: number) => {
						const trial = await this.#try(equations, { kind, ridge, relative });
						tried++;
						this.#onTried?.(tried / (relatives.length * kinds.length * ridges.length));
						return trial;
					};
					const trial = await this.#bestRidge(ridges, attempt);
					// Not every ridge is tried.
					tried = before + ridges.length;
					if (trial && (!best || trial.figure < best.figure)) best = trial;
				}
			});
		}
		return best;
	}

	/** From the middle one on in both directions, as long as the figure falls. */
	async #bestRidge(ridges: readonly number[], attempt: (ridge: number) => Promise<Trial | undefined>): Promise<Trial | undefined> {
		const figures = new Map<number, number>();
		// Only the best matrix is held.
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

	/** Undefined if the equations cannot be solved. */
	async #try(equations: Equations, recipe: FitRecipe): Promise<Trial | undefined> {
		const solved = await this.#solve(equations, recipe).catch((error: unknown) => {
			if (!(error instanceof EvaluationError)) throw error;
		});
		if (!solved) return undefined;
		const { tensor, explained } = solved;
		await this.#model.replaceTensor(tensor.name, tensor);
		return { recipe, tensor, explained, figure: await this.figure() };
	}

	async #solve(equations: Equations, { kind, ridge }: FitRecipe): Promise<{ tensor: HealedTensor; explained: number }> {
		const values = this.#values;
		const type = this.#type;
		const { threads, signal } = this.#input;
		const through = kind === "map" ? values : undefined;
		const { update: healed, explained } = await solveEquations(this.#model, equations[fittedTo[kind]]!, {
			ridge,
			through,
			threads,
			signal,
		});
		for (let i = 0; i < healed.length; i++) healed[i]! += values[i]!;
		const { name, dims } = this.#site.tensor;
		return { tensor: { name, type, bytes: await quantizeValues(this.#model, healed, { type, rowLength: dims[0]! }, signal) }, explained };
	}

	/** Figure of the pruned model in its current state on the search split: its loss, or its divergence from the original model. */
	figure(): Promise<number> {
		const { tuning, removed, mask, ubatch, threads, signal } = this.#input;
		return tuningFigure(this.#model.createEvaluator({ ubatch, threads }), mask(removed), tuning!, signal);
	}
}
