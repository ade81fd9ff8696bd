// Parts of the program that read what strangers, other versions or a crash may have written, each as a function of bytes.
import { readdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { damageBytes, damageJson } from "./bytes.mjs";
import { cacheTargets } from "./cache-targets.mjs";
import { MUTATION_NAMES, mutate } from "./mutations.mjs";
import { splitGguf } from "./pieces.mjs";
import { evaluationSeed, greedyPlans, ledgerSeed, modelSeeds } from "./seeds.mjs";

const dist = new URL("../../dist/", import.meta.url);
const load = (path) => import(new URL(path, dist).href);
const { PruneGgufError } = await load("errors.js");
const { contentOf, GgufFile, writeGguf, writtenSize } = await load("model/gguf/index.js");
const { describeBlocks, keptProblem, removeBlocks } = await load("model/architectures/index.js");
const { checkLoadable } = await load("model/runtime/loadable.js");
const { formatPlan, parsePlan, readPlan } = await load("storage/plan.js");
const { parseLedger } = await load("storage/ledger-format.js");
const { PartLedger } = await load("storage/part-ledger.js");
const { areWindowValues, compareWindows } = await load("model/evaluation/text-figures.js");

/** Slow mutations: files with tens of thousands of names. The command line gets those. */
const QUICK = MUTATION_NAMES.filter((name) => !/^many /.test(name));
const plans = new URL("../../test/fixtures/version-1/", import.meta.url);

/**
 * @typedef {object} Target
 * @property {() => Promise<Buffer[]>} seeds inputs that are read, or refused, without a fault
 * @property {(bytes: Buffer, random: object, other: Buffer) => Buffer} damage
 * @property {(bytes: Buffer, folder: string) => Promise<void>} run throws an error of the package for an input that it refuses; any other
 * error is a fault
 */

const broken = (fault) => {
	throw new Error(fault);
};

function damageModel(bytes, random, other) {
	if (random.below(4) > 0) {
		try {
			return mutate(splitGguf(bytes), random.pick(QUICK), random);
		} catch {
			// It is damaged too far to be split into fields.
		}
	}
	return damageBytes(bytes, random, other);
}

/** Reads a model and looks at it as `inspect` does. */
async function readModel(bytes, folder) {
	const path = join(folder, "model.gguf");
	writeFileSync(path, bytes);
	const file = await GgufFile.read(path);
	for (const { name, source } of file.tensors)
		if (!(source.size > 0 && source.offset + source.size <= bytes.length)) broken(`tensor ${name} is outside the file`);
	if (writtenSize(contentOf(file)) > 2 * bytes.length + 2 ** 33) broken("it would be written far larger than it is");
	const plan = describeBlocks(file, { allowUnknown: true });
	let loadable = true;
	try {
		checkLoadable(file);
	} catch (error) {
		if (!(error instanceof PruneGgufError)) throw error;
		loadable = false;
	}
	return { file, plan, loadable };
}

async function removeFromModel(bytes, folder) {
	const { file, plan } = await readModel(bytes, folder);
	if (plan.support === "refused" || file.size > 2 ** 24) return;
	const sets = [[0], [1, 2], [plan.blocks - 1], [0.5], [1, 2.5]].filter((set) => plan.check(set) === undefined);
	for (const removed of sets.slice(0, 2)) {
		const content = removeBlocks(file, removed, { version: "0.0.0", sourceSha256: "0".repeat(64) }, { allowUnknown: true });
		if (content.alignment > 2 ** 16) continue;
		const path = join(folder, "pruned.gguf");
		const handle = await open(path, "w");
		await writeGguf(handle, content).finally(() => handle.close());
		const problem = keptProblem(file, removed, await GgufFile.read(path));
		if (problem !== undefined) broken(`the written header is not what the original says without ${removed}: ${problem}`);
	}
}

const asText = (value) => Buffer.from(JSON.stringify(value));
const damageText = (bytes, random, other) => {
	if (random.below(4) > 0) {
		try {
			return asText(damageJson(JSON.parse(bytes.toString()), random));
		} catch {
			// It is no JSON any more.
		}
	}
	return damageBytes(bytes, random, other);
};
const asLines = (values) => Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(""));
const damageLines = (bytes, random, other) => {
	if (random.below(4) > 0) {
		try {
			const values = bytes
				.toString()
				.trim()
				.split("\n")
				.map((line) => JSON.parse(line));
			const at = random.below(values.length);
			values[at] = damageJson(values[at], random);
			return asLines(values);
		} catch {
			// A line is no JSON any more.
		}
	}
	return damageBytes(bytes, random, other);
};

const planSeeds = async () => {
	const first = readdirSync(plans).filter((name) => name.endsWith(".plan.json"));
	const texts = first.map((name) => readFileSync(new URL(name, plans), "utf8"));
	const second = texts.map((text) => formatPlan(parsePlan(JSON.parse(text))));
	// Those of version 1, the same as version 2, and what must be refused before it takes memory.
	return [...[...texts, ...second].map((text) => Buffer.from(text)), ...greedyPlans(JSON.parse(second[0])).map(asText)];
};

/** @type {Record<string, Target>} */
export const TARGETS = {
	reader: {
		seeds: modelSeeds,
		damage: damageModel,
		run: async (bytes, folder) => void (await readModel(bytes, folder)),
	},
	removal: { seeds: modelSeeds, damage: damageModel, run: removeFromModel },
	plan: {
		seeds: planSeeds,
		damage: damageText,
		run: async (bytes, folder) => {
			const path = join(folder, "plan.json");
			writeFileSync(path, bytes);
			const text = formatPlan(await readPlan(path));
			if (formatPlan(parsePlan(JSON.parse(text))) !== text) broken("the plan is another one once it was written and read");
		},
	},
	ledger: {
		seeds: async () => [asLines(ledgerSeed), asLines(ledgerSeed.slice(0, 1))],
		damage: damageLines,
		run: async (bytes) => {
			const { measurements, validBytes } = parseLedger(bytes, "the cache");
			const again = parseLedger(bytes.subarray(0, validBytes), "the cache");
			if (validBytes > bytes.length || again.validBytes !== validBytes) broken(`${validBytes} valid bytes of ${bytes.length}`);
			if (JSON.stringify(again.measurements) !== JSON.stringify(measurements)) broken("the whole lines hold something else");
		},
	},
	evaluation: {
		seeds: async () => [asLines(evaluationSeed), asLines(evaluationSeed.slice(0, 1))],
		damage: damageLines,
		run: async (bytes, folder) => {
			const path = join(folder, "0123456789ab.evaluation.ledger.jsonl");
			writeFileSync(path, bytes);
			const { format, version, ...header } = evaluationSeed[0];
			try {
				const ledger = await PartLedger.open(path, header, (_, values) => areWindowValues(values, true));
				await ledger.close();
				const parts = Array.from({ length: header.parts }, (_, part) => ledger.get(part)).filter((values) => values !== undefined);
				// As `evaluate` does with what it need not measure.
				const { loss, perplexityError } = compareWindows("model.gguf", parts, parts, 31);
				if (Number.isFinite(loss) && Number.isNaN(perplexityError)) broken("an error of the perplexity that is no number");
				if (readdirSync(folder).some((name) => name.endsWith(".lock"))) broken("a lock is left");
			} finally {
				unlinkSync(path);
			}
		},
	},
	...cacheTargets(damageText),
};
