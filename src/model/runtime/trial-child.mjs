// Loads a model and computes a little with it, in a process of its own that this may end (see trial.ts). It is JavaScript and uses only
// the addon, so that it runs from the sources as well as from the compiled package.
import { writeSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

/** @typedef {import("./trial.js").TrialRequest} TrialRequest */

// At once: the process may end with the next call.
const say = (/** @type {string} */ line) => writeSync(1, `${line}\n`);
process.on("SIGINT", () => {});
const input = createInterface({ input: process.stdin });
// The parent has ended, so nobody waits for an answer. Threads may compute, so nothing is cleaned up.
input.on("close", () => process.kill(process.pid, "SIGKILL"));
input.once("line", (line) => {
	attempt(JSON.parse(line)).then(
		() => say("passed"),
		// An error that llama.cpp reports appears again, and in more detail, when the model is really loaded.
		() => say("failed"),
	);
});

/** @param {TrialRequest} request */
async function attempt({ addon: path, model: file, load, rules, text, chat, tokens, threads }) {
	say("begun"); // loading the addon may take long
	const addon = createRequire(import.meta.url)(path);
	say("stage loading it");
	const onProgress = (/** @type {number} */ fraction) => say(`progress ${fraction}`);
	const model = await addon.NativeModel.load(file, load, new addon.CancelToken(), onProgress);
	const { blocks, vocabulary, contextLength } = model.facts();
	// It runs all blocks as a whole.
	model.setViewRules({ ...rules, outputs: Array.from({ length: blocks }, (_, block) => rules.outputs[block] ?? []), feedForward: [] });
	if (text !== undefined) {
		say("stage making tokens of a text");
		model.detokenize(model.tokenize(text, true, true), true);
		model.applyChatTemplate(["user"], [chat], true);
	}
	const length = Math.min(tokens, contextLength);
	if (length < 2 || vocabulary < 1) return;
	say("stage computing with it");
	const window = Int32Array.from({ length }, (_, i) => (i * 7) % vocabulary);
	const settings = { windowLength: length, ubatch: 64, threads, sharePrefixes: false, stateBytes: 0, stateType: "F32" };
	const scoring = { scoreFrom: 0, batchWindows: 0, outputLast: false, perToken: false, digest: false, keepReference: false };
	await model.evaluate(new Uint8Array(blocks).fill(1), window, { ...settings, ...scoring }, new addon.CancelToken(), () => {});
}
