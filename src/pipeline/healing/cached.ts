// What healing gave, kept in the run folder: a run that was stopped, or a later one, goes on from there.
import { readFile } from "node:fs/promises";
import { defaultHealTokens, healTextOf } from "./text.js";
import { packageVersion } from "../../model/runtime/paths.js";
import { hashWindows } from "../../model/runtime/windows.js";
import { finite } from "../../game/statistics.js";
import type { Session } from "../session/session.js";
import { writeAtomically } from "../../storage/atomic-file.js";
import { hashOf } from "../../storage/hash.js";
import { type PlanHeal, readKeptHeal, readKeptValues } from "../../storage/plan-heal.js";
import { keptHealPath } from "../../storage/runs.js";
import type { HealingSettings } from "../../api/options/settings.js";

/** Bumped when sets are healed differently. */
const version = 7;

/** Key of everything but the set that decides on new matrices and on what is said of them. */
export function healingKey({ model, seed, sha256, calibration, settings, scoredOn }: Session, options: HealingSettings): string {
	const text = healTextOf(model, options.healTokens ?? defaultHealTokens, seed);
	const how = [options.healKind ?? "auto", options.healType ?? "auto", options.healHeads === true, options.referenceBytes ?? null];
	const splits = Object.values(calibration.splits).map(hashWindows);
	const { scoreFrom = 0 } = scoredOn("validation");
	return hashOf([version, packageVersion, sha256, text, how, splits, scoreFrom, options.calibration ?? null, settings]);
}

/** What healing sets of blocks gave, by a key and the blocks. */
export class KeptHealing {
	readonly #folder: string;
	readonly #key: string;

	constructor(session: Session, key: string) {
		this.#folder = session.folder;
		this.#key = key;
	}

	/** Undefined where nothing is kept of the set, or what is kept is torn. */
	async section(removed: readonly number[]): Promise<PlanHeal | undefined> {
		return readFile(this.#path(removed), "utf8").then(readKeptHeal, () => undefined);
	}

	async keep(removed: readonly number[], section: PlanHeal): Promise<void> {
		await this.#write(removed, section);
	}

	/** What a set was compared by: losses, or divergences, of windows. */
	async values(removed: readonly number[]): Promise<Float64Array | undefined> {
		return readFile(this.#path(removed), "utf8").then(readKeptValues, () => undefined);
	}

	async keepValues(removed: readonly number[], values: Float64Array): Promise<void> {
		await this.#write(removed, { values: Array.from(values, finite) });
	}

	#path(removed: readonly number[]): string {
		return keptHealPath(this.#folder, hashOf([this.#key, removed]));
	}

	async #write(removed: readonly number[], content: unknown): Promise<void> {
		await writeAtomically(this.#path(removed), { overwrite: true }, (handle) => handle.writeFile(JSON.stringify(content)));
	}
}
