import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { blockFacts } from "../../../src/model/architectures/facts.js";
import {
	ARCHITECTURES,
	type ArchitectureEntry,
	architectureTableMarkdown,
	describeBlocks,
	removeBlocks,
} from "../../../src/model/architectures/index.js";
import { ModelKeys } from "../../../src/model/architectures/keys.js";
import type { GgufFile } from "../../../src/model/gguf/file.js";
import { BLOCKS, keysFor, TAIL } from "./keys-for.js";
import { type Keys, model, range, without, written } from "./model.js";

const all = BLOCKS + TAIL;

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");
const SOURCES = join(ROOT, "vendor/llama.cpp/src");
const entries = [...ARCHITECTURES.values()];

describe("the table", () => {
	it("names each architecture once", () => {
		expect(entries.length).toBe(152);
		expect(new Set(entries.map((entry) => entry.name)).size).toBe(entries.length);
	});

	it("gives evidence that exists: a file of the pinned llama.cpp and lines within it", () => {
		if (!existsSync(SOURCES)) throw new Error("vendor/llama.cpp is missing: run `npm run fetch`");
		const lengths = new Map<string, number>();
		for (const [owner, evidence] of entries.flatMap((entry) => evidenceOf(entry).map((text) => [entry.name, text] as const))) {
			for (const part of evidence.split(", ")) {
				const [path, ...lines] = part.split(/[:,]/);
				const full = join(SOURCES, path!);
				expect(existsSync(full), `${owner}: ${part}`).toBe(true);
				if (!lengths.has(full)) lengths.set(full, readFileSync(full, "utf8").split("\n").length);
				for (const line of lines) expect(Number(line), `${owner}: ${part}`).toBeLessThanOrEqual(lengths.get(full)!);
			}
		}
	});

	it("is what docs/research/architectures.md says", () => {
		const docs = readFileSync(join(ROOT, "docs/research/architectures.md"), "utf8");
		expect(docs, "docs/research/architectures.md is stale: write architectureTableMarkdown() to it").toBe(architectureTableMarkdown());
		for (const entry of entries) expect(docs).toContain(`\`${entry.name}\``);
	});
});

function evidenceOf(entry: ArchitectureEntry): string[] {
	const { parts: halves } = entry;
	const parts = [entry, entry.sliding, entry.recurrent, entry.indexer, ...(entry.rules ?? []), halves, halves?.unless, halves?.join];
	// A comma followed by a digit goes on with the same file.
	return parts.flatMap((part) => (part ? [part.source] : []));
}

function factsOf(file: GgufFile, entry: ArchitectureEntry) {
	return blockFacts(new ModelKeys(file), entry);
}

describe("every architecture", () => {
	it.each(entries.filter((entry) => !entry.refused).map((entry) => [entry.name, entry] as const))(
		"%s: after removal each kept block is what it was",
		async (name, entry) => {
			const prefix = entry.prefix ?? "blk.";
			const file = await model(name, { blocks: BLOCKS, tail: TAIL, keys: keysFor(entry), prefix });
			const plan = describeBlocks(file);
			const before = factsOf(file, entry);
			let compared = 0;
			const sets = fc.oneof(
				fc.subarray(range(BLOCKS), { minLength: 1 }),
				fc.constantFrom(...(plan.units ?? [[4]])).map((unit) => [...unit]),
			);
			await fc.assert(
				fc.asyncProperty(sets, async (removed) => {
					if (plan.check(removed) !== undefined) return;
					compared++;
					const result = await written(removeBlocks(file, removed, { version: "1" }));
					const kept = without(all, removed);
					const now = factsOf(result, entry);
					expect({ trunk: now.trunk, tail: now.tail }).toEqual({ trunk: BLOCKS - removed.length, tail: TAIL });
					for (const key of [
						"sliding",
						"recurrent",
						"heads",
						"kvHeads",
						"feedForward",
						"expertsUsed",
						"expertWidth",
						"rope",
						"deepstack",
					] as const) {
						expect(now[key], key).toEqual(kept.map((block) => before[key][block]));
					}
					expect(now.windows).toBe(before.windows);
					if (before.indexer) expect(now.indexer).toEqual(without(BLOCKS, removed).map((block) => before.indexer![block]));
					expect(kept.map((_, i) => i < now.denseLead)).toEqual(kept.map((block) => block < before.denseLead));
					for (const key of entry.perBlock ?? []) {
						if (key === "deepstack_mapping") continue;
						expect(result.value(`${name}.${key}`)).toEqual(kept.map((block) => block + 1));
					}
					kept.forEach((block, i) => {
						expect(result.tensor(`${prefix}${i}.attn_q.weight`)?.source.size).toBe(
							file.tensor(`${prefix}${block}.attn_q.weight`)?.source.size,
						);
					});
					expect(describeBlocks(result).blocks).toBe(BLOCKS - removed.length);
				}),
				{ numRuns: 10 },
			);
			if (plan.support === "exact") expect(compared + plan.maxRemovable).toBeGreaterThan(0);
			else expect(plan.reason).toBeTruthy();
		},
	);

	it.each(entries.filter((entry) => !entry.refused).map((entry) => [entry.name, entry] as const))(
		"%s: the number of removable blocks can be had, and no set exceeds it",
		async (name, entry) => {
			const plan = describeBlocks(await model(name, { blocks: 8, keys: keysFor8(entry), prefix: entry.prefix ?? "blk." }));
			const removable = range(2 ** 8 - 1)
				.map((mask) => range(8).filter((i) => mask & (1 << i)))
				.filter((removed) => removed.length > 0 && plan.check(removed) === undefined)
				.map((removed) => removed.length);
			expect(plan.maxRemovable).toBe(Math.max(0, ...removable));
			expect(plan.support === "exact").toBe(plan.maxRemovable > 0);
			const sizes = new Set(removable);
			for (const count of range(9)) expect(plan.countProblem(count, { tied: false }) === undefined).toBe(sizes.has(count));
			for (const count of range(9)) if (plan.countProblem(count) === undefined) expect(sizes).toContain(count);
			for (const block of plan.frozen.keys()) expect(plan.check([block])).toContain("must stay");
			for (const unit of plan.units ?? []) expect(plan.check(unit)).toBeUndefined();
		},
	);
});

function keysFor8(entry: ArchitectureEntry): Keys {
	return Object.fromEntries(
		Object.entries(keysFor(entry)).map(([key, value]) => [
			key,
			value[0] === "array" ? (["array", value[1].slice(0, 8), value[2]] as const) : value,
		]),
	);
}
