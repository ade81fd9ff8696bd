// The report of a run that is going on: what it warns of is kept, and at its end the report is made and written.
import type { GranularityUsed, JobOptions, LogEvent, PruneResult } from "../../api/index.js";
import { logger } from "../../api/logger.js";
import { makeReport } from "./report.js";
import type { OwnOutput } from "../preflight/own-output.js";
import { type Session, summarize } from "../session/session.js";
import { sizesWithout } from "../preflight/model-sizes.js";
import { type ReportFileSettings, writeReport } from "./files.js";
import { reportTargets } from "../preflight/output-files.js";
import type { RunFacts, RunOutcome } from "./facts.js";
import { planOrigin } from "../planning/origin.js";
import type { AskedSettings, ReportSettings } from "../../api/options/settings.js";

/** A run from its beginning. */
export interface Run {
	/** Milliseconds since 1970. */
	readonly started: number;
	/** What was warned of so far. */
	readonly warnings: string[];
	/** What the search removes; missing where blocks are named. */
	readonly granularity?: GranularityUsed | undefined;
	/** Where a model is written. */
	readonly own?: OwnOutput | undefined;
}

/** What the report at the end of a run reads. */
export type ReportRunSettings = ReportSettings & ReportFileSettings;

/** The same options, with every warning also put among those of the run. */
export function watched<Options extends JobOptions>(options: Options, warnings: string[]): Options {
	const onLog = (event: LogEvent) => {
		if (event.level === "warning") warnings.push(event.message);
		options.onLog?.(event);
	};
	return { ...options, onLog };
}

/** What is known beside the session. */
export type KnownFacts = Pick<RunFacts, "choices" | "decided" | "speeds" | "warnings" | "at"> & { readonly output: string | undefined };

/** What the report needs of a session, taken while it is open. */
export function runFacts(
	session: Session,
	{ output, choices, decided, speeds, warnings, at }: KnownFacts,
	options: AskedSettings,
): RunFacts {
	const { model, metric } = session;
	return {
		...{
			model: summarize(model),
			metric,
			origin: planOrigin(session, output, options.asked, choices?.granularity),
			sizes: sizesWithout(model),
		},
		inputs: model.file.paths,
		frozen: [...model.blocks.frozen].map(([block, reason]) => ({ block, reason })),
		...{ choices, decided, speeds, warnings, at },
	};
}

/** Makes the report, and writes what was asked for. A fault in it is a warning: everything else is written already. */
export async function reportRun(
	facts: RunFacts,
	outcome: Omit<RunOutcome, "seconds">,
	{ started, own }: Run,
	options: ReportRunSettings,
): Promise<Pick<PruneResult, "report" | "reportPath" | "modelCardPath">> {
	const targets = reportTargets(outcome.output?.path, options);
	try {
		const report = makeReport(facts, { ...outcome, seconds: (Date.now() - started) / 1000 });
		return await writeReport(report, { targets, inputs: facts.inputs, own: own?.isThere ? own : undefined }, options);
	} catch (error) {
		logger(options)("warning", `the report could not be made, nothing else is lost: ${(error as Error).message}`);
		return {};
	}
}
