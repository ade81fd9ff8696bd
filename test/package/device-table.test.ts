import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { fakeAddon } from "../helpers/fake-devices.js";
import { fixturePath } from "../helpers/fixture.js";

// What `npm run test:device` makes of what it measured.
type Row = [what: string, ok: boolean | undefined, found: string];
interface Measured {
	readonly device?: string;
	readonly error?: string;
	readonly onDevice?: boolean;
	readonly placement?: string;
	readonly parity?: { readonly text?: string; readonly error?: string };
	readonly losses?: readonly (number | null)[];
	readonly candidates?: number;
	readonly step?: number;
	readonly bytes?: number;
	readonly logitBytes?: number;
}
const { comparedRows, jobVerdict, reasonOf } = (await import("../../scripts/device/rows.mjs" as string)) as {
	comparedRows(name: string, there: Measured, cpu: Measured, tolerance: { loss: number }): Row[];
	jobVerdict(ended: { status: number | null; stdout: string; stderr: string }, seconds: number): [boolean, string];
	reasonOf(said: string): string;
};
const measureScript = fileURLToPath(new URL("../../scripts/device/measure.mjs", import.meta.url));

const figures = { placement: "all 12 blocks on X0", losses: [3, 3.1, 3.2], candidates: 12, step: 1, bytes: 1.5e6, logitBytes: 1.2e6 };
const good: Measured = { ...figures, onDevice: true, parity: { text: "close" } };
const cpu: Measured = { ...figures, placement: "all 12 blocks on the CPU", onDevice: false, step: 2 };
const rowsOf = (there: Measured) => comparedRows("m.gguf", there, cpu, { loss: 0.02 });
const verdicts = (there: Measured) => rowsOf(there).map(([, ok]) => ok);

describe("the rows of a model", () => {
	it("pass if the device agrees with the CPU", () => {
		expect(verdicts(good)).toEqual([true, true, true]);
		expect(rowsOf(good)[2]![2]).toBe("1.5 MB for each candidate of the step, 1.2 MB of them logits");
	});

	it.each<[string, Measured, RegExp]>([
		["the gate refuses the device", { ...good, parity: { error: "X0 does not compute what the CPU computes" } }, /does not compute/],
		["nothing was compared", { ...good, parity: { error: "not compared with the CPU" } }, /not compared/],
		["losses are too far apart", { ...good, losses: [3, 3.1, 3.23] }, /3\.0e-2 nats/],
	])("fail for parity alone if %s, and show the other figures", (_, there, said) => {
		expect(verdicts(there)).toEqual([false, true, true]);
		expect(rowsOf(there)[0]![2]).toMatch(said);
		expect(rowsOf(there)[1]![2]).toContain("(2.00 times)");
	});

	it("fail for a loss that is not finite, for the CPU instead of the device, and with the reason of an error", () => {
		expect(verdicts({ ...good, losses: [null, 3.1, 3.2] })).toEqual([false, false, false]);
		expect(verdicts({ ...good, onDevice: false })).toEqual([false]);
		expect(rowsOf({ error: "measuring ended with 1: DeviceError: no" })).toEqual([
			["m.gguf", false, "measuring ended with 1: DeviceError: no"],
		]);
	});
});

it("the default job fails if it ran on the CPU", () => {
	const ended = (backend: string) => {
		const plan = { backend, model: { blocks: 30 } };
		return { status: 0, stdout: JSON.stringify({ plan, output: { verification: "same" } }), stderr: "" };
	};
	expect(jobVerdict(ended("CPU"), 9)).toEqual([false, "6 of 30 blocks in 9 s on CPU; same"]);
	expect(jobVerdict(ended("X0 (Card)"), 9)[0]).toBe(true);
	expect(jobVerdict({ status: 4, stdout: "", stderr: "note\nerror: the disk is full\n" }, 9)).toEqual([
		false,
		"exit code 4: error: the disk is full",
	]);
});

it("the reason of a failure is the line that names the error", () => {
	const stack =
		"file:///m.mjs:3\n    throw x\n    ^\n\nDeviceError: X0 ended\n    at f (m.mjs:3:1) {\n  code: 'DEVICE_FAILED'\n}\n\nNode.js v22.1.0\n";
	expect(reasonOf(stack)).toBe("DeviceError: X0 ended");
	expect(reasonOf("a\nSegmentation fault\n")).toBe("Segmentation fault");
	expect(reasonOf("")).toBe("it wrote nothing");
});

it("measuring names the device, and shows all figures of one that the gate refuses", () => {
	const env = { ...process.env, PRUNE_GGUF_ADDON: fakeAddon, PRUNE_GGUF_FAKE_DEVICES: "64", PRUNE_GGUF_FAKE_FAULT: "wrong" };
	const request = JSON.stringify({ model: fixturePath, windows: 2, length: 32, gpuLayers: "all", threads: 1 });
	const { status, stdout, stderr } = spawnSync(process.execPath, [measureScript, request], {
		encoding: "utf8",
		env,
		cwd: join(measureScript, ".."),
	});
	expect(status, stderr).toBe(0);
	const [first, second] = stdout
		.trim()
		.split("\n")
		.map((line) => JSON.parse(line) as Measured);
	expect(first).toEqual({ device: "FAKE0 (Fake device 0)" });
	expect(second).toMatchObject({
		onDevice: true,
		candidates: 12,
		parity: { error: expect.stringContaining("does not compute what the CPU computes") },
	});
	expect(second!.losses).toHaveLength(3);
});
