import type { GranularityUsed, Method, RankMethod } from "../../api/index.js";
import { InvalidOptionError } from "../../errors.js";
import { granularities } from "../../game/pairs.js";
import { STRATA_PRESETS } from "../../game/strata.js";
import type { BlockPlan } from "../../model/architectures/index.js";
import { factsOf, isEstimator, methodOptions, methods } from "../../api/methods.js";
import type { AmountSettings, MethodSettings } from "../../api/options/settings.js";
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
	if (options.granularity !== undefined && !granularities.includes(options.granularity))
		throw new InvalidOptionError(`granularity must be one of ${granularities.join(", ")}, got ${options.granularity}`);
	if (options.granularity === "half-block" && (options.rounds ?? 1) > 1)
		throw new InvalidOptionError("--rounds ranks whole blocks again after each cut: leave out --rounds or --granularity half-block");
	const reads = (other: Method) => factsOf(other).reads ?? [];
	// Whole blocks are what every method removes.
	const given = methodOptions.filter((name) => options[name] !== undefined && options[name] !== "block");
	const unread = given.filter((name) => !reads(method).includes(name));
	if (unread.length === 0) return;
	const names = unread.map((name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
	const readers = methods.filter((other) => unread.every((name) => reads(other).includes(name)));
	const several = unread.length > 1;
	throw new InvalidOptionError(
		`${names.join(", ")} ${several ? "belong" : "belongs"} to ${readers.length > 0 ? `--method ${readers.join(", ")}` : "other methods"}; ${method} does not read ${several ? "them" : "it"}`,
	);
}

/**
 * What a search removes: what was given, else half-block cuts too if the method and the architecture allow them.
 * @param asked what was given, and the method
 * @throws InvalidOptionError for half-block cuts that were asked for on an architecture that has none, with its reason
 */
export function granularityOf(
	{ method, granularity, rounds = 1 }: Pick<MethodSettings, "granularity" | "rounds"> & { readonly method: RankMethod },
	blocks: Pick<BlockPlan, "architecture" | "parts">,
): GranularityUsed {
	checkGranularity({ granularity }, blocks);
	const { architecture, parts } = blocks;
	if (granularity !== undefined) return { used: granularity, reason: "as given" };
	const whole = (reason: string): GranularityUsed => ({ used: "block", reason });
	if (isEstimator(method) || !factsOf(method).reads?.includes("granularity")) return whole(`${method} takes whole blocks only`);
	if (rounds > 1) return whole("--rounds ranks whole blocks again after each cut");
	if (!parts.allowed) return whole(`the architecture ${shownText(architecture)} has no half-block cuts: ${parts.reason}`);
	return { used: "half-block", reason: `the default of ${method} for the architecture ${shownText(architecture)}` };
}

/** The job with the granularity that its search has; nothing is searched where blocks are named. @throws InvalidOptionError */
export function withGranularity<J extends Searching>(job: J, blocks: Pick<BlockPlan, "architecture" | "parts">): J {
	if (job.remove === undefined) return jobWith<Searching>(job, { granularity: granularityOf(job, blocks).used }) as J;
	checkGranularity(job, blocks);
	return job;
}

type Searching = Pick<MethodSettings, "granularity" | "rounds"> & Pick<AmountSettings, "remove"> & { readonly method: RankMethod };

/**
 * Half-block cuts need blocks of two parts, one after the other.
 * @throws InvalidOptionError, with the architecture's reason
 */
export function checkGranularity(options: Pick<MethodSettings, "granularity">, blocks: Pick<BlockPlan, "architecture" | "parts">): void {
	if (options.granularity !== "half-block") return;
	if (blocks.parts.allowed) return;
	const { architecture, parts } = blocks;
	throw new InvalidOptionError(`--granularity half-block cannot be used with architecture ${architecture}: ${parts.reason}`);
}
