import { checkAsRead } from "../gguf/as-read.js";
import type { Evaluation, Evaluator } from "../runtime/evaluator.js";
import { checkFiniteLosses } from "../runtime/finite-loss.js";
import { loadAsRead } from "../runtime/load-model.js";
import type { MemoryShape } from "../runtime/memory.js";
import type { Model } from "../runtime/model.js";
import { bytesOfReference, type Reference } from "../runtime/positions.js";
import { makeWindows, type TokenWindows } from "../runtime/windows.js";
import type { PartLedger, PartValues } from "../../storage/part-ledger.js";
import { maskOf, openKept, type Side } from "./kept.js";
import { areWindowValues, windowValues } from "./text-figures.js";
import { batchWindowsOf, partWindows, type Scoring, scoredPositions, ubatchOf } from "./text-shape.js";
import type { EvaluateOptions } from "./text-types.js";

// Measures a text a few windows at a time, with one model or with two.

/** What is scored, and how. */
export interface TextSetting {
	readonly windows: TokenWindows;
	/** Shape of the windows. */
	readonly hash: string;
	readonly scoring: Scoring;
	/** Memory that this takes, for either model. */
	readonly memory: MemoryShape;
}

/** Results, one per window. */
export interface MeasuredText {
	readonly own: readonly PartValues[];
	readonly reference?: readonly PartValues[] | undefined;
}

/** The model, and what it is compared with. */
export interface Sides {
	readonly own: Side;
	readonly reference?: Side | undefined;
}

/** What a sweep measures with and keeps results in. */
interface OpenSides {
	readonly evaluator: Evaluator;
	readonly ledgers: { own: PartLedger; reference?: PartLedger };
	/** Evaluator of the reference, loaded when it must first be measured. */
	readonly rival: () => Promise<Evaluator>;
}

/** Measures the parts of one text that are not in the cache. */
export class TextSweep {
	readonly #evaluator: Evaluator;
	readonly #own: Side;
	readonly #reference: Side | undefined;
	readonly #setting: TextSetting;
	readonly #options: EvaluateOptions;
	readonly #ledgers: OpenSides["ledgers"];
	readonly #rival: OpenSides["rival"];

	private constructor(sides: Sides, setting: TextSetting, options: EvaluateOptions, open: OpenSides) {
		this.#own = sides.own;
		this.#reference = sides.reference;
		this.#setting = setting;
		this.#options = options;
		this.#evaluator = open.evaluator;
		this.#ledgers = open.ledgers;
		this.#rival = open.rival;
	}

	/** @param model that `own` is a mask of; the reference is a mask of it too, or another file */
	static async run(model: Model, sides: Sides, setting: TextSetting, options: EvaluateOptions): Promise<MeasuredText> {
		const { own, reference } = sides;
		const { preset, scoreFrom } = setting.scoring;
		const evaluator = model.createEvaluator({ ubatch: ubatchOf(setting.scoring, model.facts.vocabulary) });
		let loaded: Model | undefined;
		const rival = async () => {
			if (reference!.sha256 === own.sha256) return evaluator;
			loaded ??= await loadAsRead(reference!, options, setting.memory);
			return loaded.createEvaluator({ ubatch: evaluator.ubatch, threads: evaluator.threads });
		};
		const ledgers: { own?: PartLedger; reference?: PartLedger } = {};
		try {
			const compared = reference ? { reference: reference.sha256, referenceRemoved: reference.removed.join() } : {};
			const kept = (settings: Record<string, string>, isCompared: boolean) => ({
				...({ hash: setting.hash, unit: "windows", parts: setting.windows.count } as const),
				fits: (_: number, values: PartValues) => areWindowValues(values, isCompared),
				settings: { evaluation: "text", preset, scoreFrom, ...settings },
			});
			ledgers.own = await openKept(own, evaluator, kept(compared, reference !== undefined), options);
			if (reference) ledgers.reference = await openKept(reference, evaluator, kept({}, false), options);
			const sweep = new TextSweep(sides, setting, options, { evaluator, ledgers: { ...ledgers, own: ledgers.own }, rival });
			options.progress?.begin("Measuring");
			await sweep.#measure();
			const all = (ledger: PartLedger) => Array.from({ length: setting.windows.count }, (_, window) => ledger.get(window)!);
			return { own: all(ledgers.own), reference: ledgers.reference && all(ledgers.reference) };
		} finally {
			await ledgers.own?.close();
			await ledgers.reference?.close();
			await loaded?.dispose();
		}
	}

	async #measure(): Promise<void> {
		const { windows, scoring } = this.#setting;
		const step = partWindows(scoring, this.#evaluator.model.facts.vocabulary, this.#reference !== undefined);
		const progress = this.#progress(step);
		let begun = false;
		for (let first = 0; first < windows.count; first += step) {
			const count = Math.min(step, windows.count - first);
			const known = (ledger: PartLedger | undefined) =>
				ledger === undefined || Array.from({ length: count }, (_, i) => first + i).every((window) => ledger.get(window));
			const left = { own: !known(this.#ledgers.own), reference: !known(this.#ledgers.reference) };
			const measured = left.own || left.reference;
			// The first news says what an earlier run measured: the time left is that of the rest.
			if (measured && !begun) progress(first, false);
			begun ||= measured;
			if (measured) await this.#part(first, count, left);
			if (this.#reference) this.#checkFinite(this.#reference, this.#ledgers.reference!, first, count);
			this.#checkFinite(this.#own, this.#ledgers.own, first, count);
			if (begun || first + count === windows.count) progress(first + count, measured);
		}
	}

	async #part(first: number, count: number, left: { own: boolean; reference: boolean }): Promise<void> {
		const { length, tokens } = this.#setting.windows;
		const part = makeWindows(tokens.subarray(first * length, (first + count) * length), length);
		const { scoring } = this.#setting;
		const { preset, scoreFrom } = scoring;
		const how = {
			...{ scoreFrom, batchWindows: batchWindowsOf(scoring), outputLast: preset === "llama-perplexity", perToken: true },
			signal: this.#options.signal,
		};
		let reference: Reference | undefined;
		if (this.#reference && left.own) {
			let found: Evaluation | undefined;
			const evaluator = await this.#rival();
			// The check of memory includes what a part holds, however large the vocabulary is.
			const maxBytes = bytesOfReference(count * scoredPositions(scoring), evaluator.model.facts.vocabulary);
			reference = await evaluator.createReference(maskOf(this.#reference, evaluator), part, {
				...how,
				maxBytes,
				onCandidate: (_, evaluation) => {
					found = evaluation;
				},
			});
			await this.#keep(this.#ledgers.reference!, first, count, found!);
		} else if (this.#reference && left.reference) {
			await this.#keep(this.#ledgers.reference!, first, count, await one(await this.#rival(), this.#reference, part, how));
		}
		if (left.own) await this.#keep(this.#ledgers.own, first, count, await one(this.#evaluator, this.#own, part, { ...how, reference }));
	}

	#checkFinite({ path, removed }: Side, ledger: PartLedger, first: number, count: number): void {
		const sums = Array.from({ length: count }, (_, i) => ledger.get(first + i)!.loss![0]!);
		checkFiniteLosses(path, sums, removed);
	}

	/** @throws FileError if the file of a side is not the one whose hash the figures are kept under */
	async #keep(ledger: PartLedger, first: number, count: number, evaluation: Evaluation): Promise<void> {
		for (const side of [this.#own, this.#reference]) if (side) await checkAsRead(side);
		const scored = scoredPositions(this.#setting.scoring);
		await ledger.append(Array.from({ length: count }, (_, i) => [first + i, windowValues(evaluation, i, scored)] as const));
	}

	/** The speed of what this run measures. */
	#progress(step: number): (windows: number, measured: boolean) => void {
		const { length, count } = this.#setting.windows;
		const started = Date.now();
		let run = 0;
		return (windows, measured) => {
			const done = windows * length;
			if (measured) run += Math.min(step, windows) * length;
			const seconds = (Date.now() - started) / 1000;
			const total = count * length;
			const speed = run > 0 ? { tokensPerSecond: run / seconds } : {};
			this.#options.progress?.work({ phase: "Measuring", done, total, unit: "tokens", ...speed });
		};
	}
}

async function one(
	evaluator: Evaluator,
	side: Side,
	windows: TokenWindows,
	options: Parameters<Evaluator["evaluate"]>[2],
): Promise<Evaluation> {
	const [evaluation] = await evaluator.evaluate([maskOf(side, evaluator)], windows, options);
	return evaluation!;
}
