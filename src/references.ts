// Distributions of a whole model that others are compared with: versions of it in other types of weights, or without blocks.
import type { MeasureOptions } from "./api.js";
import { Coalition } from "./game/coalition.js";
import { logger } from "./log.js";
import type { Weights } from "./quantize-from.js";
import type { Evaluator } from "./runtime/evaluator.js";
import { loadModel } from "./runtime/load-model.js";
import { type Reference, referenceBytes } from "./runtime/positions.js";
import { vocabularyOf } from "./runtime/ubatch.js";
import type { TokenWindows } from "./runtime/windows.js";

/** Sets of windows by name. */
export type NamedWindows<Name extends string> = Readonly<Record<Name, TokenWindows>>;

/** Most memory that the distributions of one set of windows may take. */
const mostReferenceBytes = 2 ** 30;

/** Distributions of the whole model that variants are compared with, made when first something must be measured. */
export class References<Name extends string> {
	readonly model: Weights;
	readonly #windows: NamedWindows<Name>;
	readonly #options: MeasureOptions;
	readonly #loaded: Evaluator | undefined;
	#made: Promise<ReadonlyMap<string, Reference>> | undefined;

	/** @param loaded an evaluator of that model, where one is at hand; else the model is loaded for it, and freed */
	constructor(model: Weights, windows: NamedWindows<Name>, options: MeasureOptions, loaded?: Evaluator) {
		this.model = model;
		this.#windows = windows;
		this.#options = options;
		this.#loaded = loaded;
		const left = this.#names.filter((name) => !this.fits(name));
		if (left.length > 0)
			logger(options)("note", `no KL divergence on ${left.join(" and ")}: the distributions of the whole model would take more than 1 GiB`);
	}

	get #names(): Name[] {
		return Object.keys(this.#windows) as Name[];
	}

	/** Whether the distributions on these windows take no more memory than is allowed. */
	fits(name: Name): boolean {
		return referenceBytes(positionsOf(this.#windows[name]), vocabularyOf(this.model.file)) <= mostReferenceBytes;
	}

	/** Positions whose distributions are still to be made, and will take memory then. */
	get positionsToMake(): number {
		if (this.#made) return 0;
		return this.#names.filter((name) => this.fits(name)).reduce((sum, name) => sum + positionsOf(this.#windows[name]), 0);
	}

	async of(name: Name): Promise<Reference | undefined> {
		if (!this.fits(name)) return undefined;
		this.#made ??= this.#make();
		return (await this.#made).get(name);
	}

	async #make(): Promise<ReadonlyMap<string, Reference>> {
		const { signal } = this.#options;
		const model = this.#loaded ? undefined : await loadModel(this.model.path, this.#options);
		try {
			const evaluator = this.#loaded ?? model!.createEvaluator();
			const full = Coalition.full(this.model.blocks.blocks);
			const made = new Map<string, Reference>();
			for (const name of this.#names) {
				if (this.fits(name)) made.set(name, await evaluator.createReference(full, this.#windows[name], { signal }));
			}
			return made;
		} finally {
			await model?.dispose();
		}
	}
}

/** Those that predict something. */
const positionsOf = ({ count, length }: TokenWindows): number => count * (length - 1);
