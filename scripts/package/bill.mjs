// Makes the bill of materials of a package (CycloneDX 1.5): npm's own, and what npm does not know of.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { sourceComponents, zigComponents } from "./components.mjs";
import { npmBill } from "./packages.mjs";

const licenses = ({ license }) => [license.startsWith("LicenseRef-") ? { license: { name: license.slice(11) } } : { expression: license }];

/** Components of several licenses must name one expression; identifiers of one are what npm writes. */
const asComponent = (component) => ({
	"bom-ref": `${component.name}@${component.version ?? "as-vendored"}`,
	type: "library",
	name: component.name,
	...(component.version === undefined ? {} : { version: component.version }),
	scope: "required",
	...(component.purl === undefined ? {} : { purl: component.purl }),
	licenses: licenses(component),
	properties: [{ name: "prune-gguf:holds", value: component.holds }],
});

/** The binaries, each with its hash and how it was made. */
function binaries(root) {
	let names = [];
	try {
		names = readdirSync(join(root, "prebuilds")).sort();
	} catch {
		// A package without binaries.
	}
	return names.map((name) => {
		const facts = JSON.parse(readFileSync(join(root, "prebuilds", name, "binary.json"), "utf8"));
		return {
			"bom-ref": `prebuilds/${name}`,
			type: "file",
			name: `prebuilds/${name}/prune_gguf.node`,
			version: facts.packageVersion,
			hashes: [{ alg: "SHA-256", content: facts.sha256 }],
			properties: ["compiler", "level", "llamaCpp"].map((key) => ({ name: `prune-gguf:${key}`, value: String(facts[key]) })),
		};
	});
}

/**
 * @param {{ root: string, pin: object, zig?: { version: string }, bill?: object }} from as for notices
 * @returns {object} the same for the same inputs: without the time and the random number that npm puts in
 */
export function billOfMaterials({ root, pin, zig, bill = npmBill(root) }) {
	const { name, version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
	const others = [...sourceComponents(pin), ...(zig ? zigComponents(zig.version) : [])].map(asComponent);
	const files = binaries(root);
	const { timestamp: _, component, ...metadata } = bill.metadata;
	const self = `${name}@${version}`;
	const made = {
		...bill,
		// npm takes the name of the folder.
		metadata: { ...metadata, component: { ...component, name } },
		components: [...bill.components, ...others, ...files],
		dependencies: bill.dependencies.map((entry) =>
			entry.ref === self ? { ...entry, dependsOn: [...entry.dependsOn, ...[...others, ...files].map((one) => one["bom-ref"])] } : entry,
		),
	};
	delete made.serialNumber;
	return { ...made, serialNumber: serialOf(made) };
}

/** A UUID (version 8) from a hash of the content. */
function serialOf(content) {
	const hex = createHash("sha256").update(JSON.stringify(content)).digest("hex");
	return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
