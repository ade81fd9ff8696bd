// The files that a run would write, and whether it may: checked before hours of measuring.
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { InvalidOptionError } from "../../errors.js";
import type { GgufFile } from "../../model/gguf/index.js";
import { inputFiles } from "./metric.js";
import { type ModelHeaderOptions, type ReadOnce, readModelHeader } from "./model-header.js";
import type { OwnOutput } from "./own-output.js";
import { checkTarget } from "../../storage/atomic-file.js";
import type { MethodSettings, InputSettings, OverwriteSettings, ReportSettings, Settings } from "../../api/options/settings.js";

/** Where a plan goes that is named. */
type PlanSettings = Pick<Settings<"prune">, "plan">;

/**
 * Every file that a run reads, whatever it is called by: all shards of the model and of the original whose weights are quantized, texts
 * and questions.
 * @param original header of the original
 * @throws InvalidGgufError, FileError where the original cannot be read
 */
export async function filesRead({ paths }: Pick<GgufFile, "paths">, original: ReadOnce, options: InputSettings): Promise<string[]> {
	return [...paths, ...((await original.file())?.paths ?? []), ...inputFiles(options)];
}

/** What a run would write, and what it reads. */
export interface PlannedFiles {
	/** The model. */
	readonly file: Pick<GgufFile, "paths">;
	/** Header of the original whose weights are quantized. */
	readonly original: ReadOnce;
	readonly output: string | undefined;
	/** Whether nothing says how much to remove: then neither a model nor a plan is written. */
	readonly curve: boolean;
	readonly own?: OwnOutput | undefined;
}

/**
 * Checks every file that a run would write. What an earlier run of the same command wrote before it was ended is not in its way.
 * @throws InvalidOptionError where two of them have one name
 * @throws OutputExistsError, FileError where one cannot be written
 */
export async function checkTargets(
	{ file, original, output, curve, own }: PlannedFiles,
	options: PlanSettings & ReportSettings & InputSettings & OverwriteSettings,
): Promise<void> {
	if (options.dryRun) return;
	const { page, data, card } = reportTargets(curve ? undefined : output, options);
	const results = [
		["output", output],
		["plan", options.plan ?? (output === undefined ? undefined : `${output}.plan.json`)],
	] as const;
	const named = [...(curve ? [] : results), ["report", page], ["report's JSON", data], ["model card", card]] as const;
	const targets = named.flatMap(([name, path]) => (path === undefined ? [] : [{ name, path }]));
	for (const [i, { name, path }] of targets.entries()) {
		const other = targets.slice(0, i).find((one) => resolve(one.path) === resolve(path));
		if (other) throw new InvalidOptionError(`${path} cannot be both the ${other.name} and the ${name}: give two names`);
	}
	const target = { overwrite: options.overwrite ?? false, inputs: await filesRead(file, original, options) };
	for (const { name, path } of targets) if (!(own?.isThere && (await isOwn(own, name, path)))) await checkTarget(path, target);
}

/** Nothing in the report's files says whose they are, so they are left alone. */
async function isOwn(own: OwnOutput, name: string, path: string): Promise<boolean> {
	return existsSync(path) && (name !== "plan" || own.hasPlan(path));
}

/**
 * Checks a run that nothing tells how much to remove: it measures the curve, and has no model or plan to write. A model that cannot be
 * read is said first: whoever adds the amount would be told of it next.
 * @throws InvalidOptionError where something is to be written, and what reading the model's header throws
 */
export async function checkWritesNothing(
	model: string,
	output: string | undefined,
	options: PlanSettings & ModelHeaderOptions & Pick<MethodSettings, "granularity">,
): Promise<void> {
	if (output === undefined && options.plan === undefined) return;
	await readModelHeader(model, options);
	const attention = options.granularity === "attention";
	const amounts = attention ? "--remove-attention 9, --target-kv 50%" : "--remove-blocks 4, --target-size 3.5GB";
	const how = `say how much to remove, for example with ${amounts} or --max-ppl-ratio 1.2`;
	throw new InvalidOptionError(
		output === undefined
			? `--save-plan needs an amount: ${how}`
			: `${output} cannot be written without an amount: ${how}; or leave the output out, to see what removing ${attention ? "attention parts" : "blocks"} costs`,
	);
}

/** Where the parts of a report go; what is undefined is not written. */
export interface ReportTargets {
	/** HTML. */
	readonly page?: string | undefined;
	/** JSON, beside the page. */
	readonly data?: string | undefined;
	/** Markdown. */
	readonly card?: string | undefined;
}

/** The files of a report, as many as are written. */
export function reportFiles(output: string, options: ReportSettings): string[] {
	const { page, data, card } = reportTargets(output, options);
	return [page, data, card].filter((path) => path !== undefined);
}

/**
 * Names of the files, from the options and the output's name.
 * @throws InvalidOptionError where the page is named like its JSON
 */
export function reportTargets(output: string | undefined, { report, modelCard, dryRun }: ReportSettings): ReportTargets {
	if (dryRun) return {};
	const page = report === false ? undefined : (report ?? (output === undefined ? undefined : `${output}.report.html`));
	if (page !== undefined && /\.json$/i.test(page))
		throw new InvalidOptionError(
			`the report is an HTML page, and its JSON is written beside it: name it ${page.replace(/\.json$/i, ".html")}`,
		);
	return { page, data: page && `${page.replace(/\.html?$/i, "")}.json`, card: modelCard };
}
