// prebuilds/NAME/binary.json: what a prebuilt binary is, and what it was made from.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** Files whose change makes a binary out of date. */
const inputs = [
	"native",
	"CMakeLists.txt",
	"vendor/llama.cpp.json",
	...["targets", "configure", "zig"].map((name) => `scripts/prebuild/${name}.mjs`),
];
/** Code in native/, as src/model/runtime/binary/sources.ts counts it: not what editors and systems put beside it. */
const isCode = (path) => /\.(?:c|cpp|h|map)$/.test(path) && !/[\\/]\./.test(path);
/** Packages whose headers are compiled in, as the lock file has them. */
const packages = ["node-api-headers", "node-addon-api"];

const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** Hash of everything that binaries are made from. The pin stands for llama.cpp, and the lock file for packages. */
export function sourcesHash(root) {
	const hash = createHash("sha256");
	for (const path of inputs.flatMap((input) => filesOf(root, input)).sort())
		hash.update(`${path.replaceAll("\\", "/")}\0${sha256(readFileSync(join(root, path)))}\0`);
	const locked = readJson(join(root, "package-lock.json")).packages;
	for (const name of packages) hash.update(`${name}\0${JSON.stringify(locked[`node_modules/${name}`])}\0`);
	return hash.digest("hex");
}

/** Paths from the root. @param input a file, or a folder with code */
function filesOf(root, input) {
	if (statSync(join(root, input)).isFile()) return [input];
	return readdirSync(join(root, input), { recursive: true })
		.map((path) => join(input, path))
		.filter(isCode);
}

/** The contents of binary.json. */
export function describeBinary(target, { root, file, compiler, asks }) {
	const bytes = readFileSync(file);
	return {
		name: target.name,
		platform: target.platform,
		arch: target.arch,
		libc: target.libc,
		libcVersion: target.libcVersion,
		...(asks.macos === undefined ? {} : { macos: asks.macos }),
		level: target.level,
		needs: target.needs,
		compiler,
		llamaCpp: readJson(join(root, "vendor", "llama.cpp.json")).version,
		packageVersion: readJson(join(root, "package.json")).version,
		sha256: sha256(bytes),
		bytes: bytes.length,
		asks,
		sources: sourcesHash(root),
	};
}

/**
 * Why a folder below prebuilds/ must not be packed, or undefined.
 * @param {string} root the package
 */
export function whyNotPack(root, name) {
	const folder = join(root, "prebuilds", name);
	const file = join(folder, "prune_gguf.node");
	if (!existsSync(file)) return "the binary is missing";
	if (!existsSync(join(folder, "binary.json"))) return "binary.json is missing";
	const record = readJson(join(folder, "binary.json"));
	if (record.name !== name) return `binary.json is of ${record.name}`;
	if (record.packageVersion !== readJson(join(root, "package.json")).version) return `it was made for version ${record.packageVersion}`;
	if (record.sources !== sourcesHash(root)) return "the sources changed after it was made";
	if (record.sha256 !== sha256(readFileSync(file))) return "the file is not the one that binary.json describes";
	return undefined;
}
