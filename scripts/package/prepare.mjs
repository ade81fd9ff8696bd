// Before `npm pack`: writes THIRD_PARTY_NOTICES and sbom.cdx.json, which are made anew for each package and kept out of git.
//   node scripts/package/prepare.mjs
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { billOfMaterials } from "./bill.mjs";
import { notices } from "./notices.mjs";
import { npmBill } from "./packages.mjs";

const projectRoot = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");

/** Compilers of the binaries that are packed, as their records name them. */
function compilersOf(root) {
	const folder = join(root, "prebuilds");
	const names = existsSync(folder) ? readdirSync(folder) : [];
	return names.map((name) => JSON.parse(readFileSync(join(folder, name, "binary.json"), "utf8")).compiler);
}

/** Where zig keeps the libraries that it links, if a binary was made with it. @throws {Error} if it is not there */
async function zigOf(root) {
	const versions = [...new Set(compilersOf(root).flatMap((compiler) => /^zig (\S+)/.exec(compiler)?.[1] ?? []))];
	if (versions.length === 0) return undefined;
	if (versions.length > 1) throw new Error(`the binaries were made with several versions of zig (${versions.join(", ")}): make them again`);
	const { findZig } = await import("../prebuild/zig.mjs");
	const [command, ...args] = findZig(join(root, "build", "tools"));
	const told = execFileSync(command, [...args, "env"], { encoding: "utf8" });
	const folder = /lib_dir\W+"([^"]+)"/.exec(told)?.[1];
	if (folder === undefined) throw new Error(`zig env does not say where its libraries are: ${told.slice(0, 200)}`);
	return { version: versions[0], folder: folder.replaceAll("\\\\", "\\") };
}

/**
 * Writes both files into the root of the project.
 * @returns {Promise<string[]>} their paths
 */
export async function preparePackage(root = projectRoot) {
	const pin = JSON.parse(readFileSync(join(root, "vendor", "llama.cpp.json"), "utf8"));
	const from = { root, pin, zig: await zigOf(root), bill: npmBill(root) };
	const files = {
		THIRD_PARTY_NOTICES: notices(from),
		"sbom.cdx.json": `${JSON.stringify(billOfMaterials(from), undefined, "\t")}\n`,
	};
	for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
	return Object.keys(files).map((name) => join(root, name));
}

if (process.argv[1] === fileURLToPath(import.meta.url))
	await preparePackage().catch((error) => {
		process.stderr.write(`error: ${error.message}\n`);
		process.exitCode = 1;
	});
