// The code version behind rows of healing.mjs: rows of another version never count for this one.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dist } from "./lib.mjs";

/** Files that affect the new tensors and whether they are kept. */
const parts = [
	[new URL("pipeline/healing/", dist), /^(heal-model|text|head-factors|memory|reference-text)\.js$/],
	[new URL("pipeline/session/paired-figures.js", dist)],
	[new URL("model/fitting/", dist), /\.js$/],
	[new URL("model/runtime/states.js", dist)],
	[new URL("model/runtime/", dist), /^(evaluator|masks|resuming)\.js$/],
	[new URL("game/statistics.js", dist)],
	[new URL("model/calibration/positions.js", dist)],
	[
		new URL("../../native/", import.meta.url),
		/^(healing|healing_rows|healing_jobs|equation_jobs|weight_jobs|normal_equations|dense|block_run|layer_view(?:_[a-z]+)?|stacked_block|own_tensor|contexts|losses|scored_positions|sweep|windows)\.(cpp|h)$/,
	],
	[new URL("healing-methods.mjs", import.meta.url)],
];

/** A hash of the code that heals. */
export function codeHash() {
	const hash = createHash("sha256");
	for (const [place, names] of parts) {
		const files = names
			? readdirSync(place)
					.filter((name) => names.test(name))
					.sort()
			: [""];
		for (const name of files) hash.update(readFileSync(new URL(name, place)));
	}
	return hash.digest("hex").slice(0, 12);
}

/** The commit, for readers of the rows; with a plus if files differ from it. */
export function commit() {
	const git = (...args) => execFileSync("git", args, { cwd: fileURLToPath(new URL(".", import.meta.url)), encoding: "utf8" }).trim();
	try {
		return git("rev-parse", "--short=12", "HEAD") + (git("status", "--porcelain", "-uno") === "" ? "" : "+");
	} catch {
		return "unknown";
	}
}
