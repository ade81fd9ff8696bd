import type { FurtherText } from "./calibration/index.js";
import type { TokenWindows } from "./runtime/windows.js";
import type { LedgerGame } from "./storage/ledger-game.js";

/** The games on the parts of further text: one a part, shared by all races of a session, since a ledger is opened once. */
export class FurtherGames {
	readonly #text: FurtherText;
	readonly #make: (windows: TokenWindows) => Promise<LedgerGame>;
	readonly #games = new Map<number, Promise<LedgerGame | undefined>>();

	constructor(text: FurtherText, make: (windows: TokenWindows) => Promise<LedgerGame>) {
		this.#text = text;
		this.#make = make;
	}

	/** @returns undefined where there is no such part */
	on(part: number): Promise<LedgerGame | undefined> {
		const known = this.#games.get(part);
		if (known) return known;
		const made = this.#text(part).then((windows) => windows && this.#make(windows));
		this.#games.set(part, made);
		// One that failed or was aborted is made anew when it is asked for again.
		made.catch(() => this.#games.delete(part));
		return made;
	}
}
