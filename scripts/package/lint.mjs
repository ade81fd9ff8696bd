// Checks the package: npm run lint:package [-- --release] [--all-platforms]
//
// What it holds, that its code is what its program belongs to, its package.json (publint, every message counts), and that its types resolve. --release: also what is made for packing, such
// as binaries and notices. --all-platforms: the binaries of every target of scripts/prebuild/targets.mjs.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { targets } from "../prebuild/targets.mjs";
import { contentFaults, packedFiles } from "./contents.mjs";
import { sourceFaults } from "./packed-sources.mjs";
import { typeFaults } from "./types.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");
const flag = { type: "boolean", default: false };
const { release, "all-platforms": all } = parseArgs({ options: { release: flag, "all-platforms": flag } }).values;

if (!existsSync(join(root, "dist", "index.js"))) {
	process.stderr.write("error: dist/ is missing: run npm run build first\n");
	process.exit(1);
}
const packed = packedFiles(root);
const { messages, pkg } = await publint({ pkgDir: root, level: "suggestion", strict: true, pack: "npm" });
const faults = [
	...contentFaults(packed, { release, targets: all ? targets.map(({ name }) => name) : [] }),
	...sourceFaults(root, packed.files),
	...messages.map((message) => `package.json: ${formatMessage(message, pkg, { color: false })}`),
	...typeFaults(root, { declarations: true }),
];
for (const fault of faults) process.stderr.write(`error: ${fault}\n`);
process.stdout.write(
	`${packed.files.length} files, ${(packed.size / 1e6).toFixed(1)} MB packed, ${(packed.unpackedSize / 1e6).toFixed(1)} MB unpacked\n`,
);
process.exitCode = faults.length > 0 ? 1 : 0;
