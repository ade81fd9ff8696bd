import { copyFileSync, existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { MeasureOptions, ProgressEvent } from "../../../src/api/index.js";
import { FileError } from "../../../src/errors.js";
import { rankBlocks } from "../../../src/jobs/rank.js";
import { Model } from "../../../src/model/runtime/model.js";
import { workingCopy } from "../../../src/model/runtime/working-copy.js";
import { readModelHeader } from "../../../src/pipeline/preflight/model-header.js";
import { References } from "../../../src/pipeline/quantizing/reference-logits.js";
import { Variant } from "../../../src/pipeline/quantizing/variants.js";
import { fixturePath, fixtureWindows } from "../../helpers/fixture.js";
import { tempFolder } from "../../helpers/temp-folder.js";

// Figures of one model never come under the hash of another that takes its name during a run.

const folder = tempFolder();
const other = join(folder, "other.gguf");
beforeAll(() => {
	const bytes = readFileSync(fixturePath);
	// Of the same shape, and of the same size: the last byte of the weights differs.
	bytes[bytes.length - 1]! ^= 1;
	writeFileSync(other, bytes);
});
let count = 0;
let home = "";
let path = "";
beforeEach(() => {
	home = process.env.PRUNE_GGUF_HOME = join(folder, `home-${count}`);
	path = join(folder, `model-${count++}.gguf`);
	copyFileSync(fixturePath, path);
});

/** Another model takes the name. */
function replace(): void {
	copyFileSync(other, `${path}.other`);
	renameSync(`${path}.other`, path);
}

/** Does something once, as soon as a run is there. */
function once(isThere: (event: ProgressEvent) => boolean, action: () => void): NonNullable<MeasureOptions["onProgress"]> {
	let done = false;
	return (event) => {
		if (done || !isThere(event)) return;
		done = true;
		action();
	};
}

/** Lines of measurements in the caches of searches. */
function keptLines(): string[] {
	if (!existsSync(home)) return [];
	const names = readdirSync(home, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ledger.jsonl"));
	return names.flatMap((name) => readFileSync(join(home, name), "utf8").split("\n").slice(1)).filter((line) => line !== "");
}

const changed = /changed since its header was read/;
const measuring = { windows: 2, windowLength: 32, threads: 1 };

describe("another model that takes the name", () => {
	it("before the copy of a search is made leaves no figures", async () => {
		const onProgress = once(({ phase }) => phase === "generating text", replace);
		const run = rankBlocks(path, { ...measuring, search: { workingWeights: "Q8_0" }, onProgress });
		await expect(run).rejects.toThrow(FileError);
		await expect(run).rejects.toThrow(changed);
		expect(keptLines()).toEqual([]);
	});

	it("is not copied, and no file of it is left", async () => {
		await using model = await Model.load(path, { threads: 1 });
		replace();
		await expect(workingCopy(model, "F16", join(folder, "copy.gguf"), { threads: 1 })).rejects.toThrow(changed);
		expect(readdirSync(folder).filter((name) => name.startsWith("copy"))).toEqual([]);
	});

	it.each(["own", "Q4_0"] as const)("is not measured for a table of types, %s weights", async (type) => {
		const { file, blocks } = await readModelHeader(path, {});
		const weights = { path, file, blocks, sha256: "f".repeat(64) };
		const windows = { heldOut: fixtureWindows(2, 32) };
		const settings = { backend: "CPU", llama: "l", addon: "a", processor: "p", gpuLayers: -1, threads: 1 };
		replace();
		const references = new References(weights, windows, {});
		await expect(references.of("heldOut")).rejects.toThrow(changed);
		const loaded = async () => {
			const variant = await Variant.open(type, weights, { folder: join(home, basename(path)), windows, settings, references, options: {} });
			await variant.model().finally(() => variant.close());
		};
		await expect(loaded()).rejects.toThrow(changed);
		expect(keptLines()).toEqual([]);
	});
});
