import { basename, join } from "node:path";
import type { ExamineOptions } from "./examine.js";
import { makeFixtures } from "./fixtures.js";
import { type Rewrite, rewrite } from "./rewrite.js";

/** A model that shows what the generator's models hide. */
export interface Trap {
	name: string;
	/** Makes the model in a folder of its own, and returns its path. */
	make(folder: string): Promise<string>;
	options?: Partial<ExamineOptions>;
}

/** One of the generator's models, with experts if it makes one, with a change that may depend on it. */
export function changed(name: string, architecture: string, change: Rewrite | ((source: string) => Promise<Rewrite>)): Trap {
	return {
		name,
		async make(folder) {
			const made = makeFixtures(architecture, folder);
			const source = made.find((path) => basename(path).endsWith("-moe.gguf")) ?? made[0];
			if (!source) throw new Error(`the generator made no ${architecture}`);
			return rewrite(source, join(folder, `${name}.gguf`), typeof change === "function" ? await change(source) : change);
		},
	};
}
