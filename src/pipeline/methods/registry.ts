import type { Method } from "../../api/index.js";
import type { SearchGranularity } from "../../api/measure.js";
import { bestMeasured } from "./best-so-far.js";
import { chooseAuto } from "./auto.js";
import { chooseAngular, chooseEdge, chooseRandom, chooseScored } from "./baselines.js";
import { choosePaper, choosePaperRepaired, judgedMasks, paperMasks, repairedMasks } from "./paper.js";
import {
	chooseBeam,
	chooseContiguous,
	chooseEvolutionary,
	chooseGreedy,
	chooseLeaveOneOut,
	chooseSwap,
	leastOfSwap,
	shiftedAlone,
} from "./searches.js";
import { InvalidOptionError } from "../../errors.js";
import { attentionGame } from "../../game/attention-game.js";
import { Coalition } from "../../game/coalition.js";
import { type Game, meanLoss } from "../../game/game.js";
import { LossMeter } from "../../game/loss-meter.js";
import type { SearchOptions, SearchStep } from "../../game/search/search.js";
import type { Session } from "../session/session.js";
import type { LedgerGame } from "../../storage/ledger-game.js";
import { inPositions, measureBeside, setsLeaving, stepInPositions } from "./attentions.js";
import type { Choices, SelectionContext } from "./selection-context.js";
import { evaluationLimit, searchBudget } from "./budget.js";
import { shiftedPairCosts } from "./shifted-pairs.js";
import { timedMasks, type TimeToSave } from "./timed.js";
import type { ChoosingSettings } from "../../api/options/settings.js";

interface Chooser {
	readonly choose: (play: SelectionContext) => Promise<Choices>;
	/** Masks that it measures at most. */
	readonly masks: (blocks: number, kmax: number, options: ChoosingSettings, tokens?: number) => number;
	/** The option `masks` with which it measures no more than `limit` masks, unjudged, as far as it can. @default it reads none */
	readonly masksWithin?: (limit: number, kmax: number) => number;
	/** The fewest masks with which it works at all. */
	readonly least: (blocks: number, kmax: number, granularity?: SearchGranularity) => number;
}

const ranked = (blocks: number, kmax: number, granularity?: SearchGranularity) => blocks + 1 + kmax + shiftedAlone(blocks, granularity);
const scored = (_blocks: number, kmax: number) => kmax + 1;
const descent = (blocks: number, kmax: number, { granularity }: ChoosingSettings) =>
	blocks + 1 + 9 * kmax + shiftedAlone(blocks, granularity);
/** Masks with which the repaired procedure works at all: the single removals, and some to learn from. */
const leastOfRound = (blocks: number) => blocks + 20;
const any = {
	masks: searchBudget,
	masksWithin: (limit: number) => limit,
};
const baseline = { masks: scored, least: scored };

const choosers: Readonly<Record<Method, Chooser>> = {
	greedy: { choose: chooseGreedy, masks: descent, least: ranked },
	"leave-one-out": {
		choose: chooseLeaveOneOut,
		// With shifted pairs it plays one round, and its sets of whole blocks race too.
		masks: (blocks, kmax, { rounds = 1, granularity }) => rounds * (blocks + 1) + kmax + shiftedAlone(blocks, granularity),
		least: ranked,
	},
	// It measures as many shifted pairs as fit.
	auto: { choose: chooseAuto, ...any, least: (blocks, kmax) => ranked(blocks, kmax) },
	paper: {
		choose: choosePaper,
		masks: (blocks, kmax, { maxEvaluations: masks = paperMasks }) => masks + judgedMasks(masks) + blocks + kmax + 1,
		masksWithin: (limit, kmax) => limit - kmax - 1,
		least: (_blocks, kmax) => kmax + 11,
	},
	"paper-repaired": {
		choose: choosePaperRepaired,
		masks: (_blocks, kmax, { maxEvaluations: masks = repairedMasks }) => masks + kmax + 1,
		masksWithin: (limit, kmax) => limit - kmax,
		least: (blocks, kmax) => leastOfRound(blocks) + kmax,
	},
	beam: {
		choose: chooseBeam,
		masks: (blocks, kmax, { granularity }) => blocks + 1 + 32 * kmax + shiftedAlone(blocks, granularity),
		least: ranked,
	},
	// Greedy's descent comes first, whatever it takes.
	swap: {
		...{ choose: chooseSwap, ...any },
		masks: (blocks, kmax, options, tokens) =>
			Math.max(searchBudget(blocks, kmax, options, tokens), leastOfSwap(blocks, kmax, options.granularity)),
		least: leastOfSwap,
	},
	// A start and a child of each size.
	evolutionary: { choose: chooseEvolutionary, ...any, least: (blocks, kmax) => blocks + 1 + 2 * kmax },
	contiguous: {
		choose: chooseContiguous,
		masks: (blocks, kmax, options) => {
			const ways = options.granularity === "half-block" ? 2 : 1;
			return blocks + 1 + sizesOf(options, kmax).reduce((sum, length) => sum + ways * (blocks - length) + 1, 0);
		},
		least: (blocks, kmax) => blocks + 1 + blocks - kmax + 1,
	},
	"block-influence": { choose: chooseScored, ...baseline },
	angular: { choose: chooseAngular, ...baseline },
	magnitude: { choose: chooseScored, ...baseline },
	random: { choose: chooseRandom, ...any, least: scored },
	first: { choose: chooseEdge, ...baseline },
	last: { choose: chooseEdge, ...baseline },
};

/** Numbers of removed blocks that are asked for. */
function sizesOf({ removeBlocks, removeFraction, removeAttention }: ChoosingSettings, kmax: number): number[] {
	const wholeCurve = (removeBlocks ?? removeFraction ?? removeAttention) === undefined;
	return wholeCurve ? Array.from({ length: kmax }, (_, i) => i + 1) : [kmax];
}

/** What a method is asked for. */
export interface MethodTask {
	readonly method: Method;
	readonly blocks: number;
	/** Most blocks that go. */
	readonly kmax: number;
	/** With attention parts: how many blocks are among them, which are searched first. @default 0 */
	readonly base?: number | undefined;
	/** What sets of other parts must save that are searched too. */
	readonly time?: TimeToSave | undefined;
}

/**
 * Masks that a method will measure at most, for estimates.
 * @param tokens that a mask runs; those of the windows where it is not given
 */
export function plannedMasks({ method, blocks, kmax, base = 0, time }: MethodTask, options: ChoosingSettings, tokens?: number): number {
	const { masks } = choosers[method];
	const beside = base === 0 ? 0 : masks(blocks, base, baseOptions(options, base, kmax), tokens);
	const all = beside + masks(blocks, kmax - base, besideBase(options, base, kmax), tokens);
	if (!time || options.maxTime !== undefined) return all;
	// All but random have measured each attention part alone by then.
	const known = method === "random" ? 0 : blocks;
	return Math.max(all, Math.min(all + timedMasks(blocks, time) - known, evaluationLimit(options, tokens)));
}

/**
 * How the blocks are searched that go beside attention parts: whole ones, as no final comparison weighs half-block cuts against them, with their share
 * of what may be spent. @param all of what is removed
 */
const baseOptions = (options: ChoosingSettings, count: number, all: number): ChoosingSettings => ({
	...sharing(options, count / all),
	granularity: "block",
	removeBlocks: count,
	removeAttention: undefined,
});

/** How the attention parts are searched: with what the blocks leave. */
const besideBase = (options: ChoosingSettings, base: number, all: number): ChoosingSettings =>
	base === 0 ? options : sharing(options, (all - base) / all);

/** The options with a share of what may be spent. */
function sharing({ maxEvaluations, maxTokens, maxTime, ...options }: ChoosingSettings, share: number): ChoosingSettings {
	return {
		...options,
		...(maxEvaluations === undefined ? {} : { maxEvaluations: Math.floor(share * maxEvaluations) }),
		...(maxTokens === undefined ? {} : { maxTokens: Math.floor(share * maxTokens) }),
		...(maxTime === undefined ? {} : { maxTime: share * maxTime }),
	};
}

/** The fewest masks with which a method finds sets of up to `kmax` blocks. */
export function leastMasks(method: Method, blocks: number, kmax: number, granularity?: SearchGranularity): number {
	return choosers[method].least(blocks, kmax, granularity);
}

/**
 * A budget that a method cannot keep is refused, not overspent.
 * @param tokens that a mask runs
 * @throws InvalidOptionError where `maxEvaluations` or `maxTokens` allow fewer masks than the method needs
 */
export function checkBudget({ base = 0, ...task }: MethodTask, options: ChoosingSettings, tokens: number): void {
	const { kmax } = task;
	if (base > 0) checkShare({ ...task, kmax: base }, baseOptions(options, base, kmax), tokens, options);
	checkShare({ ...task, kmax: kmax - base }, besideBase(options, base, kmax), tokens, options);
}

/** @param given what was asked for, of which the options are a share */
function checkShare({ method, blocks, kmax }: MethodTask, options: ChoosingSettings, tokens: number, given: ChoosingSettings): void {
	const { masksWithin, least } = choosers[method];
	checkRounds(method, blocks, Math.min(options.rounds ?? 1, kmax), options);
	const { maxEvaluations, maxTokens } = options;
	if (!masksWithin) return;
	const needed = masksWithin(least(blocks, kmax, options.granularity), kmax);
	const parts = options.granularity === "attention" ? "attention parts" : "blocks";
	const what = `${method} needs at least ${needed} evaluations to remove up to ${kmax} of ${blocks} ${parts}`;
	const ofBlocks = masksWithin(least(blocks, kmax), kmax);
	const more =
		ofBlocks < needed
			? `give more, remove fewer, or take whole blocks only (--granularity block needs ${ofBlocks})`
			: "give more, or remove fewer";
	const shared = maxEvaluations === given.maxEvaluations && maxTokens === given.maxTokens ? "" : ", which blocks and attention parts share";
	if (maxEvaluations !== undefined && maxEvaluations < needed)
		throw new InvalidOptionError(`${what}, got --max-evaluations ${given.maxEvaluations}${shared}: ${more}`);
	if (maxTokens !== undefined && maxTokens < needed * tokens)
		throw new InvalidOptionError(`${what} (${needed * tokens} tokens), got --max-tokens ${given.maxTokens}${shared}: ${more}`);
}

/** Each round of the repaired procedure ranks what is left with an equal share of the masks. */
function checkRounds(method: Method, blocks: number, rounds: number, { maxEvaluations: masks = repairedMasks }: ChoosingSettings): void {
	if (method !== "paper-repaired" || rounds === 1) return;
	const each = leastOfRound(blocks);
	if (Math.floor(masks / rounds) >= each) return;
	throw new InvalidOptionError(
		`paper-repaired needs at least ${each} evaluations a round with ${blocks} blocks, and ${rounds} rounds of ${masks} evaluations have ${Math.floor(masks / rounds)}: give more --max-evaluations, or fewer --rounds`,
	);
}

/** The options with which a method keeps to a number of masks, where it has one for that. */
export function optionsWithin(method: Method, limit: number, kmax: number): Pick<ChoosingSettings, "maxEvaluations"> {
	const maxEvaluations = choosers[method].masksWithin?.(limit, kmax);
	return maxEvaluations === undefined ? {} : { maxEvaluations };
}

/** Where a choice is made, beside the search split of the session. */
export interface ChooseSetting extends Pick<SearchOptions, "onStep"> {
	/** Says too what it measured: the best of that is what a search that is stopped leaves. @default the search split's */
	readonly game?: Game & Pick<LedgerGame, "played">;
	/** Sizes asked for. @default kmax where the options name an amount, else 1..kmax */
	readonly counts?: readonly number[] | undefined;
	/** @default true */
	readonly judged?: boolean;
	/** Whether the importance of shifted pairs is asked for, where they are searched. @default false */
	readonly ranking?: boolean;
	/** With granularity `attention`: what is removed beside the attention parts. @default nothing */
	readonly base?: readonly number[];
}

/**
 * Runs a method on the search split: sets of up to `kmax` removed positions, and contributions. Whether its budget is enough is for
 * {@link checkBudget} to say before.
 */
export async function choose(
	session: Session,
	task: Pick<MethodTask, "method" | "kmax">,
	options: ChoosingSettings,
	setting: ChooseSetting = {},
): Promise<Choices> {
	if (options.granularity === "attention") return chooseAttentions(session, task, options, setting);
	const { game = session.games.search, onStep } = setting;
	try {
		return await play(session, task, options, { ...setting, game });
	} finally {
		// Not every method goes by steps; what an interrupted batch has finished counts too, and the race that comes next may be interrupted.
		if (onStep) for (const step of bestMeasured(game, task.kmax, session.model.blocks.units)) onStep(step);
	}
}

/** The whole blocks that go beside attention parts: those of a number that lose least on the search split, attention parts being there. */
export async function chooseBase(
	session: Session,
	{ method, kmax: all, base: kmax }: Pick<MethodTask, "method" | "kmax"> & { readonly base: number },
	options: ChoosingSettings,
): Promise<readonly number[]> {
	const choices = await choose(session, { method, kmax }, { ...baseOptions(options, kmax, all), method });
	const { search } = session.games;
	const sets = setsLeaving(search, choices, { blocks: kmax, attentions: all - kmax });
	const measured = await search.measure(
		sets.map((removed) => Coalition.ofRemoved(search.players, removed)),
		{ phase: "comparing blocks", signal: options.signal },
	);
	const [best] = measured.sort((a, b) => meanLoss(a) - meanLoss(b));
	if (!best)
		throw new InvalidOptionError(
			`no candidate of exactly ${kmax} blocks was found that leaves ${all - kmax} attention parts to remove: give a smaller --remove-attention, or fewer blocks`,
		);
	return best.coalition.removed();
}

/** The same in the game of attention parts: in positions of the model, those of the base among them. */
async function chooseAttentions(
	session: Session,
	{ method, kmax }: Pick<MethodTask, "method" | "kmax">,
	options: ChoosingSettings,
	{ game = session.games.search, base = [], counts, onStep, ...rest }: ChooseSetting,
): Promise<Choices> {
	const inner = attentionGame(game, base);
	const task = { method, kmax: kmax - base.length };
	const beside = await measureBeside(game, base, { phase: "comparing blocks", signal: options.signal });
	const tell = onStep && ((step: SearchStep) => onStep(stepInPositions(inner, step, beside)));
	const asked = (counts ?? sizesOf(options, kmax)).map((count) => count - base.length);
	try {
		const setting = { ...rest, game: inner, counts: asked, ...(tell ? { onStep: tell } : {}) };
		return inPositions(inner, await play(session, task, besideBase(options, base.length, kmax), setting), beside);
	} finally {
		if (tell) for (const step of bestMeasured(inner, task.kmax)) tell(step);
	}
}

/** Plays a game of whole players, or of pairs of parts. */
async function play(
	session: Session,
	{ method, kmax }: Pick<MethodTask, "method" | "kmax">,
	options: ChoosingSettings,
	{ game, counts, judged = true, ranking = false, onStep }: ChooseSetting & Required<Pick<ChooseSetting, "game">>,
): Promise<Choices> {
	const { signal } = options;
	const granularity = options.granularity === "half-block" ? "half-block" : "block";
	// Attention parts are tied by no rule.
	const units = options.granularity === "attention" ? undefined : session.model.blocks.units;
	const meter = new LossMeter(game, { signal });
	const choices = await choosers[method].choose({
		session,
		game,
		search: { kmax, meter, signal, granularity, ...(units ? { units } : {}), ...(onStep ? { onStep } : {}) },
		counts: counts ?? sizesOf(options, kmax),
		options: { ...options, method },
		judged,
		ranking,
	});
	return granularity === "half-block" ? { ...choices, shiftedPairs: shiftedPairCosts(meter.measurements()) } : choices;
}
