// Runs the tests of the native part with prebuilt binaries of this platform: node scripts/prebuild/test-binary.mjs NAME ... [--record]
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { hashOf, recordResult } from "./results.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** What computes with the addon: losses, hidden states, least squares, quantizing, files of damaged models. */
const folders = ["test/native", "test/model/runtime", "test/model/fitting"];
/** Tests in these folders that never load one: counted, they would make a binary look better tested than it is. */
const without = [
	...[
		"binary/facts",
		"binary/stamp",
		"build",
		"build-failures",
		"build-folder",
		"build-native",
		"build-sources",
		"build-tools",
		"fetch-llama",
		"memory",
		"run-tool",
	],
	...["tensor-values", "visual-studio", "cuts", "backend", "backend-builds", "devices", "placement", "remote-model", "rpc"],
].map((name) => `/${name}.test.ts`);

/** It replaces operator new of a shared C++ library; a binary has its own inside. */
const interposes = "test/native/capture-exception.test.ts";

/** Test files that load a binary, from the root of the project. */
export const testFiles = () =>
	folders
		.flatMap((folder) => readdirSync(join(root, folder), { recursive: true }).map((name) => `${folder}/${name.replaceAll("\\", "/")}`))
		.filter((path) => path.endsWith(".test.ts") && path !== interposes && !without.some((end) => path.endsWith(end)))
		.sort();

function testWith(name, record) {
	const addon = join(root, "prebuilds", name, "prune_gguf.node");
	const sha256 = hashOf(addon);
	const { stdout, status } = spawnSync(process.execPath, [join(root, "scripts", "test.mjs"), ...testFiles()], {
		cwd: root,
		encoding: "utf8",
		stdio: ["ignore", "pipe", "inherit"],
		env: { ...process.env, PRUNE_GGUF_ADDON: addon },
		maxBuffer: 1 << 28,
	});
	const match = /^(\d+) passed, (\d+) failed/m.exec(stdout);
	const [passed, failed] = [Number(match?.[1] ?? 0), Number(match?.[2] ?? 1)];
	if (status !== 0) {
		process.stdout.write(stdout);
		process.exitCode = 1;
	}
	process.stdout.write(`${name}: ${passed} passed, ${failed} failed\n`);
	if (record) recordResult(name, "tests", { sha256, passed, failed, node: process.version });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	const { values, positionals } = parseArgs({ allowPositionals: true, options: { record: { type: "boolean", default: false } } });
	for (const name of positionals) testWith(name, values.record);
}
