import { closeSync, copyFileSync, openSync, readdirSync, readFileSync, writeFileSync, writeSync } from "node:fs";
import { basename, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { MeasureOptions, ProgressEvent } from "../../../src/api/index.js";
import { FileError } from "../../../src/errors.js";
import { compareMethods } from "../../../src/jobs/compare/compare.js";
import { findFrontier } from "../../../src/jobs/frontier/frontier.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { rankBlocks } from "../../../src/jobs/rank.js";
import { Model } from "../../../src/model/runtime/model.js";
import { workingCopy } from "../../../src/model/runtime/working-copy.js";
import { readModelHeader } from "../../../src/pipeline/preflight/model-header.js";
import { References } from "../../../src/pipeline/quantizing/reference-logits.js";
import { Variant } from "../../../src/pipeline/quantizing/variants.js";
import { measureResult, resultFile } from "../../../src/pipeline/reporting/measured-result.js";
import { Session } from "../../../src/pipeline/session/session.js";
import { fixturePath, fixtureWindows } from "../../helpers/fixture.js";
import { ownModel } from "../../helpers/own-model.js";

// Figures of one model never come under the hash of another that takes its name during a run.

const { folder, home, path, replaceBy, keptLines: linesOf } = ownModel();
const keptLines = () => linesOf(".ledger.jsonl");
const other = join(folder, "other.gguf");
beforeAll(() => {
	const bytes = readFileSync(fixturePath);
	// Other weights, and the same shape and size.
	for (let at = Math.floor(bytes.length / 2); at < bytes.length; at += 64) bytes[at]! ^= 1;
	writeFileSync(other, bytes);
});

const replace = () => replaceBy(other);

/** Another model is written over it in place: what is mapped changes with it. */
function overwrite(): void {
	const file = openSync(path(), "r+");
	writeSync(file, readFileSync(other));
	closeSync(file);
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

const changed = /changed since its header was read/;
const measuring = { windows: 2, windowLength: 32, threads: 1 };

describe("another model that takes the name", () => {
	it("before the copy of a search is made leaves no figures", async () => {
		const onProgress = once(({ phase }) => phase === "generating text", replace);
		const run = rankBlocks(path(), { ...measuring, search: { workingWeights: "Q8_0" }, onProgress });
		await expect(run).rejects.toThrow(FileError);
		await expect(run).rejects.toThrow(changed);
		expect(keptLines()).toEqual([]);
	});

	it("is not copied, and no file of it is left", async () => {
		await using model = await Model.load(path(), { threads: 1 });
		replace();
		await expect(workingCopy(model, "F16", join(folder, "copy.gguf"), { threads: 1 })).rejects.toThrow(changed);
		expect(readdirSync(folder).filter((name) => name.startsWith("copy"))).toEqual([]);
	});

	it.each(["own", "Q4_0"] as const)("is not measured for a table of types, %s weights", async (type) => {
		const { file, blocks } = await readModelHeader(path(), {});
		const weights = { path: path(), file, blocks, sha256: "f".repeat(64) };
		const windows = { heldOut: fixtureWindows(2, 32) };
		const settings = { backend: "CPU", llama: "l", addon: "a", processor: "p", gpuLayers: -1, threads: 1 };
		replace();
		const references = new References(weights, windows, {});
		await expect(references.of("heldOut")).rejects.toThrow(changed);
		const loaded = async () => {
			const variant = await Variant.open(type, weights, {
				folder: join(home(), basename(path())),
				windows,
				settings,
				references,
				options: {},
			});
			await variant.model().finally(() => variant.close());
		};
		await expect(loaded()).rejects.toThrow(changed);
		expect(keptLines()).toEqual([]);
	});
});

describe("a model that is written to in place", () => {
	const searching = ({ unit, done }: ProgressEvent) => unit === "candidates" && done > 1;
	const losses = (lines: readonly string[]) =>
		lines.map((line) => JSON.parse(line) as { mask: string; losses: number[] }).map((one) => `${one.mask} ${one.losses.join()}`);
	/** All that goes on after the first candidates; what the search has not measured by then comes after the change. */
	const jobs = {
		rank: (how: object) => rankBlocks(path(), { ...measuring, ...how }),
		prune: (how: object) => pruneGguf(path(), undefined, { ...measuring, removeBlocks: 1, search: { method: "leave-one-out" }, ...how }),
		compare: (how: object) => compareMethods(path(), { ...measuring, methods: ["leave-one-out"], removeBlocks: [1], ...how }),
		frontier: (how: object) => findFrontier(path(), { ...measuring, search: { method: "leave-one-out" }, maxBlocks: 1, ...how }),
	};

	it.each(Object.entries(jobs))("during %s ends it, and leaves no figures of what was written", async (_, job) => {
		const run = job({ onProgress: once(searching, overwrite) });
		await expect(run).rejects.toThrow(FileError);
		await expect(run).rejects.toThrow(changed);
		const kept = losses(keptLines());
		copyFileSync(fixturePath, path());
		await job({});
		expect(losses(keptLines())).toEqual(expect.arrayContaining(kept));
	});

	it("after the last measurement leaves no result", async () => {
		const header = await readModelHeader(path(), {});
		const session = await Session.open(header, measuring, { masks: 1, weights: "own" });
		const work = async () => {
			await session.measureOriginal(undefined);
			overwrite();
			return {};
		};
		await expect(measureResult(session, await resultFile({}, []), {}, work)).rejects.toThrow(changed);
	});
});
