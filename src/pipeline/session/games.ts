// The games of a session: on each split what the metric is measured by, and the losses on the calibration windows.
import type { Calibration, SplitName } from "../../model/calibration/index.js";
import type { PreparedQuestions } from "../../model/evaluation/prepared-questions.js";
import { Coalition } from "../../game/coalition.js";
import { metricOf } from "../preflight/metric.js";
import { Once } from "./once.js";
import { openRaces, type RaceCopy, type RaceGames } from "./race-games.js";
import { checkReferenceMemory } from "../preflight/reference-memory.js";
import type { Evaluator } from "../../model/runtime/evaluator.js";
import type { Model } from "../../model/runtime/model.js";
import type { Reference } from "../../model/runtime/positions.js";
import type { TokenWindows } from "../../model/runtime/windows.js";
import { copyBytes } from "../../model/runtime/working-copy.js";
import { usualCopies } from "./working-weights.js";
import { divergenceView, lossView, type MeasurementView } from "./measurement-views.js";
import { drawnPositions, scoredOf, type SplitPositions } from "./scored-splits.js";
import { type SearchPlan, type SearchSetup, setUpSearch } from "./search-ledger.js";
import { SessionLedgers } from "./session-ledgers.js";
import { SplitReferences } from "./split-references.js";
import { splitParts, type SplitPart, StagedLedgerGame } from "./staged-game.js";
import { DivergenceGame, searchesByDivergence } from "./divergence-game.js";
import type { Ledger } from "../../storage/ledger.js";
import { type LedgerEvaluateOptions, LedgerGame, type LedgerGameOptions } from "../../storage/ledger-game.js";
import { type DrawnShare, drawnShare } from "./batch-evaluation.js";
import { questionMetric, windowsMetric, type SplitMetric } from "./metrics.js";
import type { FileType } from "../../model/runtime/file-type-names.js";
import type { SessionSettings } from "../../api/options/settings.js";

export interface SessionGames {
	/** What is searched and raced: the metric. */
	readonly games: Record<SplitName, LedgerGame>;
	/** The same, measured with the model itself also where the search runs on a copy: for figures. */
	readonly finals: Record<SplitName, LedgerGame>;
	/** Seconds in which an earlier run tried what the search runs on, if a dry run does not; undefined if nobody knows. */
	readonly trial: number | undefined;
	/** Type of the copy that the search makes before it measures anything; undefined if it has it, or runs on the model itself. */
	readonly copyToMake: () => FileType | undefined;
	/** Whether the search measures with the model itself, on all positions. */
	readonly exactSearch: boolean;
	/** Losses on the calibration windows, for figures; those of `finals` where these are the metric. */
	readonly texts: Record<SplitName, LedgerGame>;
	/** Tokens that a mask of each game runs. */
	readonly tokens: Record<SplitName, number>;
	/** Of the model itself. */
	readonly evaluator: Evaluator;
	/** What races measure. */
	readonly races: RaceGames;
	/** The losses of other text, with a ledger of its own. */
	gameOn(windows: TokenWindows): Promise<LedgerGame>;
	/** Losses on a split with the figures `divergence` and `agreement` beside them, whatever the metric is. */
	comparedOn(split: SplitName): Promise<LedgerGame>;
	/** The original model's distributions on a split, of the matrices that stand in the model when it is first asked for. */
	referenceOn(split: SplitName): Promise<Reference>;
	/** Whether they are made already, or being made. */
	hasReferenceOn(split: SplitName): boolean;
	/** Losses of the right choices of further questions, with `accuracy` and `normalizedAccuracy`. Asked for once a file and split. */
	questionsOn(questions: PreparedQuestions): Promise<LedgerGame>;
	/** Which positions of a split count: whatever is measured past its game scores the same ones. */
	scoredOn(split: SplitName): SplitPositions;
	/** How exact the search split is where only drawn positions of it are scored, as far as is known. */
	drawn(): DrawnShare | undefined;
	/** Settings that can change bits. */
	readonly settings: Readonly<Record<string, string | number | boolean | null>>;
	/** Frees what the search alone was compared with. A copy of the model stays: races run on it. Idempotent. */
	endSearch(): void;
	/** Frees the copy of the model too, once races are over. Idempotent. */
	closeSearch(): Promise<void>;
	/** Closes the ledgers and the search, for good. Idempotent. */
	close(): Promise<void>;
}

/** What a run measures on. */
export interface Material {
	readonly folder: string;
	readonly sha256: string;
	readonly backend: string;
	readonly calibration: Calibration;
	/** For the metric `accuracy`. */
	readonly questions?: Record<SplitName, PreparedQuestions> | undefined;
	/** Memory for hidden states kept between masks. */
	readonly stateBytes: number;
}

/** Opens the ledgers and makes the games. */
export async function openGames(model: Model, material: Material, plan: SearchPlan, options: SessionSettings): Promise<SessionGames> {
	const maker = new GameMaker(model, material, options);
	try {
		return await maker.make(plan);
	} catch (error) {
		await maker.close();
		throw error;
	}
}

class GameMaker {
	readonly #model: Model;
	readonly #material: Material;
	readonly #options: SessionSettings;
	readonly #kl: boolean;
	/** Whether the search goes by the divergence although the metric is the loss. */
	readonly #byDivergence: boolean;
	readonly #ledgers: SessionLedgers;
	readonly #references: SplitReferences;
	#evaluator: Evaluator | undefined;
	#setup: SearchSetup | undefined;

	constructor(model: Model, material: Material, options: SessionSettings) {
		this.#model = model;
		this.#material = material;
		this.#options = options;
		this.#ledgers = new SessionLedgers(model, material, options);
		this.#references = new SplitReferences(material.calibration, () => this.#evaluator!, options);
		this.#kl = metricOf(options) === "kl";
		this.#byDivergence = searchesByDivergence(model, material, options);
	}

	async make(plan: SearchPlan): Promise<SessionGames> {
		const { questions, calibration, stateBytes } = this.#material;
		if (this.#kl) checkReferenceMemory("--metric kl", calibration.splits, this.#model.facts.vocabulary, this.#options);
		const splitMetric = (split: SplitName) => (questions ? questionMetric(questions[split], this.#options) : this.#textMetric(split));
		const search = questions ? splitMetric("search") : this.#searchMetric();
		const setup = await this.#setUp(search, plan);
		const evaluator = this.#model.createEvaluator({ threads: Number(setup.settings.threads), stateBytes });
		this.#evaluator = evaluator;
		const own = async () => evaluator;
		const [validation, heldOut] = [splitMetric("validation"), splitMetric("heldOut")];
		const ledgers = { search: setup.ledger, validation: await this.#open(validation), heldOut: await this.#open(heldOut) };
		const parts = await this.#searchParts(setup);
		const searched = this.#gameOptions(ledgers.search, search, () => setup.evaluator(), this.#metricView("search"));
		const whole = this.#byDivergence ? new DivergenceGame(searched) : new LedgerGame(searched);
		const games = {
			search: parts.length > 0 ? new StagedLedgerGame(searched, parts) : whole,
			validation: this.#game(ledgers.validation, validation, own, this.#metricView("validation")),
			heldOut: this.#game(ledgers.heldOut, heldOut, own, this.#metricView("heldOut")),
		};
		const exactSearch = this.#isExact();
		const finals = { ...games, search: await this.#finalSearch(exactSearch, { game: games.search, options: searched }, own) };
		const texts = await this.#texts(finals, own);
		const comparedOn = this.#kl ? async (split: SplitName) => texts[split] : this.#compared(own);
		return {
			games,
			finals,
			trial: setup.trial,
			copyToMake: () => (setup.settings.weights === "own" || setup.hasCopy() ? undefined : (setup.settings.weights as FileType)),
			exactSearch,
			texts,
			tokens: { search: search.tokens, validation: validation.tokens, heldOut: heldOut.tokens },
			evaluator,
			gameOn: async (windows) => {
				const splitMetric = windowsMetric(windows, this.#options);
				return this.#game(await this.#open(splitMetric, false), splitMetric, own, undefined);
			},
			comparedOn,
			races: this.#races(games.validation, comparedOn, own),
			referenceOn: (split) => this.#references.of(split),
			hasReferenceOn: (split) => this.#references.has(split),
			questionsOn: async (prepared) => {
				const splitMetric = questionMetric(prepared, this.#options);
				return this.#game(await this.#open(splitMetric, false), splitMetric, own, undefined);
			},
			settings: setup.settings,
			scoredOn: (split) => scoredOf(split, this.#options),
			drawn: () => this.#drawn(setup.ledger),
			endSearch: () => this.#endSearch(),
			closeSearch: () => this.#closeSearch(),
			close: () => settled([this.#closeSearch(true), ...this.#ledgers.close()]),
		};
	}

	/** What the search split is measured with. */
	async #setUp(search: SplitMetric, plan: SearchPlan): Promise<SearchSetup> {
		const { calibration, folder, backend, stateBytes } = this.#material;
		const key = this.#ledgers.searchKey(search, this.#kl || this.#byDivergence);
		const windows = calibration.splits.search;
		const setup = await setUpSearch(
			{
				...{ model: this.#model, windows, shape: search.shape, figures: search.figures, folder, backend, stateBytes },
				...{ key, settings: { ...key.settings }, plan: { ...plan, work: search.tokens / windows.tokens.length } },
				byDivergence: this.#byDivergence,
			},
			this.#options,
		);
		this.#setup = setup;
		this.#ledgers.add(setup.ledger);
		return setup;
	}

	#isExact(): boolean {
		const { scoreShare = 1, stateType = "F32" } = this.#options;
		return this.#setup!.settings.weights === "own" && scoreShare === 1 && stateType === "F32";
	}

	/** The search split measured with the model itself, on all positions, bit for bit as anyone would measure it. */
	async #finalSearch(
		exact: boolean,
		searched: { readonly game: LedgerGame; readonly options: LedgerGameOptions },
		own: () => Promise<Evaluator>,
	): Promise<LedgerGame> {
		const view = this.#metricView("search");
		if (exact) return this.#byDivergence ? new LedgerGame({ ...searched.options, view }) : searched.game;
		const { questions } = this.#material;
		const splitMetric = questions ? questionMetric(questions.search, this.#options) : this.#textMetric("search");
		return this.#game(await this.#open(splitMetric), splitMetric, own, view);
	}

	async close(): Promise<void> {
		await Promise.allSettled([this.#closeSearch(true), ...this.#ledgers.close()]);
	}

	#endSearch(): void {
		this.#references.forgetDrawn("search");
		if (this.#byDivergence) this.#references.forget("search");
	}

	async #closeSearch(forGood = false): Promise<void> {
		this.#endSearch();
		await this.#setup?.close(forGood);
	}

	#races(validation: LedgerGame, comparedOn: SessionGames["comparedOn"], own: () => Promise<Evaluator>): RaceGames {
		const { folder, calibration, stateBytes, questions } = this.#material;
		return openRaces({
			...{ model: this.#model, folder, calibration, options: this.#options, stateBytes, kl: this.#kl, own },
			view: this.#metricView("validation"),
			...{ copy: questions ? undefined : this.#raceCopy(this.#setup!), references: this.#references, validation },
			compared: () => comparedOn("validation"),
			open: (splitMetric, compared, copied) => this.#open(splitMetric, compared, copied),
			game: (...parts) => this.#game(...parts),
		});
	}

	/** The search's copy of the model, if its type keeps the order of candidates. Races need hidden states in full precision. */
	#raceCopy({ settings, evaluator, model, hasCopy, close }: SearchSetup): RaceCopy | undefined {
		const type = usualCopies.find((one) => one === settings.weights);
		if (!type || (this.#options.stateType ?? "F32") !== "F32") return undefined;
		return { settings, evaluator, model, close, missingBytes: () => (hasCopy() ? 0 : copyBytes(this.#model, type)) };
	}

	#compared(own: () => Promise<Evaluator>): SessionGames["comparedOn"] {
		const { splits } = this.#material.calibration;
		const games = new Once<SplitName, LedgerGame>();
		const make = async (split: SplitName) => {
			const reference = (run: LedgerEvaluateOptions) => this.#references.of(split, run);
			const splitMetric = windowsMetric(splits[split], this.#options, reference, scoredOf(split, this.#options));
			return this.#game(await this.#open(splitMetric, true), splitMetric, own, lossView(this.#material.calibration, split));
		};
		return (split) => games.get(split, () => make(split));
	}

	/** The losses of the text, whatever the metric is. */
	async #texts(finals: SessionGames["finals"], own: () => Promise<Evaluator>): Promise<SessionGames["texts"]> {
		if (!this.#kl && !this.#material.questions) return finals;
		const text = async (split: SplitName) => {
			const splitMetric = this.#textMetric(split);
			const ledger = this.#kl ? finals[split].ledger : await this.#open(splitMetric);
			const searched = this.#kl && ledger === this.#setup!.ledger;
			return this.#game(ledger, splitMetric, searched ? () => this.#setup!.evaluator() : own, lossView(this.#material.calibration, split));
		};
		return { search: await text("search"), validation: await text("validation"), heldOut: await text("heldOut") };
	}

	#game(ledger: Ledger, splitMetric: SplitMetric, evaluatorOf: () => Promise<Evaluator>, view: MeasurementView | undefined): LedgerGame {
		return new LedgerGame(this.#gameOptions(ledger, splitMetric, evaluatorOf, view));
	}

	#gameOptions(
		ledger: Ledger,
		{ measure }: SplitMetric,
		evaluatorOf: () => Promise<Evaluator>,
		view: MeasurementView | undefined,
	): LedgerGameOptions {
		return {
			ledger,
			frozen: this.#model.blocks.frozen,
			allows: (coalition) => isAllowed(this.#model, coalition),
			evaluate: async (coalitions, run) => measure(await evaluatorOf(), coalitions, run),
			view,
		};
	}

	/** The search split in parts, if candidates race on it. Only losses on all positions of one source do: other first windows are not like the rest. */
	async #searchParts({ settings, evaluator }: SearchSetup): Promise<SplitPart[]> {
		const { racing = false, scoreShare = 1 } = this.#options;
		const { calibration, questions } = this.#material;
		if (!racing || this.#kl || questions || scoreShare !== 1 || calibration.sources.length > 1) return [];
		return splitParts(calibration.splits.search, Number(settings.ubatch), async (windows, name, first) => {
			// A candidate counts when its first windows are measured.
			const told = first ? this.#options : { ...this.#options, progress: undefined };
			const splitMetric = windowsMetric(windows, told, undefined, scoredOf("search", this.#options));
			const ledger = await this.#ledgers.openPart(splitMetric, this.#kl || this.#byDivergence, { ...settings, windows: name });
			return this.#game(ledger, splitMetric, evaluator, undefined);
		});
	}

	#open(splitMetric: SplitMetric, compared = this.#kl, copied?: SearchSetup["settings"]): Promise<Ledger> {
		const { threads, ubatch } = copied ?? this.#evaluator!;
		const weights = copied ? { weights: copied.weights! } : {};
		return this.#ledgers.open(splitMetric, compared, { threads: threads!, ubatch: ubatch!, ...weights });
	}

	#textMetric(split: SplitName): SplitMetric {
		const reference = this.#kl ? (run: LedgerEvaluateOptions) => this.#references.of(split, run) : undefined;
		return windowsMetric(this.#material.calibration.splits[split], this.#options, reference, scoredOf(split, this.#options));
	}

	#drawn(ledger: Ledger): DrawnShare | undefined {
		const positions = drawnPositions(this.#material.calibration, this.#options);
		const full = ledger.get(Coalition.full(this.#model.facts.blocks));
		return positions && drawnShare(positions, this.#material.calibration.splits.search, full);
	}

	/** The search split as it is searched: a share of its positions where one is asked for. */
	#searchMetric(): SplitMetric {
		const windows = this.#material.calibration.splits.search;
		const positions = drawnPositions(this.#material.calibration, this.#options);
		const compared = this.#kl || this.#byDivergence;
		const reference = compared ? (run: LedgerEvaluateOptions) => this.#references.of("search", run, positions) : undefined;
		return windowsMetric(windows, this.#options, reference, positions ? { positions } : scoredOf("search", this.#options));
	}

	#metricView(split: SplitName): MeasurementView | undefined {
		const { questions, calibration } = this.#material;
		if (questions) return undefined;
		return this.#kl ? divergenceView(calibration, split) : lossView(calibration, split);
	}
}

function isAllowed(model: Model, coalition: Coalition): boolean {
	const removed = coalition.removed();
	return removed.length === 0 || model.blocks.check(removed) === undefined;
}

/** Waits for all, then throws the first failure. */
export async function settled(work: readonly Promise<unknown>[]): Promise<void> {
	for (const result of await Promise.allSettled(work)) if (result.status === "rejected") throw result.reason;
}
