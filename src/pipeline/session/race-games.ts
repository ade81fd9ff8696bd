// What races of a session measure: the validation split, further text of its kind, and by what sets are compared.
import { type Calibration, type SplitName, splitNames } from "../../model/calibration/index.js";
import { furtherOf, furtherToDraw, onSelfGenerated, wantsDivergence } from "./calibration-windows.js";
import { logger } from "../../api/logger.js";
import { metricOf } from "../preflight/metric.js";
import { Once } from "./once.js";
import { noRoomFor, predicting } from "../preflight/reference-memory.js";
import { neededBesideWeights } from "../../model/runtime/memory.js";
import type { Model } from "../../model/runtime/model.js";
import { bytesOfReference } from "../../model/runtime/positions.js";
import { hashWindows, type TokenWindows } from "../../model/runtime/windows.js";
import type { Ledger } from "../../storage/ledger.js";
import type { LedgerEvaluateOptions, LedgerGame, LedgerGameOptions } from "../../storage/ledger-game.js";
import type { Evaluator } from "../../model/runtime/evaluator.js";
import { type SplitMetric, windowsMetric } from "./metrics.js";
import { scoredOf } from "./scored-splits.js";
import type { SplitReferences } from "./split-references.js";
import type { SessionSettings } from "../../api/options/settings.js";

interface RaceSetting {
	readonly model: Model;
	/** Of the model's runs. */
	readonly folder: string;
	readonly calibration: Calibration;
	readonly options: SessionSettings;
	/** Memory for hidden states that measuring a part may take, bytes. */
	readonly stateBytes: number;
	/** The search's copy of the model, where races run on it. */
	readonly copy?: RaceCopy | undefined;
	/** The validation split, by the metric or with the figure `divergence`. */
	readonly split: (way: RaceWay) => Promise<LedgerGame>;
	/** Frees what is kept to compare the validation split with. */
	readonly release: () => void;
	/** A game on other windows, measured like the validation split. */
	readonly make: (windows: TokenWindows, way: RaceWay) => Promise<LedgerGame>;
}

/** The copy of the model that a search ran on. */
export interface RaceCopy {
	/** All that can change bits of what it measures. */
	readonly settings: Readonly<Record<string, string | number | boolean | null>>;
	/** Made when it is first asked for. */
	readonly evaluator: () => Promise<Evaluator>;
	/** The copy itself. */
	readonly model: () => Promise<Model>;
	/** Bytes that it will take if it is not in memory, else 0. */
	readonly missingBytes: () => number;
	readonly close: () => Promise<void>;
}

/** How the races of a session measure. */
export interface RaceWay {
	/** By the divergence from the original model in the place of the loss. */
	readonly byDivergence: boolean;
	/** On the search's copy of the model in the place of the model itself. */
	readonly onCopy: boolean;
}

export class RaceGames {
	readonly #setting: RaceSetting;
	readonly #hashes: string[] = [];
	readonly #further: (part: number) => Promise<LedgerGame | undefined>;
	#way: Promise<RaceWay> | undefined;

	constructor(setting: RaceSetting) {
		this.#setting = setting;
		const { model, folder, calibration, options, copy, make } = setting;
		// The copy is there for its speed, in sampling too.
		const drawnBy = async () => ((await this.#raceWay()).onCopy ? this.#copyType : undefined);
		const text = furtherOf({ model, folder, copy: copy?.model }, drawnBy, calibration, options);
		// A ledger is opened once: several races of a session share the games.
		const games = new Once<number, LedgerGame | undefined>();
		this.#further = (part) =>
			games.get(part, async () => {
				const windows = await text(part);
				if (!windows) return undefined;
				this.#hashes[part] = hashWindows(windows);
				return make(windows, await this.#raceWay());
			});
	}

	/** A part (from 0) of more text of the validation split's kind and size; undefined where there is no more, and of questions. */
	async further(part: number): Promise<LedgerGame | undefined> {
		return metricOf(this.#setting.options) === "accuracy" ? undefined : this.#further(part);
	}

	/** Tokens that each draw of further text is sampled for, on the copy if there is one: 0 for what an earlier run drew, none of files and of questions. */
	async toDraw(): Promise<number[]> {
		const { folder, options } = this.#setting;
		return onSelfGenerated(options) && metricOf(options) !== "accuracy" ? furtherToDraw(folder, this.#copyType, options) : [];
	}

	/** Type of the copy of the model, where races run on one. */
	get #copyType(): string | undefined {
		const { copy } = this.#setting;
		return copy && String(copy.settings.weights);
	}

	/** SHA-256 over the tokens of a part that was asked for. */
	hashOf(part: number): string {
		return this.#hashes[part]!;
	}

	/**
	 * What is measured first: the validation split. Where the text is the model's own and the loss the metric, races go by the divergence
	 * from the original model, a figure of what is measured then; not where the distributions for it find no room. A search on a copy of the model
	 * is followed by a race on it.
	 */
	async first(): Promise<RaceWay & { readonly game: LedgerGame }> {
		const way = await this.#raceWay();
		return { ...way, game: await this.#setting.split(way) };
	}

	/** Whether a token takes as long as in the search: on its copy, as long as that finds room beside what sets are compared with. */
	get asSearched(): boolean {
		const { copy, options } = this.#setting;
		return copy !== undefined && (options.scoreShare ?? 1) === 1;
	}

	/** Candidates that are measured once more on the model itself after a race of so many sizes, at most. */
	confirms(sizes: number): number {
		return this.#setting.copy ? 1 + sizes : 0;
	}

	/** Splits that sets are compared on with reference logits, as long as these find room; further text is compared as the validation split is. */
	get referenced(): readonly SplitName[] {
		const { options } = this.#setting;
		const metric = metricOf(options);
		if (metric === "kl") return splitNames;
		if (metric !== "loss" || !onSelfGenerated(options)) return [];
		return wantsDivergence(options) ? ["search", "validation"] : ["validation"];
	}

	/** Frees what only a race needs. */
	end(): void {
		this.#setting.release();
	}

	/** Decided when a race first asks, by the memory that is free then; kept for all races of the session. */
	#raceWay(): Promise<RaceWay> {
		this.#way ??= this.#decide();
		return this.#way;
	}

	async #decide(): Promise<RaceWay> {
		const { copy, options } = this.#setting;
		if (metricOf(options) !== "loss" || !onSelfGenerated(options)) return { byDivergence: false, onCopy: copy !== undefined };
		if (copy) {
			if (this.#noRoom(copy.missingBytes()) === undefined) return { byDivergence: true, onCopy: true };
			// The divergence is worth more than the speed.
			await copy.close();
		}
		const why = this.#noRoom(0);
		if (why !== undefined) logger(options)("note", `finalists are compared by loss, not by KL divergence, which varies less: ${why}`);
		return { byDivergence: why === undefined, onCopy: false };
	}

	/** Why the distributions find no room beside so many bytes and what measuring takes. */
	#noRoom(beside: number): string | undefined {
		const { model, calibration, options, stateBytes } = this.#setting;
		const { validation } = calibration.splits;
		const bytes = bytesOfReference(predicting(validation), model.facts.vocabulary);
		const { count: windows, length: windowLength } = validation;
		const measuring = beside + neededBesideWeights(model.file, { windows, windowLength, stateBytes });
		// One of the split, or of a part of further text, while the one before is not freed yet.
		return noRoomFor({ bytes, copies: 2, measuring }, options);
	}
}

/** What is open in a session. */
interface RaceMaterial extends Omit<RaceSetting, "split" | "release" | "make"> {
	/** Whether the metric is the divergence. */
	readonly kl: boolean;
	/** What the metric is of what is measured on the validation split. */
	readonly view: LedgerGameOptions["view"];
	readonly references: SplitReferences;
	/** The validation split, measured on the model itself. */
	readonly validation: LedgerGame;
	/** The same with the figure `divergence`. */
	readonly compared: () => Promise<LedgerGame>;
	/** Of the model itself. */
	readonly own: () => Promise<Evaluator>;
	/** @param copied settings of the search, where this is measured on its copy of the model */
	readonly open: (splitMetric: SplitMetric, compared: boolean, copied?: RaceCopy["settings"]) => Promise<Ledger>;
	readonly game: (
		ledger: Ledger,
		splitMetric: SplitMetric,
		evaluator: () => Promise<Evaluator>,
		view: LedgerGameOptions["view"],
	) => LedgerGame;
}

export function openRaces(material: RaceMaterial): RaceGames {
	const { model, folder, calibration, options, stateBytes, kl, copy, references, validation, compared } = material;
	const scored = scoredOf("validation", options);
	type References = (run: LedgerEvaluateOptions) => ReturnType<SplitReferences["of"]>;
	const gameOn = async (windows: TokenWindows, made: References, { byDivergence, onCopy }: RaceWay) => {
		const withFigures = kl || byDivergence;
		const splitMetric = windowsMetric(windows, options, withFigures ? made : undefined, scored);
		const ledger = await material.open(splitMetric, withFigures, onCopy ? copy!.settings : undefined);
		return material.game(ledger, splitMetric, onCopy ? copy!.evaluator : material.own, material.view);
	};
	const copied = new Once<"split", LedgerGame>();
	return new RaceGames({
		...{ model, folder, calibration, options, stateBytes, copy },
		split: async (way) => {
			if (!way.onCopy) return way.byDivergence ? compared() : validation;
			return copied.get("split", () => gameOn(calibration.splits.validation, (run) => references.of("validation", run), way));
		},
		release: () => {
			if (!kl) references.forget("validation");
		},
		// Distributions on further text are not kept: as large as those on the validation split, and a part is measured once a race.
		make: (windows, way) => gameOn(windows, (run) => references.make(windows, run, scored), way),
	});
}
