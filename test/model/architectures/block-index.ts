import { createHash } from "node:crypto";

// Which rules about a block's index, or about the number of blocks, are in llama.cpp's code: the next pin may add some without
// touching a header. All functions take text, so that a test can alter it. The record has only a count and a hash of the code.

/** Sources by path from `src/` of llama.cpp, including that of the architectures' names, which holds no rules. */
export type Sources = ReadonlyMap<string, string>;

/** For each file: how many expressions, and the first 16 digits of the SHA-256 of all of them. */
export type IndexRecord = Readonly<Record<string, readonly [number, string]>>;

/** Files besides models/ that build graphs and memories. */
export const SHARED_SOURCES = /^llama-(model|graph|hparams|context|kv-cache[\w-]*|memory[\w-]*)\.(cpp|h)$/;

export const NAMES_SOURCE = "llama-arch.cpp";

export const UPDATE = "RECORD_BLOCK_INDEX=1 node scripts/test.mjs test/model/architectures/block-index.test.ts";

const OPERATOR = String.raw`(?:[%*/]|[=!<>]=|[<>](?![<>])|(?<!\+)\+(?!\+)|(?<!-)-(?![->]))`;
const COUNT = String.raw`n_layer\w*\b(?:\(\))?`;

function patternsFor(path: string): RegExp[] {
	// Tensors are made in loops over `i` in models/; elsewhere that is any loop.
	const index = path.startsWith("models/") ? String.raw`\b(?:il|i)\b` : String.raw`\bil\b`;
	return [
		`${index}\\s*${OPERATOR}`,
		`${OPERATOR}\\s*\\(?\\s*${index}`,
		`\\b${COUNT}\\s*${OPERATOR}`,
		`${OPERATOR}\\s*\\(?(?:\\w+(?:\\.|->))*${COUNT}`,
		`\\bswitch\\s*\\(.*${COUNT}`,
		`\\bhparams\\.\\w+\\(\\s*${index}`,
		`\\b(?:is|has)_\\w+\\(\\s*${index}`,
		String.raw`\bhparams\.\w+\[`,
		String.raw`\blayers\[(?!(?:il|i)\])`,
		String.raw`\btype\s*[!=]=\s*LLM_TYPE_|\bswitch\s*\((?:model\.)?type\)`,
	].map((source) => new RegExp(source));
}

/**
 * Statements that test or compute with the index of a block or the number of blocks, without comments and with single spaces. These are
 * arithmetic and comparisons with `il` (in models/ with `i` too) and `n_layer`, hparams of one block, and blocks named by number. Sizes
 * that llama.cpp derives from the number of blocks count if the file asks for them. Not seen: values that a graph carries from block to
 * block without an index (the first values of rwkv7), which the conformance run shows.
 */
export function indexExpressions(path: string, source: string): string[] {
	const code = source.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"/g, (found) => (found.startsWith('"') ? '""' : " "));
	const statements = code
		// The three parts of a loop's head stay together.
		.replace(/\bfor\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)/g, (head) => head.replaceAll(";", ","))
		.split(/[;{}]/)
		.map((statement) => statement.replace(/\s+/g, " ").trim());
	const patterns = patternsFor(path);
	const sizes = /\btype\s*[!=]=\s*LLM_TYPE_|\bswitch\s*\((?:model\.)?type\)/.test(code);
	return statements.filter(
		(statement) => patterns.some((pattern) => pattern.test(statement)) || (sizes && /\btype = LLM_TYPE_/.test(statement)),
	);
}

/** The record of the sources. The order within a file does not count. */
export function indexRecord(sources: Sources): IndexRecord {
	const record = [...sources]
		.filter(([path]) => path !== NAMES_SOURCE)
		.sort(([a], [b]) => (a < b ? -1 : 1))
		.map(([path, source]) => {
			const found = indexExpressions(path, source).sort();
			return [path, [found.length, createHash("sha256").update(found.join("\n")).digest("hex").slice(0, 16)]] as const;
		});
	return Object.fromEntries(record);
}

/** What the sources say about block indices that the record does not, and what to do about it. Empty if they agree. */
export function indexProblems(sources: Sources, record: IndexRecord): string[] {
	const now = indexRecord(sources);
	const served = servedBy(sources);
	const of = (path: string) => {
		if (!path.startsWith("models/")) return "all architectures";
		return served.get(path)?.join(", ") || "no architecture by itself: find who includes it";
	};
	const changed = Object.entries(now).flatMap(([path, [count, hash]]) => {
		const before = record[path];
		if (before?.[1] === hash) return [];
		const what = before
			? `${count} expressions test or compute with the index of a block or the number of blocks, other ones than the ${before[0]} that were audited`
			: `it is new, and ${count} of its expressions test or compute with the index of a block or the number of blocks`;
		return [`src/${path} (${of(path)}): ${what}. ${todo(path)}`];
	});
	const gone = Object.keys(record)
		.filter((path) => !(path in now))
		.map((path) => `src/${path} no longer exists: see which file took over, and update the record by \`${UPDATE}\``);
	return [...changed, ...gone];
}

function todo(path: string): string {
	return (
		`Compare vendor/llama.cpp/src/${path} with that of the last pin, put whatever ties a block to its index, or the model to its ` +
		"number of blocks, into the entries of these architectures in src/model/architectures/table/ and a model that shows it into " +
		`test/conformance/; run \`npm run test:conformance\`; then update the record by \`${UPDATE}\``
	);
}

const STATE = /\bcb\((\w+), "l_out", il\);(?:\s*\/\/[^\n]*)*\s*(?:inpL\s*=\s*\1;|\})/;

/**
 * Architectures among these whose graph does not name the input of the next block `l_out` when it becomes that. By this name
 * native/sweep.cpp takes the hidden state after a block. If a function that builds a part of the block gives the name, the tensor may be
 * that part alone.
 */
export function statelessProblems(sources: Sources, resuming: readonly string[]): string[] {
	const named = new Set([...servedBy(sources)].flatMap(([path, names]) => (STATE.test(sources.get(path)!) ? names : [])));
	return resuming
		.filter((name) => !named.has(name))
		.map(
			(name) =>
				`${name} resumes, but none of the files of vendor/llama.cpp/src/models/ that serve it names the hidden state after a block ` +
				'`l_out` as it becomes the input of the next (`cb(cur, "l_out", il); inpL = cur;`): if the graph names it elsewhere, see that ' +
				"it is the sum after the residual and mend STATE; otherwise give the entry a `resume` with the reason in src/model/architectures/table/",
		);
}

/** The architectures that each file of models/ serves: by its own class, or by a class whose graph or loader theirs uses. */
export function servedBy(sources: Sources): Map<string, string[]> {
	const names = new Map(
		[...(sources.get(NAMES_SOURCE) ?? "").matchAll(/\{\s*(LLM_ARCH_\w+),\s*"([^"]+)"\s*\}/g)].map((match) => [match[1]!, match[2]!]),
	);
	const uses = usesOf(sources);
	const served = new Map<string, Set<string>>();
	const made = (sources.get("llama-model.cpp") ?? "").matchAll(/((?:case LLM_ARCH_\w+:\s*)+)return new (llama_model_\w+)\(/g);
	for (const [, cases, type] of made) {
		const architectures = [...cases!.matchAll(/LLM_ARCH_\w+/g)].map(([id]) => names.get(id) ?? id);
		for (const file of filesOf(type!, uses)) {
			const all = served.get(file) ?? new Set();
			for (const name of architectures) all.add(name);
			served.set(file, all);
		}
	}
	return new Map([...served].map(([file, all]) => [file, [...all].sort()]));
}

interface Uses {
	/** The file that defines the members of a class. */
	readonly file: ReadonlyMap<string, string>;
	/** Classes that a class names in models.h or in its own file. */
	readonly classes: ReadonlyMap<string, readonly string[]>;
}

const CLASS = /\b(?:llama_model|llm_build)_\w+/g;

function usesOf(sources: Sources): Uses {
	const file = new Map<string, string>();
	const classes = new Map<string, string[]>();
	const add = (type: string, text: string) => {
		const named = [...text.matchAll(CLASS)]
			.map(([name]) => name)
			.filter((name) => name !== type && !/^llama_model_(base|loader|params)$/.test(name));
		classes.set(type, [...(classes.get(type) ?? []), ...named]);
	};
	for (const [path, text] of sources) {
		if (!path.startsWith("models/") || !path.endsWith(".cpp")) continue;
		const own = new Set([...text.matchAll(/\b((?:llama_model|llm_build)_\w+)::/g)].map((match) => match[1]!));
		for (const type of own) if (new RegExp(`^(?:[\\w:<>&* ]+ )?${type}::`, "m").test(text)) file.set(type, file.get(type) ?? path);
		for (const type of own) if (file.get(type) === path) add(type, text);
	}
	for (const [, type, body] of (sources.get("models/models.h") ?? "").matchAll(/^struct (\w+)([\s\S]*?)^\};/gm)) add(type!, body!);
	return { file, classes };
}

function filesOf(type: string, uses: Uses): Set<string> {
	const seen = new Set<string>();
	const queue = [type];
	for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
		if (seen.has(next)) continue;
		seen.add(next);
		queue.push(...(uses.classes.get(next) ?? []));
	}
	return new Set([...seen].flatMap((name) => uses.file.get(name) ?? []));
}
