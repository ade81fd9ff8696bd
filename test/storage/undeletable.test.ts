import { spawnSync } from "node:child_process";
import { existsSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { deletePartials, partialName } from "../../src/storage/partials.js";
import { makeRunFolder } from "../../src/storage/runs.js";
import { tempFolder } from "../helpers/temp-folder.js";

// As in a folder with the sticky bit, for a file of someone else.
vi.mock("node:fs/promises", async (original) => {
	const real = await original<typeof import("node:fs/promises")>();
	const unlink = async (path: string) => {
		if (path.includes(".foreign.")) throw Object.assign(new Error("EPERM: operation not permitted"), { code: "EPERM" });
		return real.unlink(path);
	};
	return { ...real, unlink };
});

const cache = tempFolder();

it("an unfinished file that cannot be deleted stays, and stops neither the run nor the deletion of others", async () => {
	const model = { name: "m.gguf", sha256: "ab".repeat(32) };
	const folder = await makeRunFolder(model, { cache });
	const dead = spawnSync(process.execPath, ["-e", ""]).pid;
	const [foreign, own] = ["a.foreign.json", "b.json"].map((name) => {
		const path = join(folder, partialName(name).replace(`-${process.pid}-`, `-${dead}-`));
		writeFileSync(path, "half");
		utimesSync(path, 0, 0);
		return path;
	});
	expect(await makeRunFolder(model, { cache })).toBe(folder);
	expect([existsSync(foreign!), existsSync(own!)]).toEqual([true, false]);
	await expect(deletePartials(folder, false)).rejects.toThrow(`${foreign} cannot be deleted: EPERM`);
});
