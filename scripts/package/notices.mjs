// Makes THIRD_PARTY_NOTICES: whose work a package holds, and under which licenses. Made for each package, and never committed.
import { sourceComponents, zigComponents } from "./components.mjs";
import { npmPackages } from "./packages.mjs";

const rule = "-".repeat(100);

/**
 * @param {{ root: string, pin: object, zig?: { version: string, folder: string }, bill?: object }} from `zig`: only if a binary was made with it
 * @returns {string} the whole file
 */
export function notices({ root, pin, zig, bill }) {
	const context = { root, zig: zig?.folder };
	const components = [...sourceComponents(pin), ...(zig ? zigComponents(zig.version) : [])];
	const packages = npmPackages(root, bill);
	const parts = [
		"Notices of third parties\n",
		"This package holds work of others. So do the npm packages that are installed with it. First comes what lies in this package:",
		...components.map((component) => entry(component, component.text(context))),
		`${rule}\nnpm packages that are installed beside this one. node-addon-api and node-api-headers are compiled into every binary.`,
		...grouped(packages),
	];
	return `${parts.join("\n\n")}\n`;
}

function entry({ name, version, license, holds, origin }, text) {
	const head = [
		version === undefined ? name : `${name} ${version}`,
		`License: ${license}`,
		`In: ${holds}`,
		...(origin ? [`From: ${origin}`] : []),
	];
	return [rule, head.join("\n"), ...(text === "" ? [] : [text])].join("\n\n").replace(`${rule}\n\n`, `${rule}\n`);
}

/** One text stands once, below the names of all packages that have it. */
function grouped(packages) {
	const texts = new Map();
	for (const { name, version, license, text } of packages) texts.set(text, [...(texts.get(text) ?? []), `${name} ${version} (${license})`]);
	return [...texts].map(([text, names]) =>
		text === ""
			? `${rule}\n${names.join("\n")}\n\nThe package has no file with the text of its license.`
			: `${rule}\n${names.join("\n")}\n\n${text}`,
	);
}
