import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FileError, InvalidLedgerError } from "../../src/errors.js";
import { Coalition } from "../../src/game/coalition.js";
import { Ledger, ledgerKey } from "../../src/storage/ledger.js";

const identity = { model: "a".repeat(64), windows: "b".repeat(64), backend: "CPU", settings: { threads: 2, ubatch: 512 } };
const header = { key: ledgerKey(identity), players: 4, windows: { count: 2, length: 128 }, settings: identity.settings };
const measurement = (mask: string, ...losses: number[]) => ({ coalition: Coalition.parse(mask), losses: Float64Array.from(losses) });

let folder: string;
let path: string;
beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "prune-gguf-ledger-"));
	path = join(folder, "deep", "x.ledger.jsonl");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

async function written(...rows: ReturnType<typeof measurement>[]): Promise<void> {
	const ledger = await Ledger.open(path, header);
	for (const row of rows) ledger.append(row);
	await ledger.close();
}

describe("Ledger", () => {
	it("writes the documented lines", async () => {
		await written(measurement("1011", 3.25, 0.1 + 0.2), measurement("0000", Number.NaN, Number.POSITIVE_INFINITY));
		const lines = readFileSync(path, "utf8").split("\n");
		expect(JSON.parse(lines[0]!)).toMatchObject({
			format: "prune-gguf-ledger",
			version: 1,
			key: header.key,
			players: 4,
			windows: { count: 2, length: 128 },
			settings: { threads: 2, ubatch: 512 },
		});
		expect(lines.slice(1)).toEqual(['{"mask":"1011","losses":[3.25,0.30000000000000004]}', '{"mask":"0000","losses":[null,null]}', ""]);
	});

	it("writes nothing that its check refuses, and takes nothing more", async () => {
		let good = true;
		const refused = new FileError("the model changed");
		const check = async () => {
			if (!good) throw refused;
		};
		const ledger = await Ledger.open(path, header, { check });
		ledger.append(measurement("1011", 1, 2));
		await ledger.flush();
		good = false;
		ledger.append(measurement("1010", 1, 2));
		await expect(ledger.flush()).rejects.toBe(refused);
		expect(() => ledger.append(measurement("0010", 1, 2))).toThrow(refused);
		await expect(ledger.close()).rejects.toBe(refused);
		expect(readFileSync(path, "utf8").split("\n").slice(1)).toEqual(['{"mask":"1011","losses":[1,2]}', ""]);
	});

	it("does not count a measurement without the figures that all of them have", async () => {
		const whole = { ...measurement("1011", 1, 2), figures: { divergence: Float64Array.of(3, 4) } };
		const ledger = await Ledger.open(path, header);
		ledger.append(measurement("1010", 1, 2));
		ledger.append(whole);
		await ledger.close();
		const figures = ["divergence"];
		const again = await Ledger.open(path, header, { figures });
		expect([again.size, again.get(whole.coalition)]).toEqual([1, whole]);
		again.append({ ...measurement("1010", 1, 2), figures: whole.figures });
		await again.close();
		const last = await Ledger.open(path, header, { figures });
		expect(last.size).toBe(2);
		await last.close();
	});

	it("keeps how long masks took, for the estimates of later runs", async () => {
		const ledger = await Ledger.open(path, header);
		expect(ledger.secondsPerMask).toBeUndefined();
		ledger.append(measurement("1011", 1, 2));
		ledger.append(measurement("1010", 1, 2), 0.25);
		ledger.append(measurement("1010", 1, 2), 99);
		ledger.append(measurement("0010", 1, 2), 0.75);
		expect(ledger.secondsPerMask).toBe(0.5);
		await ledger.close();
		expect(readFileSync(path, "utf8")).toContain('{"mask":"1010","losses":[1,2],"seconds":0.25}\n');
		const resumed = await Ledger.open(path, header);
		expect(resumed.secondsPerMask).toBe(0.5);
		for (let i = 0; i < 2 ** 4; i++) resumed.append(measurement(i.toString(2).padStart(4, "0"), 1, 2), 4);
		expect(resumed.secondsPerMask).toBeGreaterThan(3);
		await resumed.close();
	});

	it("resumes with the same bits, header and settings", async () => {
		await written(measurement("1011", Math.PI, 1e-300));
		const first = await Ledger.read(path);
		const ledger = await Ledger.open(path, { ...header, settings: { threads: 64 } });
		expect(ledger.header).toEqual(first.header);
		expect(ledger.header.settings).toEqual({ threads: 2, ubatch: 512 });
		expect(ledger.resumed).toBe(1);
		expect(ledger.get(Coalition.parse("1011"))?.losses).toEqual(Float64Array.from([Math.PI, 1e-300]));
		expect(ledger.get(Coalition.parse("1111"))).toBeUndefined();
		await ledger.close();
	});

	it("round-trips any double", async () => {
		await fc.assert(
			fc.asyncProperty(fc.double(), fc.double(), async (a, b) => {
				rmSync(path, { force: true });
				await written(measurement("1010", a, b));
				const { measurements } = await Ledger.read(path);
				const expected = [a, b].map((x) => (Number.isFinite(x) ? x + 0 : Number.POSITIVE_INFINITY));
				expect(Array.from(measurements[0]!.losses)).toEqual(expected);
			}),
			{ numRuns: 30 },
		);
	});

	it("holds the same in memory as after a resume where a loss is not finite", async () => {
		const ledger = await Ledger.open(path, header);
		const live = ledger.append(measurement("0101", Number.NaN, -0));
		await ledger.close();
		const { measurements } = await Ledger.read(path);
		expect(Array.from(live.losses)).toEqual(Array.from(measurements[0]!.losses));
	});

	it("keeps the first measurement of a coalition", async () => {
		await written(measurement("1011", 1, 1), measurement("1011", 2, 2));
		const { measurements } = await Ledger.read(path);
		expect(measurements).toHaveLength(1);
		expect(measurements[0]!.losses[0]).toBe(1);
	});

	it("tolerates a file cut anywhere, and keeps every whole line before the cut", async () => {
		await written(measurement("1011", 1.5, 2.5), measurement("1110", 3.5, 4.5), measurement("0111", 5.5, 6.5));
		const whole = readFileSync(path);
		const ends = [...whole.entries()].filter(([, byte]) => byte === 10).map(([index]) => index + 1);
		for (let cut = 0; cut <= whole.length; cut++) {
			writeFileSync(path, whole.subarray(0, cut));
			const ledger = await Ledger.open(path, header);
			expect(ledger.size, `cut at ${cut}`).toBe(Math.max(0, ends.filter((end) => end <= cut).length - 1));
			ledger.append(measurement("1000", 7, 8));
			await ledger.close();
			const { measurements } = await Ledger.read(path);
			expect(measurements.at(-1)?.coalition.key).toBe("1000");
		}
	});

	it("tolerates a last line of rubbish, as a power failure leaves it", async () => {
		await written(measurement("1011", 1, 2));
		writeFileSync(path, `${readFileSync(path, "utf8")}\0\0\0\0\n`);
		await written(measurement("1111", 3, 4));
		expect((await Ledger.read(path)).measurements.map((m) => m.coalition.key)).toEqual(["1011", "1111"]);
	});

	it.each([
		["not JSON", "{", "line 2"],
		["no losses", '{"mask":"1011"}', "line 2"],
		["a mask of other characters", '{"mask":"10x1","losses":[1,2]}', "line 2"],
		["a mask of another length", '{"mask":"10111","losses":[1,2]}', "5 blocks in a cache of 4"],
		["another number of windows", '{"mask":"1011","losses":[1]}', "1 losses in a cache of 2"],
		["a loss that is text", '{"mask":"1011","losses":[1,"2"]}', "line 2"],
		["an empty line", "", "line 2"],
	])("refuses a damaged earlier line: %s", async (_, line, message) => {
		await written();
		writeFileSync(path, `${readFileSync(path, "utf8")}${line}\n{"mask":"1111","losses":[1,2]}\n`);
		const before = readFileSync(path);
		await expect(Ledger.open(path, header)).rejects.toThrow(InvalidLedgerError);
		await expect(Ledger.open(path, header)).rejects.toThrow(message);
		expect(readFileSync(path)).toEqual(before);
	});

	it.each([
		["another file", "hello\n", "not a cache"],
		["another file without a newline", "hello", "not a cache"],
		["a later version", '{"format":"prune-gguf-ledger","version":2}\n', "version 2"],
		["a damaged header", '{"format":"prune-gguf-ledger","version":1,"key":"x"}\n', "damaged header"],
	])("refuses and leaves untouched: %s", async (_, content, message) => {
		await written();
		writeFileSync(path, content);
		await expect(Ledger.open(path, header)).rejects.toThrow(InvalidLedgerError);
		await expect(Ledger.open(path, header)).rejects.toThrow(message);
		expect(readFileSync(path, "utf8")).toBe(content);
	});

	it("refuses the ledger of another game", async () => {
		await written();
		const other = ledgerKey({ ...identity, settings: { threads: 3 } });
		await expect(Ledger.open(path, { ...header, key: other })).rejects.toThrow(InvalidLedgerError);
		await expect(Ledger.open(path, { ...header, players: 5 })).rejects.toThrow("expected 5 blocks");
		await expect(Ledger.open(path, { ...header, windows: { count: 3, length: 128 } })).rejects.toThrow(InvalidLedgerError);
	});

	it("refuses measurements of another shape and anything after close", async () => {
		const ledger = await Ledger.open(path, header);
		expect(() => ledger.append(measurement("101", 1, 2))).toThrow(InvalidLedgerError);
		expect(() => ledger.append(measurement("1010", 1))).toThrow(InvalidLedgerError);
		await ledger.close();
		await ledger.close();
		expect(() => ledger.append(measurement("1010", 1, 2))).toThrow(FileError);
	});

	it("loses nothing that was flushed, even when nobody closes", async () => {
		const ledger = await Ledger.open(path, header);
		for (let i = 0; i < 16; i++) {
			ledger.append(measurement(i.toString(2).padStart(4, "0"), i, i));
			if (i % 3 === 0) await Promise.resolve();
		}
		await ledger.flush();
		expect((await Ledger.read(path)).measurements).toHaveLength(16);
		await ledger.close();
	});

	it("writes what is appended while a write is ending", async () => {
		const ledger = await Ledger.open(path, header);
		for (let i = 0; i < 16; i++) {
			ledger.append(measurement(i.toString(2).padStart(4, "0"), i, i));
			await ledger.flush();
		}
		await ledger.close();
		expect((await Ledger.read(path)).measurements).toHaveLength(16);
	});

	it("is readable while it is open, and in memory it needs no file", async () => {
		const ledger = Ledger.inMemory(header);
		ledger.append(measurement("1010", 1, 2));
		expect(ledger.size).toBe(1);
		await ledger.close();
	});

	it("names a file that cannot be opened", async () => {
		await written();
		truncateSync(path);
		await expect(Ledger.open(folder, header)).rejects.toThrow(FileError);
		await expect(Ledger.read(path)).rejects.toThrow(InvalidLedgerError);
		await expect(Ledger.read(join(folder, "none"))).rejects.toThrow(FileError);
	});
});

describe("ledgerKey", () => {
	it("depends on every part and not on the order of settings", () => {
		const key = ledgerKey(identity);
		expect(key).toMatch(/^[0-9a-f]{64}$/);
		expect(ledgerKey({ ...identity, settings: { ubatch: 512, threads: 2 } })).toBe(key);
		for (const changed of [
			{ ...identity, model: "c" },
			{ ...identity, windows: "c" },
			{ ...identity, backend: "CUDA" },
			{ ...identity, settings: { threads: 2, ubatch: 256 } },
			{ ...identity, settings: { threads: 2 } },
		]) {
			expect(ledgerKey(changed)).not.toBe(key);
		}
	});
});
