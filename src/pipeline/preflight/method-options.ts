import type { GranularityUsed, JobOptions, Method, RankMethod } from "../../api/index.js";
import { logger } from "../../api/logger.js";
import { InvalidOptionError } from "../../errors.js";
import { STRATA_PRESETS } from "../../game/strata.js";
import type { BlockPlan } from "../../model/architectures/index.js";
import { searchGranularities } from "../../api/measure.js";
import { factsOf, isEstimator, methodOptions, methods } from "../../api/methods.js";
import type { AmountSettings, MethodSettings, SweepSettings, TextSettings } from "../../api/options/settings.js";
import { shownText } from "../../storage/shown-text.js";
import { jobWith } from "./job.js";

/**
 * Options that the method does not read are a mistake, not a wish.
 * @throws InvalidOptionError
 */
export function checkMethodOptions(method: Method, options: MethodSettings & Pick<AmountSettings, "remove">): void {
	if (options.remove && options.method !== undefined) {
		throw new InvalidOptionError("--method chooses which blocks to remove; with --remove they are given: leave one of them out");
	}
	if (options.rounds !== undefined && (!Number.isInteger(options.rounds) || options.rounds < 1))
		throw new InvalidOptionError(`rounds must be a whole number of at least 1, got ${options.rounds}`);
	const { maxTime } = options;
	if (maxTime !== undefined && !(Number.isFinite(maxTime) && maxTime > 0))
		throw new InvalidOptionError(`maxTime must be a number of seconds above 0, got ${maxTime}`);
	if (options.strata !== undefined && options.strataPreset !== undefined)
		throw new InvalidOptionError("--strata and --strata-preset say the same thing twice: give one of them");
	if (options.strataPreset !== undefined && !(options.strataPreset in STRATA_PRESETS))
		throw new InvalidOptionError(`strata-preset must be one of ${Object.keys(STRATA_PRESETS).join(", ")}, got ${options.strataPreset}`);
	if (options.granularity !== undefined && !searchGranularities.includes(options.granularity))
		throw new InvalidOptionError(`granularity must be one of ${searchGranularities.join(", ")}, got ${options.granularity}`);
	if (options.granularity !== undefined && options.granularity !== "block" && (options.rounds ?? 1) > 1)
		throw new InvalidOptionError(
			`--rounds ranks whole blocks again after each cut: leave out --rounds or --granularity ${options.granularity}`,
		);
	// A note says that they change nothing.
	if (options.remove) return;
	const reads = (other: Method) => factsOf(other).reads ?? [];
	// Whole blocks are what every method removes.
	const given = methodOptions.filter((name) => options[name] !== undefined && options[name] !== "block");
	const unread = given.filter((name) => !reads(method).includes(name));
	if (unread.length === 0) return;
	const names = unread.map(flagOf);
	const readers = methods.filter((other) => unread.every((name) => reads(other).includes(name)));
	const several = unread.length > 1;
	throw new InvalidOptionError(
		`${names.join(", ")} ${several ? "belong" : "belongs"} to ${readers.length > 0 ? `--method ${readers.join(", ")}` : "other methods"}; ${method} does not read ${several ? "them" : "it"}`,
	);
}

const flagOf = (name: string): string => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;

/** Options of a search that `--remove` leaves nothing to do. `--max-time` bounds the rest of the run too. */
const ofSearch = [...methodOptions.filter((name) => name !== "maxTime"), "racing"] as const;

/** Says which options change nothing, since blocks that are named are not searched. Racing changes how much self-generated text is drawn. */
export function noteUnsearched({
	asked,
	...options
}: JobOptions & {
	readonly asked: MethodSettings & Pick<AmountSettings, "remove"> & Pick<SweepSettings, "racing"> & Pick<TextSettings, "calibration">;
}): void {
	if (asked.remove === undefined) return;
	const given = ofSearch.filter((name) => asked[name] !== undefined && asked[name] !== false);
	const unused = given.filter((name) => name !== "racing" || (asked.calibration ?? []).length > 0);
	if (unused.length === 0) return;
	const names = unused.map(flagOf);
	const last = names.pop()!;
	const all = names.length === 0 ? `${last} changes` : `${names.join(", ")} and ${last} change`;
	logger(options)("note", `${all} nothing: --remove names what is removed, so nothing is searched`);
}

/**
 * What a search removes: what was given, else half-block cuts too if the method and the architecture allow them.
 * @param asked what was given, and the method
 * @throws InvalidOptionError for half-block cuts that were asked for on an architecture that has none, with its reason
 */
export function granularityOf(
	{ method, granularity: given, rounds = 1, ...amount }: Omit<Searching, "remove">,
	blocks: PlanOfParts,
): GranularityUsed {
	const asked = attentionOption(amount);
	const granularity = given ?? (asked === undefined ? undefined : "attention");
	if (asked !== undefined && granularity !== "attention")
		throw new InvalidOptionError(`${asked} removes attention parts alone: leave out --granularity ${granularity}`);
	if (granularity === "attention" && rounds > 1)
		throw new InvalidOptionError(
			`--rounds ranks whole blocks again after each cut: leave out --rounds or ${asked ?? "--granularity attention"}`,
		);
	checkGranularity({ granularity }, blocks, given === "attention" && asked ? `--granularity attention and ${asked}` : asked);
	const { architecture, parts } = blocks;
	if (granularity === "attention") checkChoosesAttention(method, asked);
	if (granularity !== undefined) return { used: granularity, reason: given === undefined ? `asked for by ${asked}` : "as given" };
	const whole = (reason: string): GranularityUsed => ({ used: "block", reason });
	if (isEstimator(method) || !factsOf(method).reads?.includes("granularity")) return whole(`${method} takes whole blocks only`);
	if (rounds > 1) return whole("--rounds ranks whole blocks again after each cut");
	if (!parts.allowed) return whole(`the architecture ${shownText(architecture)} has no half-block cuts: ${parts.reason}`);
	return { used: "half-block", reason: `the default of ${method} for the architecture ${shownText(architecture)}` };
}

/** @throws InvalidOptionError for a method that chooses whole blocks only */
function checkChoosesAttention(method: RankMethod, asked: string | undefined): void {
	const chooses = (other: Method) => factsOf(other).reads?.includes("granularity") === true;
	if (isEstimator(method) || chooses(method)) return;
	throw new InvalidOptionError(
		`--method ${method} chooses whole blocks only, and ${asked ?? "--granularity attention"} removes attention parts: use --method ${methods.filter(chooses).join(", ")}`,
	);
}

/** Blocks whose attention part can be removed alone, ascending. */
export function removableAttentions({ blocks, check }: Pick<BlockPlan, "blocks" | "check">): number[] {
	return Array.from({ length: blocks }, (_, block) => block).filter((block) => check([block + 0.25]) === undefined);
}

/** Attention parts that are removed at most if nobody says how many: half of those that can go. */
export const usualAttentions = (plan: Pick<BlockPlan, "blocks" | "check">): number =>
	Math.max(1, Math.floor(removableAttentions(plan).length / 2));

/** The job with the granularity that its search has; nothing is searched where blocks are named. @throws InvalidOptionError */
export function withGranularity<J extends Searching>(job: J, blocks: PlanOfParts): J {
	return job.remove === undefined ? (jobWith<Searching>(job, { granularity: granularityOf(job, blocks).used }) as J) : job;
}

type Searching = Pick<MethodSettings, "granularity" | "rounds"> &
	Pick<AmountSettings, "remove" | "removeAttention" | "targetKv"> & { readonly method: RankMethod };
type PlanOfParts = Pick<BlockPlan, "architecture" | "parts" | "attention">;

/** The option that asks for attention parts, as it is written. */
const attentionOption = ({ removeAttention, targetKv }: Pick<AmountSettings, "removeAttention" | "targetKv">): string | undefined =>
	targetKv !== undefined ? "--target-kv" : removeAttention !== undefined ? "--remove-attention" : undefined;

/**
 * Half-block cuts need blocks of two parts, one after the other; attention parts can go where llama.cpp runs blocks without one.
 * @param asked option that asks for attention parts, if it is not the granularity itself
 * @throws InvalidOptionError, with the architecture's reason
 */
export function checkGranularity(options: Pick<MethodSettings, "granularity">, blocks: PlanOfParts, asked?: string): void {
	const { architecture, parts, attention } = blocks;
	if (options.granularity === "attention" && !attention.allowed) {
		const instead = parts.allowed ? "whole blocks or half-block cuts" : "whole blocks";
		throw new InvalidOptionError(
			`attention parts cannot be removed alone from a model of architecture ${shownText(architecture)}: ${attention.reason}. Remove ${instead} instead: leave out ${asked ?? "--granularity attention"}`,
		);
	}
	if (options.granularity !== "half-block" || parts.allowed) return;
	throw new InvalidOptionError(`--granularity half-block cannot be used with architecture ${architecture}: ${parts.reason}`);
}
