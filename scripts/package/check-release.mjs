// Checks before a release what would fail late, or be wrong for good: node scripts/package/check-release.mjs [--tag v1.2.3]
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const projectRoot = fileURLToPath(new URL("../..", import.meta.url));

/**
 * @param {{ pkg: object, lock: object, changelog: string, tag?: string }} files package.json, package-lock.json and CHANGELOG.md
 * @returns {string[]} what to change, as sentences
 */
export function releaseFaults({ pkg, lock, changelog, tag }) {
	const faults = [];
	const { version } = pkg;
	if (!/^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/.test(version)) faults.push(`package.json: the version ${version} is none`);
	if (tag !== undefined && tag !== `v${version}`)
		faults.push(`the tag is ${tag}, and package.json has ${version}: the tag must be v${version}`);
	if (lock.version !== version) faults.push(`package-lock.json has ${lock.version}: run npm install --package-lock-only`);
	const heading = changelog.split("\n").find((line) => line === `## ${version}` || line.startsWith(`## ${version} `));
	if (heading === undefined) faults.push(`CHANGELOG.md has no heading "## ${version}"`);
	else if (/not released/.test(heading)) faults.push(`CHANGELOG.md says "${heading}": put the date there`);
	// npm compares it with the repository that the workflow ran in, and refuses the provenance of another.
	if (pkg.repository?.url === undefined) faults.push("package.json has no repository.url: npm refuses provenance without it");
	if (pkg.publishConfig?.provenance !== true) faults.push("package.json: publishConfig.provenance must be true");
	if (pkg.private) faults.push("package.json: private packages cannot be published");
	return faults;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const { tag } = parseArgs({ options: { tag: { type: "string" } } }).values;
	const read = (name) => readFileSync(join(projectRoot, name), "utf8");
	const files = {
		pkg: JSON.parse(read("package.json")),
		lock: JSON.parse(read("package-lock.json")),
		changelog: read("CHANGELOG.md"),
		tag,
	};
	const faults = releaseFaults(files);
	for (const fault of faults) process.stderr.write(`error: ${fault}\n`);
	if (faults.length > 0) process.exitCode = 1;
}
