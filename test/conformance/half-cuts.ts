import type { ArchitectureEntry } from "../../src/model/architectures/index.js";
import type { Examined } from "./examine.js";
import { hasHalves } from "./sets.js";
import type { Finding } from "./verdict.js";

/** Recorded half-block cuts of the models of one architecture. */
export function halvesOf(models: readonly Examined[]): Finding[] {
	return models.flatMap(({ findings }) => findings).filter(({ removed }) => hasHalves(removed));
}

/** How far half-block cuts of an architecture are proven, for people. */
export function halfCuts({ parts, refused }: ArchitectureEntry, models: readonly Examined[]): string {
	if (refused) return "-";
	if (parts?.whole !== undefined) return `no: ${parts.whole}`;
	const halves = halvesOf(models);
	const exact = halves.filter(({ verdict }) => verdict === "exact").length;
	const no = halves.filter(({ verdict }) => verdict === "refused").length;
	return halves.length === 0 ? "not run" : `${exact} exact${no > 0 ? `, ${no} refused` : ""}`;
}
