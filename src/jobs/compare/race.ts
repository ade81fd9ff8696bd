// The race of a method in a comparison, within what the comparison lets it spend.
import type { Effort, JobOptions, Method } from "../../api/index.js";
import { Coalition } from "../../game/coalition.js";
import { blockExecutions } from "../../game/executions.js";
import type { Measurement } from "../../game/game.js";
import { factsOf } from "../../api/methods.js";
import { race } from "../../pipeline/race/race.js";
import { partsAfter, tieRounds } from "../../pipeline/race/ties.js";
import type { Session } from "../../pipeline/session/session.js";
import type { ProposedSet } from "../../pipeline/methods/selection-context.js";
import { raceField } from "../../pipeline/methods/budget.js";
import type { Contender } from "./contender.js";
import type { EffortSettings } from "../../api/options/settings.js";

/** Where every method may spend the same, one that has efforts does not stop early. */
export const effortOfMethod = (method: Method): Effort => (factsOf(method).reads?.includes("effort") ? "thorough" : "standard");

/** Sets of each size for which all rounds of further text are kept in reserve. @default none: greedy and beam leave masks anyway */
const tiedSets: Readonly<Partial<Record<Method, number>>> = { auto: 4, swap: 2 };

/** Masks that are kept for the race of a method: the original model, its sets, further text for some of them; no more than a quarter of all. */
export function raceReserve({ method, granularity }: Contender, sizes: number, limit: number): number {
	const effort = effortOfMethod(method);
	const field = raceField(method, effort, granularity);
	if (field === 1) return 0;
	const parts = partsAfter(tieRounds[effort]);
	return Math.min(1 + (field + (tiedSets[method] ?? 0) * parts) * sizes, Math.floor(limit / 4));
}

/** Decides between a method's sets and their rivals, as far as the budget holds the rivals, cheap ones first. */
export async function raceWithin(
	session: Session,
	{ own, rivals }: { readonly own: readonly ProposedSet[]; readonly rivals: readonly ProposedSet[] },
	limits: { readonly masks: number; readonly furtherMasks: number; readonly played: readonly Measurement[] },
	{ signal, progress, effort }: Pick<EffortSettings, "effort"> & JobOptions,
): Promise<{ sets: Map<number, ProposedSet>; masks: number; executions: number }> {
	const keyOf = ({ removed }: ProposedSet) => removed.join();
	const sets = new Map(own.map((choice) => [choice.removed.length, choice]));
	const known = new Set(own.map(keyOf));
	const others = [...new Map(rivals.filter((rival) => !known.has(keyOf(rival))).map((rival) => [keyOf(rival), rival])).values()];
	// Sets of one ranking first: they are of another kind than the tied ones.
	others.sort((a, b) => Number(a.method === own[0]?.method) - Number(b.method === own[0]?.method));
	// The original model, and its distributions where sets are compared by them.
	const confirming = session.races.confirms(own.length);
	const kept = others.slice(0, Math.max(0, limits.masks - own.length - 2 - confirming));
	if (kept.length === 0) return { sets, masks: 0, executions: 0 };
	const field = [...own, ...kept];
	// The distributions on each part take an evaluation too.
	const references = 1 + partsAfter(tieRounds[effort ?? "standard"]);
	const furtherMasks = Math.min(limits.furtherMasks, limits.masks - field.length - 1 - references - confirming);
	const { winners, further, confirmed, byDivergence } = await race(
		session,
		field,
		{ signal, progress, effort },
		{ furtherMasks, played: limits.played },
	);
	for (const [count, winner] of winners) sets.set(count, winner);
	const players = session.model.facts.blocks;
	const raced = [Coalition.full(players), ...field.map(({ removed }) => Coalition.ofRemoved(players, removed))];
	const compared = byDivergence || session.metric === "kl";
	const parts = [...[raced, ...further].map((masks) => (compared ? [...masks, Coalition.full(players)] : masks)), confirmed];
	const executions = parts.map((masks) => blockExecutions([...masks], session.evaluator.resumes));
	return { sets, masks: parts.flat().length, executions: executions.reduce((sum, count) => sum + count, 0) };
}
