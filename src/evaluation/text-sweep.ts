import type { EvaluateOptions, Preset } from "../api.js";
import type { Evaluation, Evaluator } from "../runtime/evaluator.js";
import { loadModel } from "../runtime/load-model.js";
import type { Model } from "../runtime/model.js";
import { bytesOfReference, type Reference } from "../runtime/positions.js";
import { makeWindows, type TokenWindows } from "../runtime/windows.js";
import type { PartLedger, PartValues } from "../storage/part-ledger.js";
import { maskOf, openKept, type Side } from "./kept.js";
import { windowValues } from "./text-figures.js";

// A text measured a few windows at a time, with one model or with two.

/** What is scored, and how. */
export interface TextSetting {
	readonly windows: TokenWindows;
	/** Of the windows. */
	readonly hash: string;
	readonly preset: Preset;
	/** First position whose next token is scored. */
	readonly scoreFrom: number;
}

/** What was measured, one a window. */
export interface MeasuredText {
	readonly own: readonly PartValues[];
	readonly reference?: readonly PartValues[] | undefined;
}

/** Tokens that llama-perplexity decodes at once by default: its windows are batched alike here, so that the bits agree. */
const perplexityBatch = 2048;
/** Its tokens in a ubatch by default. Where windows do not fill a batch they are cut otherwise in another one, which changes bits. */
const perplexityUbatch = 512;
/** Tokens that are measured before they are kept, about. */
const partTokens = 4096;
/** Bytes of distributions that are held at a time, at most, but for the fewest windows. */
export const partBytes = 2 ** 28;

/** Measures what is not known yet of one text. */
export class TextSweep {
	readonly #evaluator: Evaluator;
	readonly #own: Side;
	readonly #reference: Side | undefined;
	readonly #setting: TextSetting;
	readonly #options: EvaluateOptions;
	readonly #ledgers: { own: PartLedger; reference?: PartLedger };
	/** Of the reference, loaded when first something of it must be measured. */
	readonly #rival: () => Promise<Evaluator>;

	private constructor(
		evaluator: Evaluator,
		own: Side,
		reference: Side | undefined,
		setting: TextSetting,
		options: EvaluateOptions,
		ledgers: { own: PartLedger; reference?: PartLedger },
		rival: () => Promise<Evaluator>,
	) {
		this.#evaluator = evaluator;
		this.#own = own;
		this.#reference = reference;
		this.#setting = setting;
		this.#options = options;
		this.#ledgers = ledgers;
		this.#rival = rival;
	}

	/** @param model that `own` is a mask of; the reference is one of it, or another file */
	static async run(
		model: Model,
		own: Side,
		reference: Side | undefined,
		setting: TextSetting,
		options: EvaluateOptions,
	): Promise<MeasuredText> {
		const shape = setting.preset === "llama-perplexity" ? { ubatch: perplexityUbatch } : {};
		const evaluator = model.createEvaluator(shape);
		let loaded: Model | undefined;
		const rival = async () => {
			if (reference!.sha256 === own.sha256) return evaluator;
			loaded ??= await loadModel(reference!.path, options);
			return loaded.createEvaluator({ ubatch: evaluator.ubatch, threads: evaluator.threads });
		};
		const ledgers: { own?: PartLedger; reference?: PartLedger } = {};
		try {
			const compared = reference ? { reference: reference.sha256, referenceRemoved: reference.removed.join() } : {};
			const kept = (settings: Record<string, string>) => ({
				...({ hash: setting.hash, unit: "windows", parts: setting.windows.count } as const),
				settings: { evaluation: "text", preset: setting.preset, scoreFrom: setting.scoreFrom, ...settings },
			});
			ledgers.own = await openKept(own, evaluator, kept(compared), options);
			if (reference) ledgers.reference = await openKept(reference, evaluator, kept({}), options);
			const sweep = new TextSweep(evaluator, own, reference, setting, options, { ...ledgers, own: ledgers.own }, rival);
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
		const { windows } = this.#setting;
		const step = this.#step();
		const progress = this.#progress(step);
		for (let first = 0; first < windows.count; first += step) {
			const count = Math.min(step, windows.count - first);
			const known = (ledger: PartLedger | undefined) =>
				ledger === undefined || Array.from({ length: count }, (_, i) => first + i).every((window) => ledger.get(window));
			const left = { own: !known(this.#ledgers.own), reference: !known(this.#ledgers.reference) };
			if (left.own || left.reference) await this.#part(first, count, left);
			progress(first + count, left.own || left.reference);
		}
	}

	/** Windows that share a decode, and how many of those are measured before they are kept: the same whatever the machine has to spare. */
	#step(): number {
		const { windows } = this.#setting;
		const batch = this.#batchWindows() || Math.max(1, Math.floor(this.#evaluator.ubatch / windows.length));
		const most = this.#reference ? partBytes / this.#bytes(batch) : Number.POSITIVE_INFINITY;
		return batch * Math.max(1, Math.floor(Math.min(partTokens / windows.length / batch, most)));
	}

	#batchWindows(): number {
		const { preset, windows } = this.#setting;
		return preset === "llama-perplexity" ? Math.max(1, Math.floor(perplexityBatch / windows.length)) : 0;
	}

	/** Of the distributions at the scored positions of so many windows. */
	#bytes(count: number): number {
		const { windows, scoreFrom } = this.#setting;
		return bytesOfReference(count * (windows.length - 1 - scoreFrom), this.#evaluator.model.facts.vocabulary);
	}

	async #part(first: number, count: number, left: { own: boolean; reference: boolean }): Promise<void> {
		const { length, tokens } = this.#setting.windows;
		const part = makeWindows(tokens.subarray(first * length, (first + count) * length), length);
		const { preset, scoreFrom } = this.#setting;
		const how = {
			...{ scoreFrom, batchWindows: this.#batchWindows(), outputLast: preset === "llama-perplexity", perToken: true },
			signal: this.#options.signal,
		};
		let reference: Reference | undefined;
		if (this.#reference && left.own) {
			let found: Evaluation | undefined;
			const evaluator = await this.#rival();
			// The fewest windows may hold more than is usual of a large vocabulary and a long context.
			const maxBytes = Math.max(2 ** 30, this.#bytes(count));
			reference = await evaluator.createReference(maskOf(this.#reference, evaluator), part, {
				...how,
				maxBytes,
				onMask: (_, evaluation) => {
					found = evaluation;
				},
			});
			await this.#keep(this.#ledgers.reference!, first, count, found!);
		} else if (this.#reference && left.reference) {
			await this.#keep(this.#ledgers.reference!, first, count, await one(await this.#rival(), this.#reference, part, how));
		}
		if (left.own) await this.#keep(this.#ledgers.own, first, count, await one(this.#evaluator, this.#own, part, { ...how, reference }));
	}

	#keep(ledger: PartLedger, first: number, count: number, evaluation: Evaluation): Promise<void> {
		const { windows, scoreFrom } = this.#setting;
		const scored = windows.length - 1 - scoreFrom;
		return ledger.append(Array.from({ length: count }, (_, i) => [first + i, windowValues(evaluation, i, scored)] as const));
	}

	/** Speed is that of what this run measures. */
	#progress(step: number): (windows: number, measured: boolean) => void {
		const { length, count } = this.#setting.windows;
		const started = Date.now();
		let run = 0;
		return (windows, measured) => {
			const done = windows * length;
			if (measured) run += Math.min(step, windows) * length;
			const seconds = (Date.now() - started) / 1000;
			const total = count * length;
			const speed = run > 0 ? { tokensPerSecond: run / seconds, secondsLeft: (seconds / run) * (total - done) } : {};
			this.#options.onProgress?.({ phase: "perplexity", done, total, unit: "tokens", ...speed });
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
