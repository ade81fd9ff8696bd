// The files that a report becomes: the page, the same as JSON, the model card.
import { existsSync } from "node:fs";
import * as v from "valibot";
import type { JobOptions, PruneResult } from "../../api/index.js";
import { InvalidOptionError } from "../../errors.js";
import { logger } from "../../api/logger.js";
import { inputFiles } from "../preflight/metric.js";
import { blocksAsText } from "../../notation.js";
import { cardText } from "../../report/card.js";
import { REPORT_VERSION, type Report, reportSchema } from "../../report/report-data.js";
import { writeAtomically } from "../../storage/atomic-file.js";
import type { ReportTargets } from "../preflight/output-files.js";
import type { OwnOutput } from "../preflight/own-output.js";
import type { InputSettings, OverwriteSettings } from "../../api/options/settings.js";
import { shownText } from "../../storage/shown-text.js";

/**
 * The report as one HTML page that needs no network and no script.
 * @param report as a run gives it, or as its JSON file holds it
 * @throws InvalidOptionError for a report of another version, or what is no report
 */
export async function reportPage(report: Report): Promise<string> {
	const read = readReport(report);
	// Drawing takes packages that nothing else needs: they are loaded here.
	const { reportHtml } = await import("../../report/html.js");
	return reportHtml(read);
}

/**
 * The report as a model card in Markdown.
 * @param report as a run gives it, or as its JSON file holds it
 * @throws InvalidOptionError for a report of another version, or what is no report
 */
export function reportCard(report: Report): string {
	return cardText(readReport(report));
}

/** Reports come from JSON files as well, which types do not check, and which have sets of blocks as text. */
function readReport(report: Report): Report {
	checkVersion(report);
	const read = v.safeParse(reportSchema, report, { abortEarly: true });
	if (read.success) return read.output;
	const [issue] = read.issues;
	throw new InvalidOptionError(`this is no report of prune-gguf: ${shownText(`${v.getDotPath(issue) ?? "it"}: ${issue.message}`, 200)}`);
}

function checkVersion({ version }: { readonly version: unknown }): void {
	if (version === REPORT_VERSION) return;
	const names = version === 1 ? ". Some of its options have new names: CHANGELOG.md lists them" : "";
	throw new InvalidOptionError(
		`this is a report of version ${shownText(JSON.stringify(version) ?? "none")}; this program reads version ${REPORT_VERSION}: make it anew with the command that it names, which measures nothing again${names}`,
	);
}

/** What writing the files of a report reads. */
export type ReportFileSettings = InputSettings & OverwriteSettings & JobOptions;

/** Where a report goes. */
export interface ReportPlace {
	readonly targets: ReportTargets;
	/** Files that were read: none of them is replaced. */
	readonly inputs: readonly string[];
	/** Where an earlier run of the same command was ended: what is there stays, unless that run wrote it. */
	readonly own?: Pick<OwnOutput, "hasReport"> | undefined;
}

/**
 * Writes the report. What cannot be written is a warning: the model and the plan are there already.
 */
export async function writeReport(
	report: Report,
	{ targets: { page, data, card }, inputs, own }: ReportPlace,
	options: ReportFileSettings,
): Promise<Pick<PruneResult, "report" | "reportPath" | "modelCardPath">> {
	const settings = { overwrite: options.overwrite ?? false, inputs: [...inputs, ...inputFiles(options)] };
	const write = async (name: string, path: string | undefined, make: () => string | Promise<string>) => {
		if (path === undefined) return path;
		const again = await own?.hasReport(path);
		if (own && !again && existsSync(path)) return path;
		try {
			const text = await make();
			await writeAtomically(path, again ? { ...settings, overwrite: true } : settings, (handle) => handle.writeFile(text));
			return path;
		} catch (error) {
			logger(options)("warning", `${name} could not be written, nothing else is lost: ${(error as Error).message}`);
			return undefined;
		}
	};
	await write("the report's JSON", data, () => `${JSON.stringify(report, blocksAsText, "\t")}\n`);
	const reportPath = await write("the report", page, () => reportPage(report));
	const modelCardPath = await write("the model card", card, () => reportCard(report));
	return { report, ...(reportPath ? { reportPath } : {}), ...(modelCardPath ? { modelCardPath } : {}) };
}
