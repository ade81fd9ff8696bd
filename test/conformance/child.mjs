// Runs the steps of one job, each on a model of its own, and prints a line of JSON before and after each. It is a separate
// process because an assertion of llama.cpp ends the process: the last step begun is then the one that crashed.
import { createHash } from "node:crypto";
import { copyFile, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { differences, readByHuggingface, readByLlama } from "./readers.mjs";

const dist = new URL("../../dist/", import.meta.url);
const { Coalition, GgufFile, Model, describeBlocks, makeWindows, removeBlocks, writeGguf } = await import(new URL("index.js", dist));
const { blockExecutions } = await import(new URL("game/executions.js", dist));
const { drawPositions } = await import(new URL("model/calibration/index.js", dist));
const { identityTensors, oracleProblem } = await import(new URL("model/architectures/outputs.js", dist));
const { keptProblem } = await import(new URL("model/architectures/kept.js", dist));
const { removeBlocksUnchecked } = await import(new URL("model/architectures/remove.js", dist));

/** @type {import("./job.js").Job} */
const job = JSON.parse(await readFile(process.argv[2], "utf8"));
const done = new Set(job.done);
const file = await GgufFile.read(job.model);

/** Windows of meaningless tokens, the same on every machine; `times` as many begin alike. */
function windowsFor(model, times = 1) {
	let state = job.seed >>> 0;
	const next = () => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		return state / 2 ** 32;
	};
	const tokens = Int32Array.from({ length: times * job.windows * job.length }, () => Math.floor(next() * model.facts.vocabulary));
	return makeWindows(tokens, job.length);
}

/** The value to compare: a hash of all logits if the addon gives one, otherwise of the loss of every token. */
function print(evaluation) {
	const { digests, losses, tokenLosses } = evaluation;
	const bits = digests?.length ? digests.join(" ") : createHash("sha256").update(new Uint8Array(tokenLosses.buffer)).digest("hex");
	return { bits, loss: losses.reduce((sum, loss) => sum + loss, 0) / losses.length, logits: Boolean(digests?.length) };
}

async function measure(model, removedSets, sharePrefixes, { stateBytes, onCandidate, times, ...options } = {}) {
	const evaluator = model.createEvaluator({ sharePrefixes, ubatch: job.ubatch, stateBytes });
	const masks = removedSets.map((removed) => Coalition.ofRemoved(model.facts.blocks, removed));
	const evaluations = await evaluator.evaluate(masks, windowsFor(model, times), {
		...{ digest: true, perToken: true, ...options },
		onCandidate: (index, evaluation, stats) => {
			measure.saved = stats.blocksShared;
			onCandidate?.(index, evaluation);
		},
	});
	return evaluations.map(print);
}
/** Block executions that the last batch saved. */
measure.saved = 0;

/** @param unguarded let llama.cpp assert: a file that is not ours shows what it does to llama.cpp */
async function measureOriginal(path, unguarded = false) {
	const model = await Model.load(path, { threads: job.threads });
	if (unguarded) delete model.blocks.unmeasurable;
	try {
		return (await measure(model, [[]], false))[0];
	} finally {
		await model.dispose();
	}
}

/** The original with the removed blocks made the identity. */
async function oracle(removed) {
	const copies = new Map(file.paths.map((path) => [path, join(job.folder, `oracle${/-\d{5}-of-\d{5}(?=\.gguf$)/.exec(path) ?? ""}.gguf`)]));
	for (const [path, copy] of copies) await copyFile(path, copy);
	const problem = oracleProblem(file, removed);
	if (problem) throw Object.assign(new Error(problem), { code: "NO_ORACLE" });
	const { zero, one } = identityTensors(file, removed);
	for (const name of zero) await fill(copies, name, 0);
	for (const name of one) await fill(copies, name, 1);
	return measureOriginal([...copies.values()][0]);
}

async function fill(copies, name, value) {
	const { type, source } = file.tensor(name);
	const bytes = Buffer.alloc(source.size);
	if (value !== 0) {
		if (type !== 0) throw new Error(`cannot set ${name} of type ${type} to ${value}`);
		new Float32Array(bytes.buffer, bytes.byteOffset, source.size / 4).fill(value);
	}
	const handle = await open(copies.get(source.path), "r+");
	try {
		await handle.write(bytes, 0, bytes.length, source.offset);
	} finally {
		await handle.close();
	}
}

async function written(removed) {
	const path = await writeContent(removeBlocks(file, removed, { version: "0.0.0" }));
	const problem = keptProblem(file, removed, await GgufFile.read(path));
	if (problem) throw Object.assign(new Error(problem), { code: "HEADER" });
	return { ...(await measureOriginal(path)), readers: await comparedByReaders(path, removed) };
}

/** The file that a refused set would give. */
async function forced(removed) {
	return measureOriginal(await writeContent(removeBlocksUnchecked(file, removed, { version: "0.0.0" })), true);
}

async function writeContent(content) {
	const path = join(job.folder, "pruned.gguf");
	const handle = await open(path, "w");
	try {
		await writeGguf(handle, content);
	} finally {
		await handle.close();
	}
	return path;
}

let readings;
async function comparedByReaders(path, removed) {
	readings ??= { huggingface: await readByHuggingface(file.paths), ...(job.reader ? { llama: readByLlama(job.reader, file.paths) } : {}) };
	const now = { huggingface: await readByHuggingface([path]), ...(job.reader ? { llama: readByLlama(job.reader, [path]) } : {}) };
	const what = { architecture: file.architecture, blocks: Number(file.value(`${file.architecture}.block_count`)), removed };
	return Object.fromEntries(Object.keys(now).map((reader) => [reader, differences(readings[reader], now[reader], what)]));
}

let original;
async function onOriginal(sets, sharePrefixes) {
	original ??= await Model.load(job.model, { threads: job.threads });
	return measure(original, sets, sharePrefixes);
}

/**
 * All sets in one batch, so that later ones resume from states of earlier ones. The bits must not depend on the order, on the memory
 * for hidden states, or on a batch that was cancelled before.
 */
async function shared() {
	// The original model begins as the others do, and sets without the last blocks are its prefixes.
	const sets = [...job.allowed, []];
	const expected = await onOriginal(sets, true);
	if ((await resumes()).shared && !(measure.saved > 0))
		throw Object.assign(new Error("a batch that can share work shared none"), { code: "BATCH" });
	const same = (how, prints, order = expected) => {
		const at = prints.findIndex(({ bits }, i) => bits !== order[i].bits);
		if (at >= 0) throw Object.assign(new Error(`a batch ${how} computes something else for its set ${at}`), { code: "BATCH" });
	};
	same("in reverse", await measure(original, sets.toReversed(), true), expected.toReversed());
	const shuffled = [...sets.keys()].sort((a, b) => ((a * 7 + 3) % 11) - ((b * 7 + 3) % 11));
	const inThatOrder = (list) => shuffled.map((i) => list[i]);
	same("shuffled", await measure(original, inThatOrder(sets), true), inThatOrder(expected));
	same("without memory for hidden states", await measure(original, sets, true, { stateBytes: 0 }));
	const oneState = 4 * job.windows * job.length * original.facts.width;
	same("with memory for one hidden state", await measure(original, sets, true, { stateBytes: oneState }));
	await drawnAlike(sets);
	const left = await cutShort(sets, expected);
	same("after a cancelled one", await measure(original, sets.filter(left), true), expected.filter(left));
	return expected.slice(0, -1);
}

/** With drawn positions the masks run in another order: a few sets alone, then all in a batch. */
async function drawnAlike(sets) {
	const positions = drawPositions(windowsFor(original), { share: 0.5, seed: 1 });
	const batch = await measure(original, sets, true, { positions });
	// The last is the original model; the one without the last block is its prefix.
	const beginning = sets.findIndex((removed) => removed.includes(original.facts.blocks - 1));
	for (const i of new Set([0, sets.length - 1, Math.max(0, beginning)])) {
		const [alone] = await measure(original, [sets[i]], false, { positions });
		if (alone.bits !== batch[i].bits)
			throw Object.assign(new Error(`with drawn positions a batch computes something else for its set ${i}`), { code: "BATCH" });
	}
}

/**
 * Cancels a batch after its first mask, with more and more windows until the cancellation comes before its end. Tells whether a set of the
 * batch of the usual windows must still be measured.
 */
async function cutShort(sets, expected) {
	const measured = new Set();
	for (let times = 1; times <= 4096; times *= 8) {
		const controller = new AbortController();
		const onCandidate = (index, evaluation) => {
			controller.abort("cancelled here");
			if (times > 1) return;
			measured.add(index);
			if (print(evaluation).bits !== expected[index].bits)
				throw Object.assign(new Error(`a batch that is cancelled later hands over something else for its set ${index}`), { code: "BATCH" });
		};
		const ended = await measure(original, sets, true, { signal: controller.signal, onCandidate, times }).catch((reason) => {
			if (reason !== "cancelled here") throw reason;
		});
		if (!ended) return (_, i) => measured.size === sets.length || !measured.has(i);
	}
	throw Object.assign(new Error("a batch was cancelled and ran to its end"), { code: "BATCH" });
}

async function resumes() {
	original ??= await Model.load(job.model, { threads: job.threads });
	const { sharePrefixes, resumes } = original.createEvaluator();
	const masks = [...job.allowed, []].map((removed) => Coalition.ofRemoved(original.facts.blocks, removed));
	// A refused model has no batch to show it.
	const saves = masks.length === 1 || blockExecutions(masks, resumes) < blockExecutions(masks, () => false);
	return { shared: sharePrefixes && saves, reason: describeBlocks(file).resumeReason };
}

const steps = {
	original: () => onOriginal([[]], false),
	resumes,
	shared,
	/** No block at all: the LM head on the embedding. */
	empty: () => onOriginal([[...Array(describeBlocks(file).blocks).keys()]], false),
	/** Each set by itself. */
	view: (removed) => onOriginal([removed], false),
	oracle,
	written,
	forced,
	foreign: (_, path) => measureOriginal(path, true),
};

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

for (const { key, step, removed, path } of job.steps) {
	if (done.has(key)) continue;
	say({ begin: key });
	try {
		say({ end: key, result: await steps[step](removed, path) });
	} catch (error) {
		say({
			end: key,
			error: {
				code: error.code ?? error.name,
				message: String(error.message),
				cause: error.cause ? String(error.cause.message ?? error.cause) : undefined,
			},
		});
	}
}
await original?.dispose();
