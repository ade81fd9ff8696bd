// Distributions of an original model that others are compared with: versions of it in other types of weights, or without blocks.
import { Coalition } from "../../game/coalition.js";
import { logger } from "../../api/logger.js";
import type { ModelWeights } from "../writing/quantize-weights.js";
import { allowedPositions, mostReferenceBytes, predicting, memoryText } from "../preflight/reference-memory.js";
import type { Evaluator } from "../../model/runtime/evaluator.js";
import { loadAsRead } from "../../model/runtime/load-model.js";
import { bytesOfReference, type Reference } from "../../model/runtime/positions.js";
import { vocabularyOf } from "../../model/runtime/ubatch.js";
import type { TokenWindows } from "../../model/runtime/windows.js";
import type { ComparedSettings } from "../../api/options/settings.js";
import type { ScoredWindows } from "../session/batch-evaluation.js";
import { splitTitle } from "../../storage/split-names.js";

/** Sets of windows by name, each with the first position that is scored. @default 0 */
export type NamedWindows<Name extends string> = Readonly<Record<Name, TokenWindows & Pick<ScoredWindows, "scoreFrom">>>;

/** A run that makes the distributions of its own model on these windows, once for all that ask. */
export interface ReferencesOfRun<Name extends string> {
	readonly referenceOn: (name: Name) => Promise<Reference>;
	readonly hasReferenceOn: (name: Name) => boolean;
}

/** Distributions of the original model that variants are compared with, made when first something must be measured. */
export class References<Name extends string> {
	readonly model: ModelWeights;
	readonly #windows: NamedWindows<Name>;
	readonly #options: ComparedSettings;
	readonly #loaded: Evaluator | ReferencesOfRun<Name> | undefined;
	#made: Promise<ReadonlyMap<string, Reference>> | undefined;

	/** @param loaded an evaluator of that model, or a run of it, where one is at hand; else the model is loaded for it, and freed */
	constructor(model: ModelWeights, windows: NamedWindows<Name>, options: ComparedSettings, loaded?: Evaluator | ReferencesOfRun<Name>) {
		this.model = model;
		this.#windows = windows;
		this.#options = options;
		this.#loaded = loaded;
		const left = this.#names.filter((name) => !this.fits(name));
		if (left.length === 0) return;
		const needed = memoryText(Math.max(...left.map((name) => this.#bytes(name))), options);
		logger(options)("note", `no KL divergence on the ${left.map(splitTitle).join(" and the ")} split: the reference logits take ${needed}`);
	}

	get #names(): Name[] {
		return Object.keys(this.#windows) as Name[];
	}

	#bytes(name: Name): number {
		return bytesOfReference(predicting(this.#windows[name]), vocabularyOf(this.model.file));
	}

	/** Whether the distributions on these windows take no more memory than is allowed. */
	fits(name: Name): boolean {
		return this.#bytes(name) <= mostReferenceBytes(this.#options);
	}

	/** Positions whose distributions are still to be made, and will take memory then. */
	get positionsToMake(): number {
		if (this.#made) return 0;
		const made = (name: Name) => this.#loaded && "hasReferenceOn" in this.#loaded && this.#loaded.hasReferenceOn(name);
		const left = this.#names.filter((name) => this.fits(name) && !made(name));
		return left.reduce((sum, name) => sum + predicting(this.#windows[name]), 0);
	}

	/** Bytes that these will take. */
	get bytesToMake(): number {
		return bytesOfReference(this.positionsToMake, vocabularyOf(this.model.file));
	}

	async of(name: Name): Promise<Reference | undefined> {
		if (!this.fits(name)) return undefined;
		this.#made ??= this.#make();
		return (await this.#made).get(name);
	}

	async #make(): Promise<ReadonlyMap<string, Reference>> {
		if (this.#loaded && "referenceOn" in this.#loaded) return this.#ofRun(this.#loaded);
		const { signal } = this.#options;
		const windows = this.#names.map((name) => this.#windows[name]);
		const vocabulary = vocabularyOf(this.model.file);
		const model = this.#loaded
			? undefined
			: await loadAsRead(this.model, this.#options, {
					windows: Math.max(...windows.map(({ count }) => count)),
					windowLength: Math.max(...windows.map(({ length }) => length)),
					referencePositions: allowedPositions(windows, vocabulary, this.#options),
				});
		try {
			const evaluator = this.#loaded ?? model!.createEvaluator();
			const full = Coalition.full(this.model.blocks.blocks);
			const made = new Map<string, Reference>();
			const how = { signal, maxBytes: mostReferenceBytes(this.#options) };
			for (const name of this.#names) {
				const scored = this.#windows[name];
				if (this.fits(name)) made.set(name, await evaluator.createReference(full, scored, { ...how, scoreFrom: scored.scoreFrom }));
			}
			return made;
		} finally {
			await model?.dispose();
		}
	}

	async #ofRun(run: ReferencesOfRun<Name>): Promise<ReadonlyMap<string, Reference>> {
		const made = new Map<string, Reference>();
		for (const name of this.#names) if (this.fits(name)) made.set(name, await run.referenceOn(name));
		return made;
	}
}
