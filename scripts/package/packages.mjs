// What npm installs with a package, as the lock file has it.
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * npm's own bill of materials of what is installed with the package, without tools of development. Needs no network.
 * @returns {object} CycloneDX 1.5
 */
export function npmBill(root) {
	// With --omit dev npm 11 leaves out packages that tools of development need too.
	const args = ["sbom", "--sbom-format", "cyclonedx", "--package-lock-only"];
	const options = { cwd: root, encoding: "utf8", shell: process.platform === "win32", maxBuffer: 1 << 26 };
	const all = JSON.parse(execFileSync("npm", args, options));
	const components = all.components.filter(({ scope }) => scope === "required");
	const kept = new Set([all.metadata.component, ...components].map((component) => component["bom-ref"]));
	const dependencies = all.dependencies
		.filter(({ ref }) => kept.has(ref))
		.map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((other) => kept.has(other)) }));
	return { ...all, components, dependencies };
}

/** SPDX expression of a component of npm's bill. */
export const licenseOf = ({ licenses = [] }) =>
	licenses.map(({ license, expression }) => expression ?? license.id ?? license.name).join(" AND ") || "not stated";

/**
 * The packages of npm's bill, with the texts of their licenses.
 * @returns {{ name: string, version: string, license: string, text: string }[]} the text is empty where a package has none
 */
export function npmPackages(root, bill = npmBill(root)) {
	const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8"));
	const folders = new Map(
		Object.entries(packages).map(([path, { version }]) => [`${path.split("node_modules/").at(-1)}@${version}`, path]),
	);
	return bill.components
		.map((component) => {
			const { name, version } = component;
			const folder = folders.get(`${name}@${version}`);
			if (folder === undefined || !existsSync(join(root, folder))) throw new Error(`${name}@${version} is not installed: run npm ci`);
			return { name, version, license: licenseOf(component), text: licenseText(join(root, folder)) };
		})
		.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.version < b.version ? -1 : 1));
}

function licenseText(folder) {
	const files = readdirSync(folder)
		.filter((name) => /^(?:licen[cs]e|copying|notice)/i.test(name))
		.sort();
	return files.map((name) => readFileSync(join(folder, name), "utf8").replaceAll("\r\n", "\n").trim()).join("\n\n");
}
