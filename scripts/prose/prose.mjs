// Faults of the texts of this project: words that must go, and long sentences.
//   node scripts/prose/prose.mjs [FILES] [--area NAME] [--figures]
//
// Without files it reads all areas of this checkout. Files may be of another checkout. A Markdown page outside of one is read as a page for
// users. --figures: words, sentences and the mean length of a sentence for each page. The exit code is 1 if there is a fault.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { areas, filesOf, passagesOf } from "./areas.mjs";
import { checkPages, faultLine } from "./check.mjs";

/** Faults and figures of an area of a checkout. */
export function checkArea(root, area) {
	return checkPages(
		area,
		filesOf(root, area).map((file) => ({ file, passages: passagesOf(root, area, file) })),
	);
}

/** The checkout that a file is in: the nearest folder above it with a package.json; undefined outside of one. */
function rootOf(path) {
	for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder))
		if (existsSync(join(folder, "package.json"))) return folder;
	return undefined;
}

/** Faults and figures of one file, in every area that it is in. */
export function checkFile(path) {
	const root = rootOf(path);
	const file = root ? relative(root, path).split(sep).join("/") : path;
	const own = areas.filter((area) => area.holds(file));
	// The mean of an area says nothing of one of its files.
	const alone = (area) => (area.mean === "area" ? { ...area, mean: "nothing" } : area);
	if (own.length > 0) return own.map((area) => checkPages(alone(area), [{ file, passages: passagesOf(root, area, file) }]));
	if (!path.endsWith(".md")) throw new Error(`${path}: is in no area (scripts/prose/areas.mjs) and no Markdown page`);
	const page = areas.find(({ name }) => name === "docs");
	return [checkPages(page, [{ file, passages: page.passages(readFileSync(path, "utf8"), file) }])];
}

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
	const { values, positionals } = parseArgs({
		allowPositionals: true,
		options: { area: { type: "string" }, figures: { type: "boolean", default: false } },
	});
	const root = resolve(fileURLToPath(import.meta.url), "..", "..", "..");
	const asked = areas.filter(({ name }) => values.area === undefined || name === values.area);
	if (asked.length === 0) throw new Error(`no area ${values.area}: there are ${areas.map(({ name }) => name).join(", ")}`);
	const results =
		positionals.length > 0 ? positionals.flatMap((path) => checkFile(resolve(path))) : asked.map((area) => checkArea(root, area));
	for (const { faults, figures } of results) {
		for (const fault of faults) process.stdout.write(`${faultLine(fault)}\n`);
		if (!values.figures) continue;
		for (const { file, words, sentences, mean } of figures)
			if (sentences > 0) process.stdout.write(`${file}: ${words} words, ${sentences} sentences, mean ${mean.toFixed(1)}\n`);
	}
	process.exitCode = results.some(({ faults }) => faults.length > 0) ? 1 : 0;
}
