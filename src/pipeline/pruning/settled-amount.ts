// The amount as a number, where a speed, or a share of the KV cache, says it.
import { type PruneJob, settledJob } from "../preflight/job.js";
import { searchesAttention } from "../preflight/context.js";
import type { Header } from "../preflight/model-header.js";
import type { TargetSpeeds } from "../reporting/verdict.js";
import { atSpeed } from "../speed/target.js";
import type { AtContext } from "../speed/at-context.js";
import { atContext, attentionAmount, tellContext } from "./attention-amount.js";
import type { Amount, AskedAmount } from "./asked-amount.js";

/** A job whose amount needs no measuring any more, and what was measured for it. */
export interface SettledAmount {
	readonly options: PruneJob;
	readonly amount: Amount;
	/** What was measured for a target speed-up in blocks. */
	readonly speeds: TargetSpeeds | undefined;
	/** What is known of the context that attention parts are weighed at. */
	readonly at: AtContext | undefined;
}

/** Measures what the amount depends on. @throws InvalidOptionError for one that cannot be reached, and the errors of loading and measuring */
export async function settledAmount(header: Header, asked: AskedAmount, job: PruneJob): Promise<SettledAmount> {
	const at = await atContext(header, job);
	if (at) tellContext(header, at, job);
	if (at && searchesAttention(job)) {
		const amount = attentionAmount(header, asked, at, job);
		// Sets that reach a speed-up differ in number.
		const { windows, windowLength } = job;
		const found = typeof amount === "object" && !amount.time ? { removeAttention: amount.attentions } : {};
		return { options: settledJob(job, { ...found, context: at.context, windows, windowLength }), amount, speeds: undefined, at };
	}
	if (job.targetSpeedup === undefined) return { options: job, amount: asked as Amount, speeds: undefined, at };
	const { removeBlocks, speedupOf, ratios } = await atSpeed(header, job);
	const speeds = { of: speedupOf, ratios };
	return { options: settledJob(job, { removeBlocks, speedupOf }), amount: { blocks: removeBlocks }, speeds, at };
}
