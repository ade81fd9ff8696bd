// The race of a method in a comparison, within what the comparison lets it spend.
import type { Effort, JobOptions, Method } from "../../api/index.js";
import { Coalition } from "../../game/coalition.js";
import { blockExecutions } from "../../game/executions.js";
import type { Measurement } from "../../game/game.js";
import { factsOf } from "../../api/methods.js";
import { countedText, formatBlocks } from "../../notation.js";
import { bestWhole } from "../../pipeline/methods/searches.js";
import { holdsCut } from "../../game/parts.js";
import { race } from "../../pipeline/race/race.js";
import { furtherAtMost, partsAfter, tieRounds } from "../../pipeline/race/ties.js";
import type { Session } from "../../pipeline/session/session.js";
import type { ProposedSet } from "../../pipeline/methods/selection-context.js";
import { raceField } from "../../pipeline/methods/budget.js";
import type { Contender } from "./contender.js";
import type { EffortSettings } from "../../api/options/settings.js";

/** Where every method may spend the same, one that has efforts does not stop early. */
export const effortOfMethod = (method: Method): Effort => (factsOf(method).reads?.includes("effort") ? "thorough" : "standard");

/** Sets of each size for which all rounds of further text are kept in reserve. @default none: greedy and beam leave masks anyway */
const tiedSets: Readonly<Partial<Record<Method, number>>> = { auto: 4, swap: 2 };

/**
 * Masks that are kept for the race of a method: the original model, its sets, further text for some of them, what they are compared with on each text, and
 * the winners on the model itself after a search on its copy; no more than a quarter of all.
 */
export function raceReserve({ method, granularity }: Contender, sizes: number, limit: number): number {
	const effort = effortOfMethod(method);
	const field = raceField(method, { effort, sizes, granularity });
	if (field === 1) return 0;
	const tied = tiedSets[method] ?? 0;
	const references = 1 + (tied > 0 ? partsAfter(tieRounds[effort]) : 0);
	const confirmed = 1 + sizes;
	const sets = field + furtherAtMost(effort, tied);
	return Math.min(1 + sets * sizes + references + confirmed, Math.floor(limit / 4));
}

/** What a race within a budget is given. */
interface RaceBudget {
	readonly masks: number;
	readonly furtherMasks: number;
	/** What the method measured on the search split. */
	readonly played: readonly Measurement[];
}

/** What came of it. */
interface RacedWithin {
	readonly sets: Map<number, ProposedSet>;
	readonly masks: number;
	readonly executions: number;
	readonly notes: readonly string[];
}

/**
 * Decides between a method's sets and their rivals, as far as the budget holds the rivals, cheap ones first. Half-block cuts must win over whole
 * blocks: the set of whole blocks of their size comes before all others, and if the budget does not hold it, it is taken.
 */
export async function raceWithin(
	session: Session,
	{ own: found, rivals }: { readonly own: readonly ProposedSet[]; readonly rivals: readonly ProposedSet[] },
	limits: RaceBudget,
	{ signal, progress, effort }: Pick<EffortSettings, "effort"> & JobOptions,
): Promise<RacedWithin> {
	const known = new Set(found.map(keyOf));
	const others = [...new Map(rivals.filter((rival) => !known.has(keyOf(rival))).map((rival) => [keyOf(rival), rival])).values()];
	// Sets of one ranking first: they are of another kind than the tied ones.
	others.sort((a, b) => Number(a.method === found[0]?.method) - Number(b.method === found[0]?.method));
	const opponents = opponentsOf(found, others);
	const ordered = [...opponents, ...others.filter((rival) => !opponents.includes(rival))];
	// The original model, and its distributions where sets are compared by them.
	const confirming = session.races.confirms(found.length);
	const kept = ordered.slice(0, Math.max(0, limits.masks - found.length - 2 - confirming));
	const { own, notes } = withoutUnopposed(found, { kept, others, played: limits.played });
	const sets = new Map(own.map((choice) => [choice.removed.length, choice]));
	if (kept.length === 0) return { sets, masks: 0, executions: 0, notes };
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
	return { sets, masks: parts.flat().length, executions: executions.reduce((sum, count) => sum + count, 0), notes };
}

const keyOf = ({ removed }: ProposedSet) => removed.join();

/** For each of the sets with half-block cuts, a rival of its size without them. */
function opponentsOf(own: readonly ProposedSet[], rivals: readonly ProposedSet[]): ProposedSet[] {
	return own.flatMap(({ removed }) => (holdsCut(removed) ? (rivals.find((rival) => isOpponent(rival, removed)) ?? []) : []));
}

const isOpponent = (rival: ProposedSet, { length }: readonly number[]) => rival.removed.length === length && !holdsCut(rival.removed);

/** The best measured set of whole blocks in the place of each set with half-block cuts that no such set races against. */
function withoutUnopposed(
	own: readonly ProposedSet[],
	{ kept, others, played }: { readonly kept: readonly ProposedSet[]; readonly others: readonly ProposedSet[] } & Pick<RaceBudget, "played">,
): { own: readonly ProposedSet[]; notes: readonly string[] } {
	const best = bestWhole(played);
	const notes: string[] = [];
	const taken = own.map((set) => {
		const { removed, method } = set;
		if (!holdsCut(removed) || kept.some((rival) => isOpponent(rival, removed))) return set;
		const whole = best.get(removed.length)?.coalition.removed() ?? others.find((rival) => isOpponent(rival, removed))?.removed;
		if (!whole) return set;
		notes.push(
			`${countedText(whole)}: the best measured whole blocks are taken, as no evaluations are left to compare ${formatBlocks(removed)} with them`,
		);
		return { removed: whole, method };
	});
	return { own: taken, notes };
}
