// The tables of docs/developers/binaries.md, from targets.mjs and results.json. `npm run docs` writes them into the page.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { sourcesHash } from "./record.mjs";
import { readResults, seenOfBuilt } from "./results.mjs";
import { targets } from "./targets.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** Said of a file that today's sources do not make, or that does not say what made it. */
const older = "of older sources";
const megabytes = (bytes) => (bytes === undefined ? "-" : `${(bytes / 1e6).toFixed(1)} MB`);
const platforms = { linux: "Linux", win32: "Windows", darwin: "macOS" };

function libcOf({ libc, libcVersion, platform, cmake }) {
	if (platform === "darwin") return `macOS ${cmake.CMAKE_OSX_DEPLOYMENT_TARGET}`;
	return libc === null ? "UCRT" : `${libc} ${libcVersion}`;
}

/** In words, how a binary was tested. Nothing recorded of this file is nothing tested. */
function testedHow({ build, tests, run }, target, sources) {
	if (!build) return target.madeOn === "darwin" ? "not made yet: needs macOS" : "not made yet";
	const parts = [target.platform === "darwin" ? "libraries checked" : "symbols and libraries checked"];
	if (build.sources !== sources) parts.unshift(older);
	if (tests) parts.push(`${tests.passed} tests passed${tests.failed ? `, ${tests.failed} failed` : ""}`);
	if (run) parts.push(run.how);
	if (!tests && !run) parts.push("not tested");
	return parts.join("; ");
}

function binariesTable(results, sources) {
	const rows = targets.map((target) => {
		const result = seenOfBuilt(results[target.name]);
		const { build } = result;
		const sizes = `${megabytes(build?.bytes)} | ${megabytes(build?.packedBytes)}`;
		const asks = build?.asks.glibc ? `${libcOf(target)} (asks for ${build.asks.glibc})` : libcOf(target);
		return `| \`${target.name}\` | ${platforms[target.platform]} ${target.arch} | ${target.level} | ${asks} | ${build?.compiler ?? "-"} | ${sizes} | ${testedHow(result, target, sources)} |`;
	});
	return [
		"| name | platform | level | C library | compiler | size | compressed | tested how |",
		"|---|---|---|---|---|---|---|---|",
		...rows,
	].join("\n");
}

function needsTable() {
	const rows = targets.map(
		({ name, needs }) =>
			`| \`${name}\` | ${needs.length > 0 ? needs.map((flag) => `\`${flag}\``).join(" ") : "nothing beyond every CPU of its kind"} |`,
	);
	return ["| name | the CPU must have |", "|---|---|", ...rows].join("\n");
}

/** Speeds of the newest run. Those of another one are no ratios to compare: the machine was busy otherwise, or the threads were others. */
function speedsOfOneRun(results) {
	const measured = targets.flatMap(({ name }) => {
		const { build, speed } = seenOfBuilt(results[name]);
		return speed?.run ? [{ name, speed, sources: build.sources }] : [];
	});
	const newest = measured
		.map(({ speed }) => speed.run)
		.sort()
		.at(-1);
	return measured.filter(({ speed }) => speed.run === newest);
}

function speedTable(results, sources) {
	const measured = speedsOfOneRun(results);
	if (measured.length === 0) return "Not measured yet.";
	const titles = [...new Set(measured.flatMap(({ speed }) => Object.keys(speed.works)))];
	const count = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;
	const rows = measured.map(({ name, speed, sources: from }) => {
		const age = from === sources ? "" : `, ${older}`;
		const cells = titles.map((title) => (speed.works[title] ? speed.works[title].ratio.toFixed(2) : "-"));
		return `| \`${name}\` | ${cells.join(" | ")} | ${speed.beside} | ${speed.cpu}, ${count(speed.threads, "thread")} | ${speed.run.slice(0, 16).replace("T", " ")}, ${count(speed.rounds, "round")}${age} |`;
	});
	return [`| name | ${titles.join(" | ")} | beside | CPU | run (UTC) |`, `|${"---|".repeat(titles.length + 4)}`, ...rows].join("\n");
}

/** The page with its tables made from today's targets and results. @param sources hash of what binaries are made from today */
export function withBinaryTables(page, results = readResults(), sources = sourcesHash(root)) {
	const tables = { binaries: binariesTable(results, sources), needs: needsTable(), speed: speedTable(results, sources) };
	return Object.entries(tables).reduce((text, [name, table]) => {
		const pattern = new RegExp(`(<!-- ${name}: made by npm run docs: begin -->\n)[\\s\\S]*?(\n<!-- ${name}: end -->)`);
		if (!pattern.test(text)) throw new Error(`docs/developers/binaries.md lacks the place of the table ${name}`);
		return text.replace(pattern, (_, begin, end) => `${begin}\n${table}\n${end}`);
	}, page);
}

/** Reads the page at a path. */
export const binariesPage = (path) => withBinaryTables(readFileSync(path, "utf8"));
