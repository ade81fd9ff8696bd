// Healed cells of a frontier: each set is healed once, on the model's own weights, and measured in every type of weights.
import { readFile } from "node:fs/promises";
import type { FrontierOptions } from "./api.js";
import { checkHealedWeights, healSet } from "./deliver-healed.js";
import { type Cell, fits, type Goal } from "./frontier-choice.js";
import type { Measurement } from "./game/game.js";
import type { SourceShare } from "./game/sources.js";
import { asksToHeal, checkHealing, healAgain } from "./heal-model.js";
import { defaultHealTokens, healText } from "./heal-windows.js";
import { restore } from "./healing/standing.js";
import { healedTypeId, type HealedTensor } from "./healing/tensors.js";
import { figuresOf } from "./model-figures.js";
import { hashWindows } from "./runtime/windows.js";
import type { Session } from "./session.js";
import { writeAtomically } from "./storage/atomic-file.js";
import { hashOf } from "./storage/hash.js";
import { type PlanHeal, readKeptHeal } from "./storage/plan-heal.js";
import { keptHealPath } from "./storage/runs.js";
import type { HealedWeights, Variant } from "./variants.js";

/** Bumped when sets are healed differently. */
const version = 4;

/** @throws InvalidOptionError for options of healing that are out of range, or that other weights contradict */
export function checkHealingOfFrontier(options: FrontierOptions): void {
	checkHealing(options);
	checkHealedWeights(options, asksToHeal(options));
}

/** Sets that are healed; what healing gave is kept in the run folder, the new matrices in memory. */
export class HealedSets implements HealedWeights {
	readonly key: string;
	readonly #session: Session;
	readonly #options: FrontierOptions;
	readonly #tensors = new Map<string, readonly HealedTensor[]>();

	private constructor(session: Session, options: FrontierOptions) {
		const { model, seed, calibration, settings } = session;
		const { search, validation } = calibration.folds;
		const text = healText(model, options.healTokens ?? defaultHealTokens, seed);
		const decided = [hashWindows(search), hashWindows(validation)];
		this.#session = session;
		this.#options = options;
		const how = [options.healKind ?? "auto", options.healType ?? "auto", options.healHeads === true];
		this.key = hashOf([version, session.sha256, text, how, decided, settings]);
	}

	/** Undefined where nothing asks for healing. */
	static of(session: Session, options: FrontierOptions): HealedSets | undefined {
		return asksToHeal(options) ? new HealedSets(session, options) : undefined;
	}

	/** The ids of the types of a set's new matrices, by their names in the file; undefined where healing does not help it. */
	async types(removed: readonly number[]): Promise<ReadonlyMap<string, number> | undefined> {
		const { applied, cuts } = await this.#section(removed);
		if (!applied) return undefined;
		return new Map(cuts.flatMap(({ recipe, tensor, type }) => (recipe && tensor && type ? [[tensor, healedTypeId(type)] as const] : [])));
	}

	async tensors(removed: readonly number[]): Promise<readonly HealedTensor[]> {
		const known = this.#tensors.get(removed.join());
		if (known) return known;
		const section = await this.#section(removed);
		// It may have been healed just now.
		const { model, evaluator, folder } = this.#session;
		if (!this.#tensors.has(removed.join())) {
			const { tensors } = await healAgain({ model, evaluator, removed, folder }, section, this.#options);
			await restore(model, tensors);
			this.#tensors.set(removed.join(), tensors);
		}
		return this.#tensors.get(removed.join())!;
	}

	/** What healing a set gave: kept, or found now. */
	async #section(removed: readonly number[]): Promise<PlanHeal> {
		const path = keptHealPath(this.#session.folder, hashOf([this.key, removed]));
		const kept = await readFile(path, "utf8").then(readKeptHeal, () => undefined);
		if (kept) return kept;
		const { tensors, section } = await healSet(this.#session, removed, this.#options);
		this.#tensors.set(removed.join(), tensors);
		await writeAtomically(path, { overwrite: true }, (handle) => handle.writeFile(JSON.stringify(section)));
		return section;
	}
}

/** What cells are held against. */
export interface CellReference {
	/** The whole model on the validation fold. */
	readonly whole: Measurement;
	readonly sources?: readonly SourceShare[] | undefined;
	readonly goal: Goal;
}

/** Of the cells of one type with blocks removed, those that healing helps, healed. Their speed is that of the unhealed ones. */
export async function healedCells(
	variant: Variant<"validation" | "report">,
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

/** Measures cells of one type on the report fold, each as it is or healed. */
export async function reportCells(
	variant: Variant<"validation" | "report">,
	healed: HealedSets | undefined,
	cells: readonly Cell[],
): Promise<Measurement[]> {
	const found: Measurement[] = [];
	for (const { removed, healed: mended } of cells) {
		const [one] = mended ? await variant.measureHealed("report", [removed], healed!) : await variant.measure("report", [removed]);
		found.push(one!);
	}
	return found;
}
