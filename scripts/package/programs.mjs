// A PATH of its own for a run: what is not named there cannot be started.
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { delimiter, join } from "node:path";

/** A new folder with the only programs that are found, as far as this machine has them. @returns {string} the folder, for PATH */
export function programs(folder, names) {
	mkdirSync(folder);
	const found = (name) => (process.env.PATH ?? "").split(delimiter).find((path) => existsSync(join(path, name)));
	for (const name of names) {
		const path = found(name);
		if (path) symlinkSync(join(path, name), join(folder, name));
	}
	return folder;
}
