import { type Coalition, distinct } from "./coalition.js";
import { type BatchOptions, type Game, type Measurement, meanLoss } from "./game.js";
import { average, differences } from "./statistics.js";

/** A game that can measure coalitions on the first windows of its text, and on the others later. */
export interface StagedGame extends Game {
	/** Windows after which measuring may pause, ascending, fewer than all; none if it cannot pause. */
	readonly stages: readonly number[];
	/** Windows in all. */
	readonly windows: number;
	/**
	 * As `measure`, on the first windows only: as many losses. The rest costs what is left when it is asked for.
	 * @param windows one of the stages
	 */
	measureFirst(coalitions: readonly Coalition[], windows: number, options?: BatchOptions): Promise<Measurement[]>;
	/** What is known of a coalition that was measured on the first windows and not on all; undefined of every other. */
	seen(coalition: Coalition): Measurement | undefined;
}

export function isStaged(game: Game): game is StagedGame {
	const { stages = [], measureFirst } = game as Partial<StagedGame>;
	return measureFirst !== undefined && stages.length > 0;
}

/** A coalition after a race. */
export interface Raced {
	readonly coalition: Coalition;
	/** On all windows; undefined if it was stopped. */
	readonly measured: Measurement | undefined;
	/** On the first windows where it was stopped; the same as `measured` else. */
	readonly first: Measurement;
}

/** What stops a coalition. */
export interface RaceRules {
	/** Coalitions of the same size that are measured on all windows: the race's leader may be among them. @default none */
	readonly incumbents?: readonly Measurement[];
	/**
	 * Stops those that surely add more than this to the original model, nats per token, instead of those that are surely worse than the best.
	 * The original model must be measured on all windows.
	 */
	readonly limit?: { readonly original: Measurement; readonly added: number } | undefined;
	/** Standard errors that a difference must pass to be sure. @default 2; 3 with a limit */
	readonly z?: number;
}

/**
 * Standard errors beyond which a difference on the first windows is taken for one on all: about one in 40 is not. In replays three saved 2 to 8 % of a
 * search, two 8 to 15 % with as little regret, and 1.3 up to 20 % with more (docs/research/decisions.md).
 */
const SURE = 2;
/** The same beside a limit: a coalition's own few windows are all that says how they spread. */
const SURE_ALONE = 3;
/** Spread between windows that is assumed at least, nats per token: few windows may agree by chance. */
const LEAST_SPREAD = 0.01;

/**
 * Measures coalitions stage by stage, all on the same windows. After each stage those stop that are surely worse than the best one, window by
 * window, or that surely add more than a limit. One that is not stopped is measured on all windows, as `measure` would. "Surely" asks whether the
 * difference on all windows of the text can have the other sign: what is not measured yet is drawn as what is. The spread is that of the coalition or
 * of all of them, whichever is larger.
 * @param coalitions of one number of removed blocks, unless there is a limit
 */
export async function raceByWindows(
	game: Game,
	coalitions: readonly Coalition[],
	rules: RaceRules = {},
	options: BatchOptions = {},
): Promise<Raced[]> {
	const stopped = new Map<string, Measurement>();
	let open = distinct(coalitions);
	for (const stage of isStaged(game) ? game.stages : []) {
		const field = open.length + (rules.incumbents?.length ?? 0);
		if (open.length === 0 || (field < 2 && !rules.limit)) break;
		const first = await (game as StagedGame).measureFirst(open, stage, options);
		const losers = losersOf(first, { stage, windows: (game as StagedGame).windows }, rules);
		for (const loser of losers) stopped.set(loser.coalition.key, loser);
		open = open.filter(({ key }) => !stopped.has(key));
	}
	const measured = new Map((await game.measure(open, options)).map((one) => [one.coalition.key, one]));
	return coalitions.map((coalition) => {
		const full = measured.get(coalition.key);
		return { coalition, measured: full, first: full ?? stopped.get(coalition.key)! };
	});
}

interface Seen {
	readonly stage: number;
	readonly windows: number;
}

function losersOf(
	first: readonly Measurement[],
	{ stage, windows }: Seen,
	{ incumbents = [], limit, z = limit ? SURE_ALONE : SURE }: RaceRules,
): Measurement[] {
	const cut = ({ coalition, losses }: Measurement): Measurement => ({ coalition, losses: losses.slice(0, stage) });
	const from = limit ? cut(limit.original) : bestOf([...incumbents.map(cut), ...first]);
	const others = first.filter(({ coalition }) => coalition.key !== from.coalition.key);
	const above = others.map(({ losses }) => differences(losses, from.losses));
	const finite = above.filter((row) => row.every(Number.isFinite));
	const shared = average(finite.map(varianceOf));
	// The mean of the windows that are not seen yet is as far off as theirs and that of the seen ones are together.
	const unseen = 1 / stage - 1 / windows;
	return others.filter((_, i) => {
		const row = above[i]!;
		if (!row.every(Number.isFinite)) return from.losses.every(Number.isFinite);
		const variance = Math.max(LEAST_SPREAD ** 2, varianceOf(row), limit ? 0 : shared);
		return average(row) - (limit?.added ?? 0) > z * Math.sqrt(variance * unseen);
	});
}

function bestOf(measured: readonly Measurement[]): Measurement {
	return measured.reduce((best, set) => (meanLoss(set) < meanLoss(best) ? set : best));
}

function varianceOf(values: Float64Array): number {
	if (values.length < 2) return Number.POSITIVE_INFINITY;
	const center = average(values);
	return values.reduce((sum, x) => sum + (x - center) ** 2, 0) / (values.length - 1);
}
