import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { DeviceError, NotEnoughMemoryError } from "../../../src/errors.js";
import type { Evaluation } from "../../../src/model/runtime/evaluator.js";
import { Model } from "../../../src/model/runtime/model.js";
import { AddonProcess, ProcessEnded } from "../../../src/model/runtime/remote.js";
import { useFakeDevices } from "../../helpers/fake-devices.js";
import { fixturePath, fixtureWindows, fullSet, removing } from "../../helpers/fixture.js";
import { tempFolder } from "../../helpers/temp-folder.js";

// The process of the device ends in its 60th graph, unless the marker is there.
const folder = tempFolder();
const marker = join(folder, "ended");
useFakeDevices([64], `abort:60:${marker}`);
const windows = fixtureWindows(2, 64);
const masks = [fullSet, ...Array.from({ length: 11 }, (_, block) => removing(block + 1))];
beforeEach(() => rmSync(marker, { force: true }));

const load = (onRestart?: (event: { message: string; log: readonly string[] }) => void) =>
	Model.load(fixturePath, { threads: 1, onRestart });
const bits = (found: readonly Evaluation[]) => found.map(({ digests }) => digests);

describe("a driver that ends its process", () => {
	it("costs the candidates that were being computed, and no more", async () => {
		const events: { message: string; log: readonly string[] }[] = [];
		await using model = await load((event) => events.push(event));
		const evaluator = model.createEvaluator();
		const times = new Map<number, number>();
		const onCandidate = (index: number) => void times.set(index, (times.get(index) ?? 0) + 1);
		const found = await evaluator.evaluate(masks, windows, { digest: true, onCandidate });
		expect(existsSync(marker)).toBe(true);
		// Each candidate is handed over once, and those after the end are measured by another process.
		expect([...times.values()]).toEqual(masks.map(() => 1));
		expect(events).toHaveLength(1);
		const [{ message, log }] = events as [(typeof events)[number]];
		expect(message).toMatch(
			/^the process that computes on FAKE0 \(Fake device 0\) ended \(SIG\w+: .*the fake driver ends the process.*\); it is started again, and (\d+) candidates? of this batch measured again$/,
		);
		const again = Number(/and (\d+) candidate/.exec(message)![1]);
		expect(again).toBeGreaterThan(0);
		expect(again).toBeLessThan(masks.length);
		expect(log.join("\n")).toContain("the fake driver ends the process");
		// The same bits as without it.
		expect(bits(await evaluator.evaluate(masks, windows, { digest: true }))).toEqual(bits(found));
	});

	it("again at the same place is an error that says what to do", async () => {
		await using model = await load();
		const evaluator = model.createEvaluator({ ubatch: 128 });
		const stop = setInterval(() => rmSync(marker, { force: true }), 1);
		// More than 60 graphs, so that it never ends.
		const many = fixtureWindows(10);
		const run = evaluator.evaluate([fullSet], many, {}).finally(() => clearInterval(stop));
		await expect(run).rejects.toThrow(DeviceError);
		await expect(run).rejects.toThrow(
			/2 times at the same place \(SIG.*\)\. What was measured is in the cache: the same command goes on\..*--gpu-layers 0/,
		);
	});

	it("leaves matrices replaced, and distributions to compare with", async () => {
		await using model = await load();
		const evaluator = model.createEvaluator();
		const name = "blk.3.ffn_down.weight";
		const tensor = model.file.tensor(name)!;
		const zeros = { type: 0, bytes: new Uint8Array(tensor.dims.reduce((product, dim) => product * dim, 4)) };
		await model.replaceTensor(name, zeros);
		const reference = await evaluator.createReference(fullSet, windows);
		const found = await evaluator.evaluate(masks, windows, { digest: true, reference });
		expect(existsSync(marker)).toBe(true);
		const again = await evaluator.evaluate(masks, windows, { digest: true, reference });
		expect(bits(again)).toEqual(bits(found));
		expect(again.map(({ divergences }) => divergences)).toEqual(found.map(({ divergences }) => divergences));
		await model.replaceTensor(name);
		expect(bits(await evaluator.evaluate([fullSet], windows, { digest: true }))).not.toEqual(bits(found.slice(0, 1)));
	});

	it("leaves distributions what they were when matrices were replaced after them", async () => {
		await using model = await load();
		const evaluator = model.createEvaluator();
		const name = "blk.3.ffn_down.weight";
		const bytes = new Uint8Array(model.file.tensor(name)!.dims.reduce((product, dim) => product * dim, 4));
		const reference = await evaluator.createReference(fullSet, windows);
		await model.replaceTensor(name, { type: 0, bytes });
		const healed = await evaluator.evaluate(masks.slice(0, 2), windows, { digest: true, reference });
		expect(existsSync(marker)).toBe(false);
		expect(Math.min(...healed[0]!.divergences!)).toBeGreaterThan(1e-3);
		const found = await evaluator.evaluate(masks, windows, { digest: true, reference });
		expect(existsSync(marker)).toBe(true);
		const again = await evaluator.evaluate(masks, windows, { digest: true, reference });
		expect(again.map(({ divergences }) => divergences)).toEqual(found.map(({ divergences }) => divergences));
		expect(bits(again)).toEqual(bits(found));
		for (const [i, { divergences }] of healed.entries()) expect(found[i]!.divergences).toEqual(divergences);
	});

	it("leaves distributions what they were when a matrix has its own values again", async () => {
		await using model = await load();
		const evaluator = model.createEvaluator();
		const name = "blk.3.ffn_down.weight";
		const bytes = new Uint8Array(model.file.tensor(name)!.dims.reduce((product, dim) => product * dim, 4));
		await model.replaceTensor(name, { type: 0, bytes });
		const reference = await evaluator.createReference(fullSet, windows);
		await model.replaceTensor(name);
		const found = await evaluator.evaluate(masks, windows, { digest: true, reference });
		expect(existsSync(marker)).toBe(true);
		const again = await evaluator.evaluate(masks, windows, { digest: true, reference });
		expect(again.map(({ divergences }) => divergences)).toEqual(found.map(({ divergences }) => divergences));
		expect(bits(again)).toEqual(bits(found));
	});
});

describe("a process that cannot load its models again", () => {
	it("is an error that says what is missing, and the next call starts another one", async () => {
		await using model = await load();
		const evaluator = model.createEvaluator();
		process.env.PRUNE_GGUF_FAKE_DEVICES = "1";
		try {
			const failed = await evaluator.evaluate(masks, windows).catch((error: unknown) => error);
			expect(failed).toBeInstanceOf(NotEnoughMemoryError);
			expect((failed as Error).message).toMatch(/the device has too little memory for all 12 blocks on FAKE0, though it reported enough/);
			// A process with half of its state would answer with errors of its own.
			const again = await evaluator.evaluate(masks, windows).catch((error: unknown) => error);
			expect(again).toBeInstanceOf(NotEnoughMemoryError);
		} finally {
			process.env.PRUNE_GGUF_FAKE_DEVICES = "64";
		}
		const found = await evaluator.evaluate(masks, windows, { digest: true });
		expect(bits(await evaluator.evaluate(masks, windows, { digest: true }))).toEqual(bits(found));
	});
});

describe("the process of a device", () => {
	it("can be cancelled", async () => {
		await using model = await load();
		const controller = new AbortController();
		const run = model
			.createEvaluator()
			.evaluate(masks, windows, { signal: controller.signal, onCandidate: () => controller.abort(new Error("enough")) });
		await expect(run).rejects.toThrow("enough");
	});

	it("gives text, tokens and self-generated text", async () => {
		await using model = await load();
		await using other = await Model.load(fixturePath, { threads: 1, gpuLayers: 0 });
		const tokens = model.tokenize("Hello");
		expect(tokens).toEqual(other.tokenize("Hello"));
		expect(model.facts).toEqual(other.facts);
		const [sampled] = await model.sample([tokens], { length: 16, seed: 1 });
		expect(sampled).toHaveLength(16);
	});
});

describe("a process that takes the place of one that ended", () => {
	it("is not used if it cannot be given what the other one held: the next call starts another", async () => {
		const addon = join(folder, "addon.cjs");
		writeFileSync(
			addon,
			`module.exports = { NativeModel: class {}, pid: () => process.pid, end: () => process.kill(process.pid, "SIGKILL") };`,
		);
		let restored = 0;
		const one = new AddonProcess(addon, async () => {
			if (++restored === 1) throw new Error("a server is away");
		});
		const call = async (method: string) => {
			await one.ready();
			return one.call({ method, args: [] });
		};
		const first = await call("pid");
		await expect(call("end")).rejects.toThrow(ProcessEnded);
		await expect(call("pid")).rejects.toThrow("a server is away");
		const last = await call("pid");
		expect([restored, one.generation]).toEqual([2, 3]);
		expect(last).not.toBe(first);
		expect(await call("pid")).toBe(last);
		await expect(call("end")).rejects.toThrow(ProcessEnded);
	});
});
