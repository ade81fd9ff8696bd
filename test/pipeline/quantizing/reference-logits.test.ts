import { afterEach, describe, expect, it, vi } from "vitest";
import { applyPlan } from "../../../src/jobs/apply.js";
import { commandLine } from "../../../src/pipeline/preflight/command-line.js";
import { InvalidOptionError, NotEnoughMemoryError } from "../../../src/errors.js";
import { findFrontier } from "../../../src/jobs/frontier/frontier.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { rankBlocks } from "../../../src/jobs/rank.js";
import { checkReferenceMemory } from "../../../src/pipeline/preflight/reference-memory.js";
import { Evaluator } from "../../../src/model/runtime/evaluator.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";
import type { FrontierOptions } from "../../../src/api/index.js";

const { out } = ownHomes();
afterEach(() => {
	vi.restoreAllMocks();
});

/** The largest split of `small` is the held-out one: 5 windows of 32 tokens, 1,024 tokens of vocabulary. */
const needed = 2 * 5 * 31 * 1024;
const text = { windows: small.windows, windowLength: small.windowLength, threads: 2 };

/** Memory limits passed to the making of distributions. */
function watchedBounds(): Set<number | undefined> {
	const bounds = new Set<number | undefined>();
	const create = Evaluator.prototype.createReference;
	vi.spyOn(Evaluator.prototype, "createReference").mockImplementation(function (this: Evaluator, ...args) {
		bounds.add(args[2]?.maxBytes);
		return create.apply(this, args);
	});
	return bounds;
}

type Run = (referenceBytes: number) => Promise<unknown>;
const searched: Run = (referenceBytes) =>
	pruneGguf(fixturePath, undefined, { ...small, metric: "kl", remove: [3], search: { referenceBytes } });
const ranked: Run = (referenceBytes) =>
	rankBlocks(fixturePath, { ...text, metric: "kl", search: { method: "block-influence", referenceBytes } });
const limited: Run = (referenceBytes) =>
	pruneGguf(fixturePath, out(), { ...small, remove: [3], limits: { maxKl: 9 }, search: { referenceBytes } });
const applied: Run = (referenceBytes) =>
	applyPlan(fixturePath, out(), { ...text, remove: [3], limits: { maxKl: 9 }, search: { referenceBytes } });
const drawn = (referenceBytes: number, onLog?: FrontierOptions["onLog"]) =>
	findFrontier(fixturePath, {
		...{ ...text, maxBlocks: 1, quantize: { types: ["Q4_0"] }, onLog },
		search: { method: "first", referenceBytes },
	});

describe("referenceBytes", () => {
	it.each<[string, Run, RegExp]>([
		["--metric kl", searched, /^--metric kl keeps .* held-out split 317440 bytes \(1 MiB\), and --reference-bytes allows 317439/],
		["--metric kl of rank", ranked, /Give --reference-bytes 317440, or fewer or shorter windows/],
		["--max-kl", limited, /^--max-kl keeps .*317440 bytes.*--reference-bytes allows 317439/],
		["--max-kl of apply", applied, /^--max-kl keeps .*317440 bytes.*--reference-bytes allows 317439/],
	])("refuses less than %s needs, and lets that much through", async (_, run, message) => {
		const refused = run(needed - 1);
		await expect(refused).rejects.toThrow(NotEnoughMemoryError);
		await expect(refused).rejects.toThrow(message);
		const bounds = watchedBounds();
		await run(needed);
		expect([...bounds]).toEqual([needed]);
	});

	it("allows more than 1 GiB where that is asked for", () => {
		const splits = { heldOut: { count: 24, length: 128 } };
		expect(() => checkReferenceMemory("--max-kl", splits, 262_144, {})).toThrow(
			/1598029824 bytes \(1\.5 GiB\).* allows 1073741824 \(1\.0 GiB\)/,
		);
		expect(() => checkReferenceMemory("--max-kl", splits, 262_144, { referenceBytes: 1_598_029_824 })).not.toThrow();
	});

	it("leaves the divergence out of a frontier that needs more, and says so", async () => {
		const notes: string[] = [];
		const less = await drawn(needed - 1, ({ message }) => notes.push(message));
		expect(notes.join("\n")).toMatch(
			/no KL divergence on the held-out split: .* 317440 bytes \(1 MiB\), and --reference-bytes allows 317439/,
		);
		expect(less.cells.every(({ divergence }) => divergence !== null)).toBe(true);
		expect(less.best!.heldOut!.divergence).toBeNull();
		const bounds = watchedBounds();
		expect((await drawn(2 ** 31)).best!.heldOut!.divergence).not.toBeNull();
		expect([...bounds]).toEqual([2 ** 31]);
	});

	it("is a number of bytes, and part of the command that does the same", async () => {
		await expect(searched(-1)).rejects.toThrow(InvalidOptionError);
		await expect(searched(1.5)).rejects.toThrow(/reference-bytes must be a whole number of bytes from 0, got 1\.5/);
		expect(commandLine("m.gguf", undefined, { metric: "kl", referenceBytes: 5000 })).toContain("--metric kl --reference-bytes 5000");
	});
});
