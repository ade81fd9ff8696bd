// How much a run has to measure, before it does.
import { basename } from "node:path";
import { logger } from "../../api/logger.js";
import { defaultMethod } from "../../api/methods.js";
import { Coalition } from "../../game/coalition.js";
import type { Ledger } from "../../storage/ledger.js";
import { effortOf, raceField } from "../methods/budget.js";
import { plannedMasks } from "../methods/registry.js";
import { timedFinalists } from "../methods/timed.js";
import { smallerAtMost } from "../race/smaller.js";
import type { Session } from "../session/session.js";
import type { Removable } from "./asked-amount.js";
import { drawingPerToken } from "./drawing.js";
import type { WorkAsked } from "./planned-work.js";
import type { AmountSettings, ChoosingSettings, MethodSettings, MetricSettings } from "../../api/options/settings.js";

/** What chooses the blocks: a method, or nobody where they are named. */
type NamedSettings = Pick<MethodSettings, "method" | "granularity"> & Pick<AmountSettings, "remove">;

/** What is searched for, and how. */
export interface SearchAsked extends Pick<Removable, "kmax" | "named" | "base" | "time"> {
	/** Masks that are planned at most, known ones among them. */
	readonly planned: number;
	/** Sizes that are raced. */
	readonly sizes: number;
	/** Sets with fewer blocks that may be measured after that, at most. @default none */
	readonly smaller?: number;
}

/** Measures the original model: what is left to measure, and how long an evaluation takes. */
export async function askedWork(
	session: Session,
	{ planned, sizes, smaller, ...removable }: SearchAsked,
	options: ChoosingSettings & NamedSettings,
): Promise<WorkAsked> {
	const { model, games, races, tokens } = session;
	const { method = defaultMethod, maxTime } = options;
	const { named } = removable;
	const limited = maxTime !== undefined;
	// Sets that save as much time are not searched within a limit of time.
	const useful = { ...removable, time: limited ? undefined : removable.time };
	const known = Math.min(planned, usefulMasks(games.search.ledger, useful, options));
	const { base = 0 } = removable;
	const isSingle = (removed: readonly number[]) => removed.length <= 1 || (base > 0 && removed.length === base + 1 && !isWhole(removed));
	const knownSingles =
		options.granularity === "attention" && !named
			? usefulSets(games.search.ledger, { ...removable, time: undefined }, options).filter(isSingle).length
			: 0;
	const secondsPerMask = await session.timeOriginal(options.signal);
	const secondsPerToken = await session.timeModel(secondsPerMask, options.signal);
	const secondsPerRacedToken = races.asSearched ? secondsPerMask / tokens.search : secondsPerToken;
	const effort = effortOf(options);
	// Sets that save as much time differ in number.
	const timed = removable.time && !limited ? timedFinalists : 0;
	const field = named ? 1 : raceField(method, { effort, sizes, granularity: options.granularity, limited }) + timed;
	const singles = singlesOf(model.facts.blocks, removable);
	const drawing = (await races.toDraw()).map((drawn) => drawn * drawingPerToken(session.secondsPerDrawn, secondsPerToken));
	return {
		masks: planned - known,
		known,
		singles,
		knownSingles,
		sizes,
		field,
		cuts: options.granularity === "half-block",
		effort,
		confirmed: races.confirms(sizes),
		smaller,
		references: races.referenced,
		tokens,
		secondsPerMask,
		secondsPerToken,
		secondsPerRacedToken,
		drawing,
		maxTime,
	};
}

/** Evaluations of the single removals. Blocks beside attention parts have theirs too: each share of the time must hold its own. */
export function singlesOf(blocks: number, { kmax, base = 0 }: Pick<Removable, "kmax" | "base">): number {
	const least = base === 0 ? 1 : Math.min(base, kmax - base) / kmax;
	return Math.ceil((blocks + 1) / least);
}

/** Says what is known and what is left to measure at most. */
export async function announceWork(
	session: Session,
	{ kmax, count, counts, named, base, time }: Removable,
	options: ChoosingSettings & NamedSettings & Pick<MetricSettings, "questions">,
): Promise<WorkAsked> {
	const { model, calibration, tokens } = session;
	const { blocks } = model.facts;
	const { method = defaultMethod } = options;
	const planned = named ? 1 : plannedMasks({ method, blocks, kmax, base, time }, options, tokens.search);
	const sizes = counts?.length ?? (count === undefined ? kmax : 1);
	// What is removed at least where sizes are asked for; a curve has them all, and no verdict of one number is made of the accuracy.
	const least = named || count === undefined || session.metric === "accuracy" ? 1 : (counts?.[0] ?? count);
	const smaller = smallerAtMost(least);
	const asked = await askedWork(session, { kmax, named, base, time, planned, sizes, smaller }, options);
	const { known } = asked;
	const cached = known > 0 ? `, ${planned === 1 ? "" : `${known} of them `}cached` : "";
	const candidates = planned === 1 ? "1 candidate" : `up to ${planned} candidates`;
	const source = options.questions === undefined ? calibration.source : basename(options.questions);
	logger(options)("note", `${basename(model.path)}: ${blocks} blocks; ${candidates} on ${tokens.search} tokens each (${source})${cached}`);
	return asked;
}

const isWhole = (removed: readonly number[]) => removed.every(Number.isInteger);

/** What positions of each granularity are beside whole numbers. */
const kindsSearched: Readonly<Record<NonNullable<NamedSettings["granularity"]>, readonly number[]>> = {
	block: [0],
	"half-block": [0, 0.5],
	attention: [0.25],
};

/**
 * Known masks of the kind that will be measured: the given one, of the paper's methods any, else those that remove no more blocks than asked,
 * with half-block cuts and attention parts only if these are searched.
 */
export function usefulMasks(ledger: Ledger, removable: Pick<Removable, "kmax" | "base" | "time">, options: NamedSettings): number {
	const { method, remove } = options;
	if (remove) return ledger.get(Coalition.ofRemoved(ledger.header.players, remove)) ? 1 : 0;
	if (method === "paper" || method === "paper-repaired") return ledger.size;
	return usefulSets(ledger, removable, options).length;
}

/** What such masks remove, of a search for sets. */
function usefulSets(
	ledger: Ledger,
	{ kmax, base = 0, time }: Pick<Removable, "kmax" | "base" | "time">,
	{ granularity = "block" }: NamedSettings,
): number[][] {
	const kinds = time ? [0, 0.25, 0.5] : kindsSearched[granularity];
	const isSearched = (removed: readonly number[]) => {
		const others = removed.filter((position) => !kinds.includes(position % 1));
		if (base === 0) return others.length === 0;
		// Blocks are searched alone, then attention parts beside so many of them.
		return others.every(Number.isInteger) && (others.length === base || (others.length < base && others.length === removed.length));
	};
	return ledger
		.measurements()
		.map(({ coalition }) => coalition.removed())
		.filter((removed) => removed.length <= kmax && isSearched(removed));
}
