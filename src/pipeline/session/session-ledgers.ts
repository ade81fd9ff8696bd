// The ledgers of a session: what is measured is kept under a key of all that can change its bits.
import { computingIdentity } from "../../model/evaluation/kept.js";
import { checkAsRead } from "../../model/gguf/index.js";
import type { Model } from "../../model/runtime/model.js";
import { Ledger, ledgerKey } from "../../storage/ledger.js";
import { ledgerPath } from "../../storage/runs.js";
import { logger } from "../../api/logger.js";
import type { SessionSettings } from "../../api/options/settings.js";
import type { SplitMetric } from "./metrics.js";
import { Once } from "./once.js";

type Key = Parameters<typeof ledgerKey>[0];
type Settings = Readonly<Record<string, string | number | boolean | null>>;

/** Whose runs are kept, and where. */
interface LedgerPlace {
	readonly folder: string;
	readonly sha256: string;
	readonly backend: string;
}

export class SessionLedgers {
	readonly #model: Model;
	readonly #place: LedgerPlace;
	readonly #options: SessionSettings;
	/** Part of every key: what computes. */
	readonly #identity: Settings;
	readonly #ledgers: Ledger[] = [];
	/** By path: texts that give the same windows share one, since a ledger is open once at a time. */
	readonly #opened = new Once<string, Ledger>();

	constructor(model: Model, place: LedgerPlace, options: SessionSettings) {
		this.#model = model;
		this.#place = place;
		this.#options = options;
		this.#identity = computingIdentity(model, options);
	}

	/** @param compared whether measurements hold the divergence from the original model */
	searchKey(splitMetric: SplitMetric, compared: boolean): Key {
		const { scoreShare = 1, stateType = "F32" } = this.#options;
		const { settings, ...rest } = this.#key(splitMetric, compared);
		// A user's text is cut the same for every seed; which of its positions are drawn is not.
		const drawn = scoreShare === 1 ? {} : { scoreShare, scoreSeed: this.#options.seed ?? 0 };
		return { ...rest, settings: { ...settings, ...drawn, ...(stateType === "F32" ? {} : { stateType }) } };
	}

	/**
	 * @param compared whether measurements hold the divergence from the original model
	 * @param settings of its measurements: threads, ubatch, and the weights of a copy of the model
	 */
	open(splitMetric: SplitMetric, compared: boolean, settings: Settings): Promise<Ledger> {
		const { settings: named, ...rest } = this.#key(splitMetric, compared);
		return this.#openAt({ ...rest, settings: { ...named, ...settings } }, splitMetric, (ledger) =>
			logger(this.#options)("debug", `${ledger.size} candidates known, ${ledger.path}`),
		);
	}

	/** A part of the search split. @param settings of its measurements, beside those of the key */
	openPart(splitMetric: SplitMetric, compared: boolean, settings: Settings): Promise<Ledger> {
		const { settings: named, ...rest } = this.searchKey(splitMetric, compared);
		return this.#openAt({ ...rest, settings: { ...named, ...settings } }, splitMetric);
	}

	/** Closes this one with the others. */
	add(ledger: Ledger): void {
		this.#ledgers.push(ledger);
	}

	/** Closes all, for good. @returns a promise for each */
	close(): Promise<void>[] {
		return this.#ledgers.map((ledger) => ledger.close());
	}

	#key({ hash, scoreFrom = 0 }: SplitMetric, compared: boolean): Key {
		const { sha256, backend } = this.#place;
		// The loss alone has no word of its own: the ledgers that were there before there was another keep their keys.
		const kept = compared ? { figures: "divergence" } : {};
		return { model: sha256, windows: hash, backend, settings: { ...this.#identity, ...kept, ...(scoreFrom > 0 ? { scoreFrom } : {}) } };
	}

	#openAt(of: Key, { shape, figures }: SplitMetric, told: (ledger: Ledger) => void = () => {}): Promise<Ledger> {
		const key = ledgerKey(of);
		const path = ledgerPath(this.#place.folder, key);
		return this.#opened.get(path, async () => {
			const header = { key, players: this.#model.blocks.blocks, windows: shape, settings: of.settings };
			const ledger = await Ledger.open(path, header, { figures, check: () => checkAsRead(this.#model) });
			this.add(ledger);
			told(ledger);
			return ledger;
		});
	}
}
