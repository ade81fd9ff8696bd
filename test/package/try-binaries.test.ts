import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findAddon } from "../../src/model/runtime/load-addon.js";
import { installedPackage, placeBinary } from "../helpers/binaries.js";
import { tempFolder } from "../helpers/temp-folder.js";

type Node = (args: string[], env: Record<string, string>) => string;
const { knownLosses, lossFault, recordLosses, tryBinaries } = (await import(
	new URL("../../scripts/package/try-binaries.mjs", import.meta.url).href
)) as {
	knownLosses(): number[];
	lossFault(losses: readonly (number | null)[]): string | undefined;
	recordLosses(project: string, names: readonly string[], path: string): void;
	tryBinaries(project: string, node: Node): Promise<string[]>;
};

/** A project with an installed package that holds the addon under some names. */
function project(binaries: Readonly<Record<string, object>>): string {
	const folder = tempFolder();
	mkdirSync(join(folder, "node_modules"));
	const installed = installedPackage(join(folder, "node_modules", "prune-gguf"));
	for (const [name, facts] of Object.entries(binaries))
		placeBinary(join(installed, "prebuilds", name), readFileSync(findAddon()!), { name, ...facts });
	return folder;
}

describe("the binaries of a package", () => {
	const known = knownLosses();

	it("that fit are each measured with, by their own program, and compute what is known", async () => {
		const folder = project({ here: {}, elsewhere: { platform: "other" }, older: { packageVersion: "0.0.1" } });
		const addons: string[] = [];
		const node: Node = (args, env) => {
			addons.push(env.PRUNE_GGUF_ADDON!);
			return execFileSync(process.execPath, args, { cwd: folder, env: { ...process.env, ...env }, encoding: "utf8" });
		};
		expect(await tryBinaries(folder, node)).toEqual(["here"]);
		expect(addons).toEqual([join(folder, "node_modules", "prune-gguf", "prebuilds", "here", "prune_gguf.node")]);
		const results = join(folder, "results.json");
		recordLosses(folder, ["here"], results);
		const sha256 = createHash("sha256").update(readFileSync(addons[0]!)).digest("hex");
		expect(JSON.parse(readFileSync(results, "utf8"))).toMatchObject({
			here: { run: { sha256, how: expect.stringContaining("in an installed package"), node: process.version } },
		});
	});

	it("are refused if one computes something else, or none fits", async () => {
		expect(known).toHaveLength(13);
		expect(lossFault(known)).toBeUndefined();
		expect(lossFault(known.map((loss) => loss + 1e-3))).toBeUndefined();
		expect(lossFault(known.map((loss, i) => (i === 3 ? loss + 0.01 : loss)))).toMatch(
			/^the loss without block 2 is 3\.\d+, and must be 3\.\d+$/,
		);
		expect(lossFault(known.map(() => null))).toMatch(/^the loss of the 12-block model is null/);
		expect(lossFault(known.slice(0, 12))).toMatch(/^the loss without block 11 is undefined/);
		const wrong: Node = () => `a line\n${JSON.stringify(known.toReversed())}\n`;
		await expect(tryBinaries(project({ here: {} }), wrong)).rejects.toThrow(/^here: the loss of the 12-block model is/);
		await expect(tryBinaries(project({ elsewhere: { platform: "other" } }), wrong)).rejects.toThrow(
			"no delivered binary fits this machine",
		);
	});
});
