// Runs the steps of one job, each on a model of its own, and prints a line of JSON before and after each. It is a process
// apart because an assertion of llama.cpp ends the process: the last step begun is then the one that crashed.
import { createHash } from "node:crypto";
import { copyFile, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";

const dist = new URL("../../dist/", import.meta.url);
const { Coalition, GgufFile, Model, describeBlocks, makeWindows, removeBlocks, writeGguf } = await import(new URL("index.js", dist));
const { outputTensors, unitTensors } = await import(new URL("architectures/index.js", dist));

/** @type {import("./job.js").Job} */
const job = JSON.parse(await readFile(process.argv[2], "utf8"));
const done = new Set(job.done);
const file = await GgufFile.read(job.model);

/** Windows of tokens of no meaning, the same on every machine. */
function windowsFor(model) {
	let state = job.seed >>> 0;
	const next = () => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		return state / 2 ** 32;
	};
	const tokens = Int32Array.from({ length: job.windows * job.length }, () => Math.floor(next() * model.facts.vocabulary));
	return makeWindows(tokens, job.length);
}

/** What is compared: a hash of all logits where the addon gives one, otherwise of the loss of every token. */
function print(evaluation) {
	const { digests, losses, tokenLosses } = evaluation;
	const bits = digests?.length ? digests.join(" ") : createHash("sha256").update(new Uint8Array(tokenLosses.buffer)).digest("hex");
	return { bits, loss: losses.reduce((sum, loss) => sum + loss, 0) / losses.length, logits: Boolean(digests?.length) };
}

async function measure(model, removedSets, sharePrefixes) {
	const evaluator = model.createEvaluator({ sharePrefixes, ubatch: job.ubatch });
	const masks = removedSets.map((removed) => Coalition.ofRemoved(model.facts.blocks, removed));
	const evaluations = await evaluator.evaluate(masks, windowsFor(model), { digest: true, perToken: true });
	return evaluations.map(print);
}

async function measureWhole(path) {
	const model = await Model.load(path, { threads: job.threads });
	try {
		return (await measure(model, [[]], false))[0];
	} finally {
		await model.dispose();
	}
}

/** The original with the removed blocks made the identity. */
async function oracle(removed) {
	const path = join(job.folder, "oracle.gguf");
	await copyFile(job.model, path);
	const handle = await open(path, "r+");
	try {
		for (const block of removed) {
			const zero = outputTensors(file, block);
			if (zero.length === 0) throw Object.assign(new Error(`block ${block} has no output tensors`), { code: "NO_ORACLE" });
			for (const name of zero) await fill(handle, name, 0);
			for (const name of unitTensors(file, block)) await fill(handle, name, 1);
		}
	} finally {
		await handle.close();
	}
	return measureWhole(path);
}

async function fill(handle, name, value) {
	const { type, source } = file.tensor(name);
	const bytes = Buffer.alloc(source.size);
	if (value !== 0) {
		if (type !== 0) throw new Error(`cannot set ${name} of type ${type} to ${value}`);
		new Float32Array(bytes.buffer, bytes.byteOffset, source.size / 4).fill(value);
	}
	await handle.write(bytes, 0, bytes.length, source.offset);
}

async function written(removed) {
	const path = join(job.folder, "pruned.gguf");
	const handle = await open(path, "w");
	try {
		await writeGguf(handle, removeBlocks(file, removed, { version: "0.0.0" }));
	} finally {
		await handle.close();
	}
	return measureWhole(path);
}

let original;
async function onOriginal(sets, sharePrefixes) {
	original ??= await Model.load(job.model, { threads: job.threads });
	return measure(original, sets, sharePrefixes);
}

async function resumes() {
	original ??= await Model.load(job.model, { threads: job.threads });
	return { shared: original.createEvaluator().sharePrefixes, reason: describeBlocks(file).resumeReason };
}

const steps = {
	original: () => onOriginal([[]], false),
	resumes,
	/** All sets in one batch, so that later ones resume from what earlier ones left. */
	shared: () => onOriginal(job.allowed, true),
	/** Each set by itself. */
	view: (removed) => onOriginal([removed], false),
	oracle,
	written,
	foreign: (_, path) => measureWhole(path),
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
await rm(join(job.folder, "oracle.gguf"), { force: true });
await rm(join(job.folder, "pruned.gguf"), { force: true });
