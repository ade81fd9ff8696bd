import { join } from "node:path";
import { beforeEach } from "vitest";
import type { PruneOptions } from "../../src/api/index.js";
import { tempFolder } from "./temp-folder.js";

/**
 * Small splits: the tests do not depend on how much text there is. Drawing a report, and measuring speed and texts, take as long as
 * a small search.
 */
export const small = { windows: 3, windowLength: 32, threads: 2, report: false, speed: false, samples: 0 } satisfies PruneOptions;

/** A folder of the test file, in which each test has its own home (cache and plans). */
export function ownHomes() {
	const folder = tempFolder();
	let runs = 0;
	let home = "";
	const fresh = (name: string) => join(folder, `${name}-${runs++}`);
	const newHome = () => {
		home = fresh("home");
		process.env.PRUNE_GGUF_HOME = home;
	};
	beforeEach(newHome);
	return { folder, home: () => home, newHome, fresh, out: () => `${fresh("out")}.gguf` };
}
