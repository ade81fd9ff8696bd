import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { tempFolder } from "../helpers/temp-folder.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");
const { releaseFaults } = (await import(new URL("../../scripts/package/check-release.mjs", import.meta.url).href)) as {
	releaseFaults(files: { pkg: object; lock: object; changelog: string; tag?: string }): string[];
};
const { typeFaults } = (await import(new URL("../../scripts/package/types.mjs", import.meta.url).href)) as {
	typeFaults(root: string): string[];
};

const { targets } = (await import(new URL("../../scripts/prebuild/targets.mjs", import.meta.url).href)) as { targets: { name: string }[] };

describe("what a release is refused for", () => {
	const pkg = { version: "1.2.0", repository: { url: "git+https://example.org/x.git" }, publishConfig: { provenance: true } };
	const good = { pkg, lock: { version: "1.2.0" }, changelog: "# Changelog\n\n## 1.2.0 (2030-01-01)\n", tag: "v1.2.0" };

	it("nothing, if all is in order", () => expect(releaseFaults(good)).toEqual([]));

	it.each([
		["another tag", { ...good, tag: "v1.2.1" }, /^the tag is v1\.2\.1.*must be v1\.2\.0$/],
		["an old lock file", { ...good, lock: { version: "1.1.0" } }, /^package-lock\.json has 1\.1\.0/],
		["no entry in the changelog", { ...good, changelog: "## 1.2.0-rc.1\n" }, /no heading "## 1\.2\.0"/],
		["an entry that says so", { ...good, changelog: "## 1.2.0 (not released)\n" }, /put the date there/],
		["no repository", { ...good, pkg: { ...pkg, repository: undefined } }, /no repository\.url/],
		["no provenance", { ...good, pkg: { ...pkg, publishConfig: {} } }, /provenance must be true/],
		["a private package", { ...good, pkg: { ...pkg, private: true } }, /private/],
	])("%s", (_name, files, fault) => expect(releaseFaults(files)).toEqual([expect.stringMatching(fault)]));
});

describe("the workflows", () => {
	const folder = join(ROOT, ".github", "workflows");
	const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: Record<string, string> };

	it.each(readdirSync(folder))("%s says that it was not run, and calls what there is", (name) => {
		const text = readFileSync(join(folder, name), "utf8");
		expect(text.split("\n")[0]).toMatch(/^# Not run yet/);
		for (const [, script] of text.matchAll(/npm run ([\w:-]+)/g)) expect(Object.keys(scripts)).toContain(script);
		for (const [, path] of text.matchAll(/node (scripts\/\S+\.mjs)/g)) expect(existsSync(join(ROOT, path!))).toBe(true);
		expect(text).not.toMatch(/\t/);
	});
});

describe("the release", () => {
	const text = readFileSync(join(ROOT, ".github", "workflows", "release.yml"), "utf8");
	/** The lines of a job. */
	const job = (name: string) => new RegExp(`^  ${name}:\\n((?:(?:    .*)?\\n)+)`, "m").exec(text)![1]!;

	it("makes every binary, and packs none without another", () => {
		const words = new Set(text.split(/\s+/));
		expect(targets.length).toBeGreaterThan(5);
		expect(targets.filter(({ name }) => !words.has(name))).toEqual([]);
		expect(job("pack")).toContain("npm run lint:package -- --release --all-platforms");
		expect(job("try")).toContain("node scripts/package/try-package.mjs ");
	});

	it("publishes for a tag that is pushed, and only then", () => {
		expect([...text.matchAll(/npm publish/g)]).toHaveLength(1);
		expect(job("publish")).toMatch(/^ {4}if: github\.event_name == 'push' && github\.ref_type == 'tag'$/m);
		expect(job("publish")).toContain("npm publish ./");
	});

	it.skipIf(process.platform === "win32").each([
		["v1.2.3", "latest"],
		["v1.2.3-rc.1", "next"],
	])("publishes the file of %s with the tag %s", (ref, tag) => {
		const folder = tempFolder();
		mkdirSync(join(folder, "package"));
		writeFileSync(join(folder, "package", "prune-gguf-1.2.3.tgz"), "");
		writeFileSync(join(folder, "npm"), '#!/bin/sh\necho "npm $*"\n');
		chmodSync(join(folder, "npm"), 0o755);
		const step = /^ {6}- run: \|\n((?: {10}.*\n)+)/m.exec(job("publish"))![1]!;
		const env = { GITHUB_REF_NAME: ref, PATH: folder };
		const { stdout, stderr } = spawnSync("/bin/sh", ["-e", "-c", step], { cwd: folder, env, encoding: "utf8" });
		expect([stdout, stderr]).toEqual([`npm publish ./package/prune-gguf-1.2.3.tgz --provenance --access public --tag ${tag}\n`, ""]);
	});
});

describe("the types", () => {
	it("resolve as Node.js and bundlers resolve them, and a misspelled option is an error", () => expect(typeFaults(ROOT)).toEqual([]));
});
