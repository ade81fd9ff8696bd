// Healed cells of a frontier: each set is healed once, on the model's own weights, and measured in every type of weights.
import { healSet } from "../../pipeline/healing/of-session.js";
import { type Cell, fits, type Goal } from "./choice.js";
import type { Measurement } from "../../game/game.js";
import type { SourceShare } from "../../game/sources.js";
import type { Healing } from "../../pipeline/healing/heal-model.js";
import { healedTypeId, type HealedTensor } from "../../model/fitting/tensors.js";
import { healingKey, KeptHealing } from "../../pipeline/healing/cached.js";
import { figuresOf } from "../../pipeline/session/paired-figures.js";
import type { Session } from "../../pipeline/session/session.js";
import type { PlanHeal } from "../../storage/plan-heal.js";
import type { HealedWeights, Variant } from "../../pipeline/quantizing/variants.js";
import { asksToHeal, checkHealedWeights, checkHealing } from "../../pipeline/preflight/heal-options.js";
import type { FrontierJob } from "../../pipeline/preflight/job.js";
import type { HealSettings, QuantizeSettings } from "../../api/options/settings.js";

/** @throws InvalidOptionError for options of healing that are out of range, or that other weights contradict */
export function checkHealingOfFrontier(options: HealSettings & Pick<QuantizeSettings, "quantizeFrom">): void {
	checkHealing(options);
	checkHealedWeights(options, asksToHeal(options));
}

/** Sets that are healed: the new matrices are kept in memory. */
export class HealedSets implements HealedWeights {
	readonly key: string;
	readonly #session: Session;
	readonly #references: () => number;
	readonly #options: FrontierJob;
	readonly #kept: KeptHealing;
	/** The new matrices of each set, and what is said of them. */
	readonly #healed = new Map<string, Healing>();

	private constructor(session: Session, references: () => number, options: FrontierJob) {
		this.#session = session;
		this.#references = references;
		this.#options = options;
		this.key = healingKey(session, options);
		this.#kept = new KeptHealing(session, this.key);
	}

	/**
	 * Undefined where nothing asks for healing.
	 * @param references bytes of distributions that are still to be made
	 */
	static of(session: Session, references: () => number, options: FrontierJob): HealedSets | undefined {
		return asksToHeal(options) ? new HealedSets(session, references, options) : undefined;
	}

	/** The ids of the types of a set's new matrices, by their names in the file; undefined where healing does not help it. */
	async types(removed: readonly number[]): Promise<ReadonlyMap<string, number> | undefined> {
		const { applied, cuts } = await this.#section(removed);
		if (!applied) return undefined;
		return new Map(cuts.flatMap(({ recipe, tensor, type }) => (recipe && tensor && type ? [[tensor, healedTypeId(type)] as const] : [])));
	}

	async tensors(removed: readonly number[]): Promise<readonly HealedTensor[]> {
		return (await this.#heal(removed)).tensors;
	}

	async #heal(removed: readonly number[]): Promise<Healing> {
		const known = this.#healed.get(removed.join());
		if (known) return known;
		const healing = await healSet(this.#session, removed, this.#options, { shared: this.#kept, references: this.#references() });
		this.#healed.set(removed.join(), healing);
		return healing;
	}

	/** What healing a set gave: kept, or found now. */
	async #section(removed: readonly number[]): Promise<PlanHeal> {
		return this.#healed.get(removed.join())?.section ?? (await this.#kept.section(removed)) ?? (await this.#heal(removed)).section;
	}
}

/** What cells are held against. */
export interface CellReference {
	/** The original model on the validation split. */
	readonly whole: Measurement;
	readonly sources?: readonly SourceShare[] | undefined;
	readonly goal: Goal;
}

/** Heals the cells of one type with blocks removed, and keeps those that it helps. Their speed is that of the unhealed ones. */
export async function healedCells(
	variant: Variant<"validation" | "heldOut">,
	healed: HealedSets | undefined,
	plain: readonly Cell[],
	{ whole, sources, goal }: CellReference,
): Promise<Cell[]> {
	const cells: Cell[] = [];
	for (const cell of healed ? plain.filter(({ removed }) => removed.length > 0) : []) {
		const types = await healed!.types(cell.removed);
		if (!types) continue;
		const [found] = await variant.measureHealed("validation", [cell.removed], healed!);
		const measured = { bytes: variant.bytes(cell.removed, types), ...figuresOf(found!, whole, sources) };
		cells.push({ ...cell, ...measured, healed: true, fits: fits(goal, { ...cell, ...measured }) });
	}
	return cells;
}

/** Measures cells of one type on the held-out split, each as it is or healed. */
export async function reportCells(
	variant: Variant<"validation" | "heldOut">,
	healed: HealedSets | undefined,
	cells: readonly Cell[],
): Promise<Measurement[]> {
	const found: Measurement[] = [];
	for (const { removed, healed: mended } of cells) {
		const [one] = mended ? await variant.measureHealed("heldOut", [removed], healed!) : await variant.measure("heldOut", [removed]);
		found.push(one!);
	}
	return found;
}
