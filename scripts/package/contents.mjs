// What a package holds, as npm says it, and what it must and must not hold.
import { execFileSync } from "node:child_process";

/** npm refuses packages above some 200 MB packed; unpacked ones this large would be a burden long before. */
export const largest = { packed: 200e6, unpacked: 400e6 };

/**
 * What `npm pack` would put into the package, without running its scripts.
 * @returns {{ size: number, unpackedSize: number, files: { path: string, size: number }[] }}
 */
export function packedFiles(root) {
	const args = ["pack", "--dry-run", "--json", "--ignore-scripts"];
	const options = {
		cwd: root,
		encoding: "utf8",
		shell: process.platform === "win32",
		maxBuffer: 1 << 26,
		stdio: ["ignore", "pipe", "ignore"],
	};
	const told = JSON.parse(execFileSync("npm", args, options));
	return Array.isArray(told) ? told[0] : Object.values(told)[0];
}

/** Without these it does not run, or cannot be built where no binary fits. */
const needed = [
	"package.json",
	"README.md",
	"LICENSE",
	"CHANGELOG.md",
	"dist/index.js",
	"dist/index.d.ts",
	"dist/research.js",
	"dist/research.d.ts",
	"dist/cli/main.js",
	// Says which binaries belong to this program. Without it any binary passes as one.
	"dist/sources.json",
	// Programs of their own: nothing imports them.
	"dist/model/runtime/trial-child.mjs",
	"dist/model/runtime/remote-child.mjs",
	"dist/model/runtime/binary/probe-child.mjs",
	"scripts/fetch-llama.mjs",
	"CMakeLists.txt",
	"vendor/llama.cpp.json",
	/^native\/.*\.cpp$/,
	/^docs\/[^/]+\.md$/,
];

/** Made or fetched before a package is packed. */
const prepared = [
	"THIRD_PARTY_NOTICES",
	"sbom.cdx.json",
	"vendor/llama.cpp/CMakeLists.txt",
	"vendor/llama.cpp/LICENSE",
	/^prebuilds\/[^/]+\/prune_gguf\.node$/,
	/^prebuilds\/[^/]+\/binary\.json$/,
];

/** Files of work on the project: nobody who installs it reads them. */
const foreign = [
	/^(?:test|bench|fixture|src|build|coverage|\.ci|\.github|node_modules)\//,
	/\.test\.[cm]?[jt]s$/,
	/\.tsbuildinfo$|\.[jt]s\.map$|\.tgz$|\.log$|\.orig$|\.partial$|~$/,
	/(?:^|\/)\.[^/]+$/,
	/^scripts\/(?!fetch-llama\.mjs$)/,
	/^docs\/research\/conformance\.json$/,
];

const matches = (path, pattern) => (typeof pattern === "string" ? path === pattern : pattern.test(path));

/**
 * What is wrong with the files of a package, as sentences.
 * @param {{ size: number, unpackedSize: number, files: readonly { path: string }[] }} packed
 * @param {{ release?: boolean, targets?: readonly string[] }} options `release`: also what is only there once it was prepared for packing;
 * `targets`: names of binaries that must be there, whole
 */
export function contentFaults({ size, unpackedSize, files }, { release = false, targets = [] } = {}) {
	const paths = files.map(({ path }) => path);
	const binaries = targets.flatMap((name) => ["prune_gguf.node", "binary.json"].map((file) => `prebuilds/${name}/${file}`));
	const missing = [...needed, ...(release ? prepared : []), ...binaries].filter((pattern) => !paths.some((path) => matches(path, pattern)));
	const extra = paths.filter((path) => foreign.some((pattern) => matches(path, pattern)));
	return [
		...missing.map((pattern) => `the package lacks ${pattern}`),
		...extra.map((path) => `the package holds ${path}, which is of no use to who installs it`),
		...(size > largest.packed ? [`the package has ${(size / 1e6).toFixed(1)} MB: npm takes ${largest.packed / 1e6} MB`] : []),
		...(unpackedSize > largest.unpacked ? [`unpacked, the package has ${(unpackedSize / 1e6).toFixed(1)} MB`] : []),
	];
}
