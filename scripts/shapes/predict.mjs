// Predicts the time, memory and disk of the default job from the speeds that llama-bench prints.
import { drawsOf, memoryOf, probeTokens, sharedTime, speedTokens, usual, workOf } from "./work.mjs";

/** Bytes a second that a model is hashed and loaded at, and written at, where nothing else is said. Not measured: give what your disk does. */
export const usualDisk = 5e8;

/** Bytes of a weight in the copies of a model that a search tries in memory. */
const copies = { Q8_0: 34 / 32, F16: 2 };
/** Seconds of searching below which no copy is tried. */
const worthCopying = 45;

/**
 * Seconds by step, bytes of memory and of disk.
 * @param facts of the model (facts.mjs)
 * @param how `prompt` and `generation`: tokens a second as llama-bench prints them for pp512 and tg; `removed`: blocks, none for the
 * curve; `chat`: whether a chat is among the sample texts, by default where the file has a template; `text`: whether calibration text is given,
 * so that none is drawn; `gpu`: no copies of the weights are tried; `available`: bytes of memory that are free, which decides whether
 * they are tried; `granularity`: `block` for whole blocks only; `correction`: of all seconds that are computed from the speeds
 */
export function predict(facts, how) {
	const { prompt, generation, removed, chat = facts.chat, text = false, gpu = false, disk = usualDisk, correction = 1 } = how;
	const { available = Number.POSITIVE_INFINITY } = how;
	const { windows = usual.windows, windowLength = usual.windowLength, effort = usual.effort } = how;
	const work = workOf(facts.blocks, { removed, text, windows, windowLength, effort, granularity: how.granularity });
	// llama-bench computes the logits of a prompt's last token only, an evaluation those of all.
	const perToken = (1 + facts.headWeights / facts.activeBlockWeights) / prompt;
	const run = (tokens) => sharedTime * tokens * perToken;
	// The first sequence costs what one costs alone, where the weights are read for it; the others what they compute.
	const stepOf = (sequences) => 1 / generation + (sequences - 1) * perToken;
	const drawn = (count) => drawsOf(count, { windowLength }).reduce((sum, { sequences, steps }) => sum + steps * stepOf(sequences), 0);
	const { search, validation, heldOut } = work.splits;
	const ownText = text ? 0 : drawn(search + validation + heldOut);
	// Drawn in pieces that double: one part of further text, then two, then four.
	const further = text
		? 0
		: [1, 3, 7].filter((parts) => parts <= work.parts).reduce((sum, parts) => sum + drawn(((parts + 1) / 2) * validation), 0);
	const need = memoryOf(facts, { windows, windowLength });
	const pays = !gpu && !facts.quick && run(work.search) > worthCopying && work.candidates >= 60;
	const tried = pays ? copiesThatFit(facts, need, available) : [];
	const tokensPerCopy = windowLength + 512;
	const ways = probeTokens(work, facts.vocabulary, perToken) * perToken + tried.length * tokensPerCopy * perToken;
	const copied = tried.reduce((sum, each) => sum + (2 * each * facts.weights) / disk, 0);
	const written = removed === undefined ? 0 : writtenBytes(facts, removed);
	const steps = {
		load: (2 * facts.bytes) / disk,
		calibration: correction * (ownText + ways) + copied,
		search: correction * (run(work.search) + work.searchReference * perToken),
		validation: correction * (run(work.validation) + work.references * perToken + further),
		figures: correction * run(work.figures),
	};
	if (written > 0)
		Object.assign(
			steps,
			deliverySteps(written, { prompt, generation, perToken, correction, disk, chat, heldOut: work.tokens.heldOut, stepOf }),
		);
	const copyBytes = tried.map((each) => each * facts.weights);
	return {
		steps,
		seconds: Object.values(steps).reduce((sum, seconds) => sum + seconds, 0),
		work,
		// At the end the source and the written file are both in memory, where they fit.
		memory: {
			...need,
			peak: Math.max(need.total, facts.bytes + written + need.rest),
			copies: copyBytes.reduce((sum, bytes) => sum + bytes, 0),
		},
		disk: { output: written, temporary: Math.max(0, ...copyBytes) },
	};
}

/** Bytes of a weight in the copies that fit beside what measuring takes (src/model/runtime/working-copy.ts), the one before still there. */
function copiesThatFit({ weights }, need, available) {
	const tried = [];
	let free = available;
	for (const each of Object.values(copies)) {
		if (1.2 * each * weights + 2 ** 28 + need.total - need.weights >= free) continue;
		tried.push(each);
		free -= each * weights;
	}
	return tried;
}

/** Bytes of the file without some of its blocks, which are taken as alike. */
export const writtenBytes = ({ bytes, blockBytes, blocks }, removed) => Math.round(bytes - (removed / blocks) * blockBytes);

/** What follows where a model is written: verified on the held-out text, its speed beside the source's, and what both write. */
function deliverySteps(written, { prompt, generation, perToken, correction, disk, chat, heldOut, stepOf }) {
	const { rounds, prompt: promptTokens, generated } = speedTokens(prompt, generation);
	const prompts = chat ? [4, 1] : [4];
	// Both models, greedily and sampled: 64 tokens behind 32.
	const texts = 4 * prompts.reduce((sum, sequences) => sum + (sequences * 31) / prompt + 64 * stepOf(sequences), 0);
	return {
		write: (2 * written) / disk + correction * heldOut * perToken,
		speed: correction * ((rounds * promptTokens + 32) / prompt + (rounds * generated + 4) / generation),
		samples: correction * texts,
	};
}

/** The steps of a run as people see them, and whose seconds make them up. */
export const shownSteps = {
	"Preparing text": ["load", "calibration"],
	Searching: ["search"],
	"Comparing finalists": ["validation"],
	Measuring: ["figures", "speed", "samples"],
	"Writing and verifying": ["write"],
};

/**
 * The speeds of a model on a machine that another one was measured on: a prompt by the weights that a token computes with, generation by
 * the bytes that are read for it. Rough: types of weights differ in speed, and a GPU is quicker on larger matrices.
 */
export function scaledSpeeds(measured, { facts: from }, to) {
	return {
		prompt: (measured.prompt * from.activeBlockWeights) / to.activeBlockWeights,
		generation: (measured.generation * from.activeBytes) / to.activeBytes,
	};
}
