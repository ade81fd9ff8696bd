import type { Coalition } from "../../game/coalition.js";
import { distinct } from "../../game/coalition.js";
import type { Game, BatchOptions, Measurement } from "../../game/game.js";
import type { Evaluator } from "../../model/runtime/evaluator.js";
import type { Reference } from "../../model/runtime/positions.js";
import type { TokenWindows } from "../../model/runtime/windows.js";

/**
 * The layer game of a loaded model on token windows, measured when it is asked for and remembered: for methods of one's own, and for those
 * of this package, without the folders, splits and races of a run. Blocks that the architecture's rules hold are frozen, sets that they
 * forbid are refused.
 */
export class EvaluatorGame implements Game {
	readonly players: number;
	readonly frozen: ReadonlyMap<number, string>;
	readonly #evaluator: Evaluator;
	readonly #windows: TokenWindows;
	readonly #reference: Reference | undefined;
	readonly #known = new Map<string, Float64Array>();

	/**
	 * @param reference distributions of the original model on these windows ({@link Evaluator.createReference}): what is measured is then the
	 * divergence from them instead of the loss
	 */
	constructor(evaluator: Evaluator, windows: TokenWindows, { reference }: { readonly reference?: Reference | undefined } = {}) {
		const { blocks, frozen } = evaluator.model.blocks;
		this.players = blocks;
		this.frozen = frozen;
		this.#evaluator = evaluator;
		this.#windows = windows;
		this.#reference = reference;
	}

	/** Number of distinct coalitions measured so far. */
	get evaluated(): number {
		return this.#known.size;
	}

	allows(coalition: Coalition): boolean {
		return coalition.players === this.players && this.#evaluator.model.blocks.check(coalition.removed()) === undefined;
	}

	/** Losses (or divergences) by window, nats per token. @throws InvalidCandidateError, EvaluationError, DisposedError, or the signal's reason; nothing that was measured before is lost */
	async measure(coalitions: readonly Coalition[], options: BatchOptions = {}): Promise<Measurement[]> {
		const missing = distinct(coalitions).filter(({ key }) => !this.#known.has(key));
		await this.#evaluator.evaluate(missing, this.#windows, {
			signal: options.signal,
			reference: this.#reference,
			onCandidate: (index, { losses, divergences }) => this.#known.set(missing[index]!.key, divergences ?? losses),
		});
		return coalitions.map((coalition) => ({ coalition, losses: this.#known.get(coalition.key)! }));
	}
}
