// Before `npm pack`: this platform's binaries are made if they are missing or out of date. Others must be up to date, or away.
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { makeBinary, root } from "./prebuild.mjs";
import { whyNotPack } from "./record.mjs";
import { targetsOf } from "./targets.mjs";

/** Folders below prebuilds/ that must not be packed, with the reason. */
export function unfit(folder = root) {
	const prebuilds = join(folder, "prebuilds");
	const names = existsSync(prebuilds) ? readdirSync(prebuilds) : [];
	return names.flatMap((name) => {
		const reason = whyNotPack(folder, name);
		return reason === undefined ? [] : [{ name, reason }];
	});
}

/** @throws {Error} if a binary of this platform cannot be made, or another one is out of date */
export async function prepareForPacking() {
	const here = targetsOf(process.platform, process.arch);
	if (here.length === 0) throw new Error(`there is no prebuilt binary for ${process.platform}-${process.arch}: pack on another platform`);
	for (const target of here) if (whyNotPack(root, target.name) !== undefined) await makeBinary(target);
	const bad = unfit();
	if (bad.length === 0) return;
	const lines = bad.map(({ name, reason }) => `  prebuilds/${name}: ${reason}`).join("\n");
	throw new Error(`these binaries must not be packed:\n${lines}\nMake them again with: npm run prebuild -- NAME, or delete them`);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
	await prepareForPacking().catch((error) => {
		process.stderr.write(`error: ${error.message}\n`);
		process.exitCode = 1;
	});
