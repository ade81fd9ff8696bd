// The amount as a number, where a speed, or a share of the KV cache, says it.
import { type PruneJob, settledJob } from "../preflight/job.js";
import { searchesAttention } from "../preflight/context.js";
import type { Header, ReadOnce } from "../preflight/model-header.js";
import type { TargetSpeeds } from "../reporting/verdict.js";
import { atSpeed, warnBeforeQuantizing } from "../speed/target.js";
import type { AtContext } from "../speed/at-context.js";
import { attentionAmount, attentionsForSpeedup, toldContext, warnUncertain } from "./attention-amount.js";
import type { Amount, AskedAmount, Removable } from "./asked-amount.js";
import { removableOf } from "./removable.js";

/** A job whose amount needs no measuring any more, and what was measured for it. */
export interface SettledAmount {
	readonly options: PruneJob;
	readonly amount: Amount;
	readonly removable: Removable;
	/** What was measured for a target speed-up in blocks. */
	readonly speeds: TargetSpeeds | undefined;
	/** What is known of the context that attention parts are weighed at. */
	readonly at: AtContext | undefined;
}

/**
 * Measures what the amount depends on. An amount that is known by itself is checked before.
 * @param original header of the original whose weights are quantized
 * @throws InvalidOptionError, InvalidCandidateError for one that cannot be reached, and the errors of loading and measuring
 */
export async function settledAmount(header: Header, asked: AskedAmount, original: ReadOnce, job: PruneJob): Promise<SettledAmount> {
	const known = knownAmount(header, asked, job);
	const checked = known && (await removableOf(known, header, original, job));
	const at = await toldContext(header, job);
	const found = known ? { options: job, amount: known, speeds: undefined } : await atTarget(header, asked, at, job);
	const removable = checked ?? (await removableOf(found.amount, header, original, found.options));
	return { ...found, options: withSeen(found, at), removable, at };
}

/** An amount that needs no measuring; undefined for a speed-up. @throws InvalidOptionError for one of attention parts that cannot be reached */
function knownAmount(header: Header, asked: AskedAmount, job: PruneJob): Amount | undefined {
	if (searchesAttention(job)) return attentionAmount(header, asked, job);
	return job.targetSpeedup === undefined ? (asked as Amount) : undefined;
}

/** What a target speed-up needs. */
async function atTarget(
	header: Header,
	asked: AskedAmount,
	at: AtContext | undefined,
	job: PruneJob,
): Promise<Pick<SettledAmount, "options" | "amount" | "speeds">> {
	warnBeforeQuantizing(job);
	if (at) {
		const { speedup } = asked as Extract<AskedAmount, { speedup: number }>;
		warnUncertain(header, speedup, at, job);
		return { options: job, amount: attentionsForSpeedup(header, speedup, at, job.maxTime !== undefined), speeds: undefined };
	}
	const { removeBlocks, speedupOf, ratios } = await atSpeed(header, job);
	const speeds = { of: speedupOf, ratios };
	return { options: settledJob(job, { removeBlocks, speedupOf }), amount: { blocks: removeBlocks }, speeds };
}

/** The options with the number of attention parts and the text that a search of them sees. */
function withSeen({ options, amount }: Pick<SettledAmount, "options" | "amount">, at: AtContext | undefined): PruneJob {
	if (!at || !searchesAttention(options)) return options;
	// Sets that reach a speed-up or a share of the KV cache may differ in number.
	const counted = typeof amount === "object" && "attentions" in amount && !amount.time && (amount.range?.counts.length ?? 1) === 1;
	const { windows, windowLength } = options;
	const found = counted ? { removeAttention: amount.attentions } : {};
	return settledJob(options, { ...found, context: at.context, windows, windowLength });
}
