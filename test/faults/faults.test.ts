import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { runNode } from "../helpers/fixture.js";
import { thorough } from "../helpers/slow.js";
import { tempFolder } from "../helpers/temp-folder.js";

// Every one: node scripts/faults/faults.mjs

interface Expected {
	readonly folder: string;
	readonly result: { readonly model: string; readonly plan: string; readonly figures: string };
}
interface Setting {
	readonly root: string;
	readonly shim: string;
	readonly expected: Expected["result"];
}
interface Faults {
	readonly FAULT_NAMES: readonly string[];
	compileShim(folder: string): string;
	undisturbed(root: string): Promise<Expected>;
	tryFault(name: string, setting: Setting): Promise<string[]>;
	faultsOfTwo(runs: { code: number | null; stderr: string }[]): string[];
	tryTwoAtOnce(setting: Omit<Setting, "shim">): Promise<string[]>;
	tryNewerCache(setting: { root: string; straight: string }): Promise<string[]>;
}
const faults = (await import(new URL("../../scripts/faults/faults.mjs", import.meta.url).href)) as Faults;

/** What `npm test` tries: a disk that is full, and a file that another one replaces. */
const quick = ["ENOSPC while the model is written", "another model takes its name"];
const names = thorough ? faults.FAULT_NAMES : quick;

it("of two runs on one cache one ends well, and one is refused with the process of the other", () => {
	const good = { code: 0, stderr: "" };
	const refused = { code: 1, stderr: "error: a.ledger.jsonl is in use by process 7. Wait until that run has ended; if ..." };
	expect(faults.faultsOfTwo([good, refused])).toEqual([]);
	expect(faults.faultsOfTwo([refused, good])).toEqual([]);
	expect(faults.faultsOfTwo([good, good])).toHaveLength(1);
	expect(faults.faultsOfTwo([refused, refused])).toHaveLength(1);
	expect(faults.faultsOfTwo([good, { code: 1, stderr: "error: something else" }])).toHaveLength(1);
});

it.skipIf(process.platform !== "linux")(
	"the library fails calls on the files that it is told only, turns the clock back, and says whether it acted",
	async () => {
		const root = mkdtempSync(join(tempFolder(), "shim-"));
		const shim = faults.compileShim(root);
		const ran = async (env: Record<string, string>, code: string) => {
			const mark = join(root, "mark");
			rmSync(mark, { force: true });
			const run = await runNode(["-e", code], { env: { LD_PRELOAD: shim, UV_USE_IO_URING: "0", FAULT_MARK: mark, ...env } });
			expect(run.code, run.stderr).toBe(0);
			return { said: run.stdout.trim(), acted: existsSync(mark) };
		};
		const write = (name: string) =>
			`try { fs.writeFileSync(${JSON.stringify(join(root, name))}, "a"); console.log("written"); } catch (error) { console.log(error.code); }`;
		const full = { FAULT_CALL: "write", FAULT_ERRNO: "28", FAULT_PATH: ".ledger.jsonl$" };
		expect(await ran(full, write("a.ledger.jsonl"))).toEqual({ said: "ENOSPC", acted: true });
		expect(await ran(full, write("a.ledger.jsonl.lock.7-01234567"))).toEqual({ said: "written", acted: false });
		expect(await ran({ ...full, FAULT_PATH: "ledger" }, write("a.ledger.jsonl.lock"))).toEqual({ said: "ENOSPC", acted: true });
		const date = `console.log(Date.now() < ${Date.now() - 80_000_000})`;
		expect(await ran({ FAULT_CLOCK: "86400" }, date)).toEqual({ said: "true", acted: true });
		expect(await ran({ FAULT_CLOCK: "86400", FAULT_CLOCK_AFTER: "900000" }, date)).toEqual({ said: "false", acted: false });
	},
);

describe.skipIf(process.platform !== "linux")("when the system fails in the middle of a run", () => {
	const root = mkdtempSync(join(tempFolder(), "faults-"));
	let shim: string;
	let straight: Expected;
	beforeAll(async () => {
		shim = faults.compileShim(root);
		straight = await faults.undisturbed(root);
	}, 300_000);

	it.each(names)(
		"%s: an error that says so, nothing half written, and the next run finishes",
		async (name) => {
			expect(faults.FAULT_NAMES).toContain(name);
			expect(await faults.tryFault(name, { root, shim, expected: straight.result })).toEqual([]);
		},
		300_000,
	);

	it("a cache of a later version is refused, and left as it is", async () => {
		expect(await faults.tryNewerCache({ root, straight: straight.folder })).toEqual([]);
	}, 300_000);

	it.runIf(thorough)(
		"two runs on one cache do not disturb each other",
		async () => {
			expect(await faults.tryTwoAtOnce({ root, expected: straight.result })).toEqual([]);
		},
		300_000,
	);
});
