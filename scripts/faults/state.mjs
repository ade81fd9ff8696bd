// What a long run of a script has found so far, in a file: the same command goes on from there.
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

function parsed(path) {
	try {
		return JSON.parse(readFileSync(path, "utf8"));
	} catch {
		throw new Error(`${path} is not JSON as this script writes it: delete it, or name another file`);
	}
}

/**
 * @template T
 * @param {string | undefined} path undefined: nothing is kept
 * @param {object} settings which must be those of the run that goes on
 * @param {T} empty what a new run begins with
 * @returns {{ found: T, save(): void }} `found` is changed by the caller, and `save` writes it
 * @throws {Error} if the file is of other settings
 */
export function keptState(path, settings, empty) {
	const name = JSON.stringify(settings);
	let found = empty;
	if (path !== undefined && existsSync(path)) {
		const kept = parsed(path);
		if (JSON.stringify(kept.settings) !== name)
			throw new Error(`${path} is of a run with ${JSON.stringify(kept.settings)}, not ${name}: delete it, or name another file`);
		found = kept.found;
	}
	return {
		found,
		save() {
			if (path === undefined) return;
			mkdirSync(dirname(path), { recursive: true });
			writeFileSync(`${path}.partial`, `${JSON.stringify({ settings, found }, null, "\t")}\n`);
			renameSync(`${path}.partial`, path);
		},
	};
}
