import { describe, expect, it } from "vitest";
import { ARCHITECTURES, architectureTableMarkdown, describeBlocks, removeBlocks } from "../../../src/model/architectures/index.js";
import { keysFor } from "./keys-for.js";
import { type Keys, model, range, without } from "./model.js";

const page = architectureTableMarkdown();
const general = page.slice(0, page.indexOf("\n## "));

/** Values that make llama.cpp derive something again, which must be stated. */
const MORE: Readonly<Record<string, Keys>> = {
	gemma4: { "attention.shared_kv_layers": ["uint32", 3] },
	qwen4exp: { "ple.layers": ["array", [4], "uint32"] },
	openelm: { "attention.head_count": ["array", range(13).map((i) => 4 + (i % 2)), "uint32"] },
};
/** Numbers of blocks from which values are derived. */
const COUNTS: Readonly<Record<string, number>> = { deepseek2: 27, mistral4: 27 };

describe("docs/research/architectures.md lists every key that is rewritten", () => {
	it.each([...ARCHITECTURES.values()].filter((entry) => !entry.refused).map((entry) => [entry.name, entry] as const))(
		"%s",
		async (name, entry) => {
			const { "attention.key_length": stated, ...keys } = keysFor(entry);
			const size = name === "openelm" ? {} : { "attention.key_length": stated! };
			const blocks = COUNTS[name] ?? 13;
			const file = await model(name, { blocks, keys: { ...keys, ...size, ...MORE[name] }, prefix: entry.prefix ?? "blk." });
			const plan = describeBlocks(file);
			const row = page.split("\n").find((line) => line.startsWith(`| \`${name}\` |`))!;
			const sets = [[0], [1], [2, 3], [5], [blocks - 1], without(blocks, [0, 1, 2, 3, 4])];
			for (const removed of sets.filter((set) => plan.check(set) === undefined)) {
				const { entries } = removeBlocks(file, removed, { version: "1" });
				const changed = entries.filter(({ key, raw }) => !key.startsWith("prune_gguf.") && !isSame(file.entry(key)?.raw, raw));
				for (const { key } of changed) {
					const code = `\`${key.replace(`${name}.`, "")}\``;
					expect(row.includes(code) || general.includes(code), `${code} without blocks ${removed.join(", ")}`).toBe(true);
				}
				expect(changed.length).toBeGreaterThan(0);
			}
		},
	);
});

function isSame(before: Uint8Array | undefined, after: Uint8Array): boolean {
	return before !== undefined && Buffer.from(before).equals(after);
}
