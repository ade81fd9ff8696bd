// Ways to heal after removing blocks, compared by healing.mjs. Each leaves its new tensors in the model and returns them.
import { load } from "./lib.mjs";

const { Coalition } = await load("game/coalition.js");
const { cutParts, cutsOf, defaultParts, placesOf } = await load("model/fitting/cuts.js");
const { healModel } = await load("pipeline/healing/heal-model.js");
const { comparedText } = await load("pipeline/healing/reference-text.js");
const { healCuts } = await load("model/fitting/heal.js");
const { restore } = await load("model/fitting/standing.js");
const { scalableColumns, scaleGroups } = await load("model/fitting/scaling.js");
const { readTensor } = await load("model/fitting/tensors.js");
const { dequantizeBytes, hiddenStates, quantizeValues, stateValues } = await load("model/runtime/states.js");
const { firstWindows, makeWindows } = await load("model/runtime/windows.js");

/** The prototype's recipe (which left out first positions); it compares sets in the product's race. */
const refit = { kind: "refit", ridge: 0.1, relative: 0 };

/** The recipe that compares sets in a search. The product's race compares them all by one recipe, and decides the rest for the winner. */
export const raceOf = (method) => (["ours", "heads"].includes(method) ? "refit" : method);

/**
 * By name: what is healed, and how. `fit`: windows to fit to; `tuning`: windows that choose between variants by the loss. The fitted tensors
 * stay in the model whether they help or not: the validation split decides afterwards, for all methods alike.
 */
export const methods = {
	unhealed: async () => ({ tensors: [] }),
	ours: (input) => healed(input, {}),
	heads: (input) => healed(input, { healHeads: true }),
	map: (input) => healCuts(input.model, { ...settings(input), kinds: ["map"], relatives: [0] }),
	refit: (input) => healCuts(input.model, { ...settings(input), recipes: placesOf(input.removed, defaultParts).map(() => refit) }),
	rescale,
	"feed-forward": (input) => healedParts(input, ["feed-forward"]),
	attention: (input) => healedParts(input, ["attention"]),
	both: (input) => healedParts(input, cutParts),
};

export const fitted = (method) => method !== "unhealed";

/** Whether a method reads the tuning windows. */
export const tuned = (method) => fitted(method) && method !== "refit";

/** Everything that `--heal` does; with `--heal-heads` too. */
async function healed({ model, evaluator, removed, fit, tuning, validation, type, folder }, more) {
	const job = {
		model,
		evaluator,
		removed,
		folder,
		seed: 0,
		tuning,
		own: true,
		validation,
		heldOut: firstWindows(validation, 2),
		fit,
		keep: true,
	};
	const { tensors, section } = await healModel(job, { healTokens: fit.tokens.length, healType: type, ...more });
	const { applied, cuts } = section;
	return { tensors, cuts, validation: { ...section.validation, applied } };
}

/** As `--heal` does it, with these matrices beside half-block cuts. */
async function healedParts(input, parts) {
	const { model, evaluator, tuning } = input;
	const compared = await comparedText(evaluator, tuning, { seed: 0, reserved: 0 }, {});
	return healCuts(model, { ...settings(input), tuning: compared ?? tuning, parts });
}

export function maskOf({ facts }, removed) {
	return Coalition.ofRemoved(facts.blocks, removed);
}

function settings({ model, evaluator: { ubatch, threads }, removed, fit, tuning, type }) {
	return { removed, fit, tuning, type, ubatch, threads, mask: (set) => maskOf(model, set) };
}

/**
 * Prune&Comp (arXiv 2507.18212): the stream before each cut is multiplied by how much the removed blocks enlarge it. The norms do not
 * see a factor of the whole stream, so the outputs of the blocks behind the cut are divided by it instead. This is the same function except
 * for the epsilon of the norms, and needs no change of the embedding or the LM head. The factor is estimated as in the paper's text (lengths
 * of states) and as in its authors' code (mean magnitudes by channel); the tuning windows choose.
 */
async function rescale(input) {
	const { model, evaluator, removed, tuning } = input;
	if (!removed.every(Number.isInteger))
		throw new Error("rescale is for whole blocks: states between the parts of a block are not looked at");
	const estimates = await enlargements(input);
	let best;
	for (const [name, factors] of Object.entries(estimates)) {
		const tensors = await withFactors(model, removed, factors);
		const [{ losses }] = await evaluator.evaluate([maskOf(model, removed)], tuning);
		const loss = losses.reduce((sum, x) => sum + x, 0);
		await restore(model, tensors);
		if (!best || loss < best.loss)
			best = { loss, tensors, cuts: cutsOf(removed).map((cut, i) => ({ ...cut, by: name, factor: factors[i] })) };
	}
	for (const tensor of best.tensors) await model.replaceTensor(tensor.name, tensor);
	return best;
}

/** Windows whose states are held at a time. */
const chunk = 64;

/** How much the original model's states grow over each cut; 1 for a cut at the very start. First positions are left out, since their states are huge. */
async function enlargements({ model, evaluator: { ubatch, threads }, removed, fit }) {
	const cuts = cutsOf(removed);
	const { width, blocks } = model.facts;
	const able = cuts.filter(({ before }) => before !== undefined);
	const after = [...new Set(able.flatMap(({ before, last }) => [before, last]))].sort((a, b) => a - b);
	const kept = Array.from({ length: blocks }, (_, block) => block);
	const sums = able.map(() => ({ ratios: 0, count: 0, before: new Float64Array(width), behind: new Float64Array(width) }));
	for (let first = 0; first < fit.count && able.length > 0; first += chunk) {
		const tokens = fit.tokens.subarray(first * fit.length, Math.min(fit.count, first + chunk) * fit.length);
		const run = { windows: makeWindows(tokens, fit.length), kept, ubatch, threads };
		const states = await hiddenStates(model, run, after);
		const values = new Map();
		for (const [i, block] of after.entries()) values.set(block, await stateValues(model, states[i]));
		for (const [i, { before, last }] of able.entries()) addStates(sums[i], values.get(before), values.get(last), width, fit.length);
	}
	const spread = (of) => cuts.map((cut) => (cut.before === undefined ? 1 : of(sums[able.indexOf(cut)])));
	return {
		lengths: spread(({ ratios, count }) => ratios / count),
		channels: spread(({ before, behind }) => before.reduce((sum, x, i) => sum + behind[i] / x, 0) / width),
	};
}

function addStates(sums, before, behind, width, length) {
	for (let token = 0; token * width < before.length; token++) {
		if (token % length === 0) continue;
		let [a, b] = [0, 0];
		for (let i = 0, at = token * width; i < width; i++, at++) {
			a += before[at] ** 2;
			b += behind[at] ** 2;
			sums.before[i] += Math.abs(before[at]);
			sums.behind[i] += Math.abs(behind[at]);
		}
		sums.ratios += Math.sqrt(b / a);
		sums.count++;
	}
}

/** Puts the outputs of the kept blocks behind each cut, divided by the factors of all cuts before them, into the model. */
async function withFactors(model, removed, factors) {
	const cuts = cutsOf(removed);
	const tensors = [];
	for (let block = 0; block < model.facts.blocks; block++) {
		if (removed.includes(block)) continue;
		const factor = cuts.reduce((product, { last }, i) => (last < block ? product / factors[i] : product), 1);
		if (factor === 1) continue;
		for (const name of writers(model, block)) {
			const tensor = model.file.tensor(name);
			tensors.push({ name, type: tensor.type, bytes: await scaled(model, tensor, factor) });
		}
	}
	for (const tensor of tensors) await model.replaceTensor(tensor.name, tensor);
	return tensors;
}

/** Norms behind a matrix undo a factor of it, so they are scaled instead (some models name theirs before the next matrix this way). */
const norms = { attn_output: ["post_attention_norm", "ffn_norm"], ffn_down: ["post_ffw_norm", "post_ffw_norm"] };

function writers(model, block) {
	const outputs = model.blocks.view.outputs(block).map((name) => {
		const [matrix] = Object.keys(norms).filter((one) => name.endsWith(`.${one}.weight`));
		const [norm, beside] = (norms[matrix] ?? []).map((one) => name.replace(`.${matrix}.`, `.${one}.`));
		return norm && model.file.tensor(norm) && model.file.tensor(beside) ? norm : name;
	});
	return [...new Set(outputs)];
}

/** A tensor's bytes with all values multiplied. */
async function scaled(model, tensor, factor) {
	const standing = { type: tensor.type, bytes: await readTensor(tensor) };
	if (scalableColumns(tensor.type, tensor.dims[0], 1) === 1)
		return (await scaleGroups(model, { tensor, standing }, { by: "columns", factors: [factor] })).bytes;
	const values = await dequantizeBytes(model, standing.bytes, { type: tensor.type, rowLength: tensor.dims[0] });
	const multiplied = values.map((x) => x * factor);
	return quantizeValues(model, multiplied, { type: tensor.type, rowLength: tensor.dims[0] });
}
