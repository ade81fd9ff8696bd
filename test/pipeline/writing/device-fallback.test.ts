import { existsSync } from "node:fs";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { Coalition } from "../../../src/game/coalition.js";
import { ARCHITECTURES } from "../../../src/model/architectures/table.js";
import type { ArchitectureEntry } from "../../../src/model/architectures/types.js";
import { VerificationError } from "../../../src/errors.js";
import { identityOf } from "../../../src/storage/hash.js";
import { Model } from "../../../src/model/runtime/model.js";
import { type PrunedJob, writePruned } from "../../../src/pipeline/writing/write-pruned.js";
import { placed, useFakeDevices } from "../../helpers/fake-devices.js";
import { fixturePath, fixtureWindows } from "../../helpers/fixture.js";
import { ownHomes } from "../../helpers/home.js";

// The first device holds the model. The second does not: something else uses it by the time that the file is verified.
useFakeDevices([64, 1]);
const { out } = ownHomes();
vi.mock("../../../src/model/architectures/table.js", async (original) => {
	const real = await original<{ ARCHITECTURES: ReadonlyMap<string, unknown> }>();
	return { ...real, ARCHITECTURES: new Map(real.ARCHITECTURES) };
});
const table = ARCHITECTURES as Map<string, ArchitectureEntry>;
const real = table.get("llama")!;
beforeEach(() => void table.set("llama", real));

const removed = [3, 7];
const windows = fixtureWindows(2, 64);

/** What was measured on a device: what the CPU computes, but for its rounding. @param off nats, within what the parity gate allows */
async function measured(name: string, off: number): Promise<PrunedJob> {
	await using model = await Model.load(fixturePath, { threads: 1, gpuLayers: 0 });
	const evaluator = model.createEvaluator();
	const [found] = await evaluator.evaluate([Coalition.ofRemoved(12, removed)], windows);
	const losses = found!.losses.map((loss) => loss + off);
	const expected = { windows, losses, threads: 1, ubatch: evaluator.ubatch, placement: placed(12, { [name]: 12 }) };
	return { file: model.file, removed, sha256: await identityOf(model.file.paths), expected };
}

describe("a file that was measured on a device", () => {
	it("is compared on the CPU, bit for bit, if the device has no memory for it now", async () => {
		const { verification } = await writePruned(await measured("FAKE1", 0.01), out(), {});
		expect(verification).toBe(
			"llama.cpp computes bit for bit what the model without these blocks computes (126 tokens, on the CPU: the device has no memory for the file now)",
		);
	});

	it("is compared there otherwise", async () => {
		expect((await writePruned(await measured("FAKE0", 1e-4), out(), {})).verification).toMatch(/within 1e-3 .*; all 10 blocks on FAKE0\)$/);
		const output = out();
		await expect(writePruned(await measured("FAKE0", 0.01), output, {})).rejects.toThrow(VerificationError);
		expect(existsSync(output)).toBe(false);
	});

	it("is proven by what the CPU computes of both, although the device rounds otherwise", async () => {
		table.set("llama", { name: "llama", source: "nowhere", proof: "source" });
		const { verification } = await writePruned(await measured("FAKE1", 0.01), out(), {});
		expect(verification).toMatch(
			/on the CPU.*; its logits equal, bit for bit, those of the original with these blocks' outputs set to zero$/,
		);
		const there = await writePruned(await measured("FAKE0", 1e-4), out(), {});
		expect(there.verification).toMatch(/within 1e-3 .*; its logits equal, bit for bit,/);
	});
});
