import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { beforeEach } from "vitest";
import { fixturePath } from "./fixture.js";
import { ownHomes } from "./home.js";

/** A home and a copy of the 12-block model for each test of the file: what takes the copy's name, and what caches hold of it. */
export function ownModel() {
	const { folder, home, fresh } = ownHomes();
	let path = "";
	beforeEach(() => {
		path = `${fresh("model")}.gguf`;
		copyFileSync(fixturePath, path);
	});
	return {
		...{ folder, home, path: () => path },
		/** Another model takes the name; what is loaded stays what it was. */
		replaceBy(other: string): void {
			copyFileSync(other, `${path}.other`);
			renameSync(`${path}.other`, path);
		},
		/** Lines of all caches of a kind, but for their headers. @param kind how the names of their files end */
		keptLines(kind: string): string[] {
			if (!existsSync(home())) return [];
			const names = readdirSync(home(), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(kind));
			return names.flatMap((name) => readFileSync(join(home(), name), "utf8").split("\n").slice(1)).filter((line) => line !== "");
		},
	};
}
