import type { Coalition } from "../coalition.js";
import { Random } from "../random.js";
import { type Sample, toRows } from "../sample.js";
import { type FitOptions, type FitReport, playersOf, removedOfRows, type Surrogate } from "./surrogate.js";

/** The paper's network and training (arXiv 2602.07804; METHOD 2.3); every number can be changed. */
export interface MlpOptions extends FitOptions {
	readonly seed: number | string;
	/** Hidden units. @default 2 * players */
	readonly hidden?: number;
	/** Passes over the coalitions. @default 300 */
	readonly epochs?: number;
	/** Coalitions per step; the last step of an epoch may have fewer. @default 300 */
	readonly batch?: number;
	/** @default 0.008 */
	readonly learningRate?: number;
	/** @default 0.9 */
	readonly momentum?: number;
	/** Epochs after which the learning rate is multiplied by `decay`; 0 for no schedule. @default 100 */
	readonly decayEvery?: number;
	/** @default 0.1 */
	readonly decay?: number;
}

/** Work (coalitions x hidden units x removed blocks) between two pauses: about ten milliseconds. */
const SLICE = 6_000_000;

/**
 * Fits players -> hidden -> CELU -> 1 -> sigmoid to v(S) by mean squared error.
 * It has no posterior: no intervals and no draws, and contributions from it have no error for its own mistakes.
 * Coalitions of few removed blocks are cheap: the first layer starts from the sum over all blocks and subtracts the removed ones.
 * @throws RangeError for no samples or an option out of range; the signal's reason if it was aborted
 */
export async function fitMlp(samples: readonly Sample[], options: MlpOptions): Promise<MlpSurrogate> {
	const players = playersOf(samples);
	const settings = checked(players, options);
	const random = new Random(options.seed);
	const network = new Network(players, settings.hidden, random.fork("weights"));
	const trainer = new Trainer(network, settings.momentum);
	const removed = samples.map((sample) => Uint16Array.from(sample.coalition.removed()));
	const targets = Float64Array.from(samples, (sample) => sample.value);
	const order = Uint32Array.from(samples.keys());
	const shuffles = random.fork("order");
	let work = 0;
	for (let epoch = 0; epoch < settings.epochs; epoch++) {
		const drops = settings.decayEvery > 0 ? Math.floor(epoch / settings.decayEvery) : 0;
		const rate = settings.learningRate * settings.decay ** drops;
		shuffles.shuffle(order);
		for (let start = 0; start < order.length; start += settings.batch) {
			const batch = order.subarray(start, start + settings.batch);
			work += trainer.step(batch, removed, targets, rate);
			if (work < SLICE) continue;
			work = 0;
			await options.pause?.();
			options.signal?.throwIfAborted();
		}
		options.onProgress?.((epoch + 1) / settings.epochs);
	}
	const report = {
		masks: samples.length,
		settings: { ...settings, seed: options.seed, trainingError: trainer.lastEpochError(targets.length) },
	};
	return new MlpSurrogate(network, report);
}

function checked(players: number, options: MlpOptions) {
	const settings = {
		hidden: options.hidden ?? 2 * players,
		epochs: options.epochs ?? 300,
		batch: options.batch ?? 300,
		learningRate: options.learningRate ?? 0.008,
		momentum: options.momentum ?? 0.9,
		decayEvery: options.decayEvery ?? 100,
		decay: options.decay ?? 0.1,
	};
	for (const name of ["hidden", "epochs", "batch"] as const) {
		if (!Number.isInteger(settings[name]) || settings[name] < 1)
			throw new RangeError(`${name} must be a positive integer, got ${settings[name]}`);
	}
	if (!Number.isInteger(settings.decayEvery) || settings.decayEvery < 0) {
		throw new RangeError(`decayEvery must be a non-negative integer, got ${settings.decayEvery}`);
	}
	if (!(settings.learningRate > 0)) throw new RangeError(`learningRate must be above 0, got ${settings.learningRate}`);
	if (!(settings.decay > 0)) throw new RangeError(`decay must be above 0, got ${settings.decay}`);
	if (!(settings.momentum >= 0 && settings.momentum < 1)) throw new RangeError(`momentum must be in [0, 1), got ${settings.momentum}`);
	return settings;
}

/** Weights in one array: first layer by block (players x hidden), its bias (hidden), second layer (hidden), its bias (1). */
class Network {
	readonly players: number;
	readonly hidden: number;
	readonly weights: Float64Array;
	readonly bias1: number;
	readonly layer2: number;
	readonly bias2: number;

	constructor(players: number, hidden: number, random: Random) {
		this.players = players;
		this.hidden = hidden;
		this.bias1 = players * hidden;
		this.layer2 = this.bias1 + hidden;
		this.bias2 = this.layer2 + hidden;
		// PyTorch's default: uniform within 1/sqrt(inputs of the layer), weights and biases alike.
		const bound1 = 1 / Math.sqrt(players);
		const bound2 = 1 / Math.sqrt(hidden);
		this.weights = Float64Array.from(
			{ length: this.bias2 + 1 },
			(_, i) => (2 * random.uniform() - 1) * (i < this.layer2 ? bound1 : bound2),
		);
	}

	/** Inputs of the hidden units with every block kept. */
	originalInputs(out: Float64Array): void {
		const { weights, hidden, players, bias1 } = this;
		for (let h = 0; h < hidden; h++) {
			let sum = weights[bias1 + h] as number;
			for (let i = 0; i < players; i++) sum += weights[i * hidden + h] as number;
			out[h] = sum;
		}
	}

	output(activations: Float64Array): number {
		let sum = this.weights[this.bias2] as number;
		for (let h = 0; h < this.hidden; h++) sum += (this.weights[this.layer2 + h] as number) * (activations[h] as number);
		return 1 / (1 + Math.exp(-sum));
	}
}

/** Stochastic gradient descent with momentum, as PyTorch does it: velocity = momentum * velocity + gradient. */
class Trainer {
	readonly #network: Network;
	readonly #momentum: number;
	readonly #velocity: Float64Array;
	readonly #gradient: Float64Array;
	readonly #full: Float64Array;
	readonly #activations: Float64Array;
	readonly #slopes: Float64Array;
	#squares: number[] = [];

	constructor(network: Network, momentum: number) {
		this.#network = network;
		this.#momentum = momentum;
		this.#velocity = new Float64Array(network.weights.length);
		this.#gradient = new Float64Array(network.weights.length);
		this.#full = new Float64Array(network.hidden);
		this.#activations = new Float64Array(network.hidden);
		this.#slopes = new Float64Array(network.hidden);
	}

	/** Mean squared error over the last steps that together saw `masks` coalitions. */
	lastEpochError(masks: number): number {
		return this.#squares.slice(-masks).reduce((sum, square) => sum + square, 0) / Math.min(masks, this.#squares.length);
	}

	/** One step on the coalitions in `batch`; returns the work done. */
	step(batch: Uint32Array, removed: readonly Uint16Array[], targets: Float64Array, rate: number): number {
		this.#network.originalInputs(this.#full);
		this.#gradient.fill(0);
		let work = this.#gradient.length;
		for (const index of batch) {
			const blocks = removed[index] as Uint16Array;
			const output = this.#forward(blocks);
			const error = output - (targets[index] as number);
			this.#squares.push(error * error);
			this.#backward(blocks, ((2 * error) / batch.length) * output * (1 - output));
			work += this.#network.hidden * (4 + 2 * blocks.length);
		}
		if (this.#squares.length > 100_000) this.#squares = this.#squares.slice(-50_000);
		this.#spreadFullGradient();
		const { weights } = this.#network;
		for (let p = 0; p < weights.length; p++) {
			const velocity = this.#momentum * (this.#velocity[p] as number) + (this.#gradient[p] as number);
			this.#velocity[p] = velocity;
			weights[p]! -= rate * velocity;
		}
		return work;
	}

	#forward(blocks: Uint16Array): number {
		const { weights, hidden } = this.#network;
		const inputs = this.#activations;
		inputs.set(this.#full);
		for (const block of blocks) {
			const row = block * hidden;
			for (let h = 0; h < hidden; h++) inputs[h]! -= weights[row + h] as number;
		}
		for (let h = 0; h < hidden; h++) {
			const input = inputs[h] as number;
			const slope = input > 0 ? 1 : Math.exp(input);
			this.#slopes[h] = slope;
			inputs[h] = input > 0 ? input : slope - 1;
		}
		return this.#network.output(inputs);
	}

	/** Adds the gradient of one coalition. A first-layer row holds minus the sum over coalitions without the block, until {@link #spreadFullGradient}. */
	#backward(blocks: Uint16Array, outer: number): void {
		const { weights, hidden, bias1, layer2, bias2 } = this.#network;
		const gradient = this.#gradient;
		gradient[bias2]! += outer;
		for (let h = 0; h < hidden; h++) {
			gradient[layer2 + h]! += outer * (this.#activations[h] as number);
			const inner = outer * (weights[layer2 + h] as number) * (this.#slopes[h] as number);
			this.#slopes[h] = inner;
			gradient[bias1 + h]! += inner;
		}
		for (const block of blocks) {
			const row = block * hidden;
			for (let h = 0; h < hidden; h++) gradient[row + h]! -= this.#slopes[h] as number;
		}
	}

	/** A kept block's input is 1: its gradient is the bias's less the part of the coalitions without it. */
	#spreadFullGradient(): void {
		const { players, hidden, bias1 } = this.#network;
		for (let i = 0; i < players; i++) {
			for (let h = 0; h < hidden; h++) this.#gradient[i * hidden + h]! += this.#gradient[bias1 + h] as number;
		}
	}
}

/** The paper's network after training. */
export class MlpSurrogate implements Surrogate {
	readonly kind = "mlp";
	readonly fit: FitReport;
	readonly #network: Network;

	/** @internal */
	constructor(network: Network, fit: FitReport) {
		this.#network = network;
		this.fit = fit;
	}

	get players(): number {
		return this.#network.players;
	}

	predict(coalitions: readonly Coalition[]): Float64Array {
		const full = new Float64Array(this.#network.hidden);
		this.#network.originalInputs(full);
		const lists = removedOfRows(toRows(coalitions, this.players), this.players);
		return Float64Array.from(lists, (removed) => this.#outputOf(this.#inputs(full, removed), -1, 0));
	}

	marginals(rows: Uint8Array): Float64Array {
		const { players } = this;
		const full = new Float64Array(this.#network.hidden);
		this.#network.originalInputs(full);
		const result = new Float64Array(rows.length);
		for (const [row, removed] of removedOfRows(rows, players).entries()) {
			const inputs = this.#inputs(full, removed);
			const here = this.#outputOf(inputs, -1, 0);
			for (let i = 0; i < players; i++) {
				const kept = rows[row * players + i] === 1;
				result[row * players + i] = kept ? here - this.#outputOf(inputs, i, -1) : this.#outputOf(inputs, i, 1) - here;
			}
		}
		return result;
	}

	#inputs(full: Float64Array, removed: readonly number[]): Float64Array {
		const { weights, hidden } = this.#network;
		const inputs = full.slice();
		for (const block of removed) for (let h = 0; h < hidden; h++) inputs[h]! -= weights[block * hidden + h] as number;
		return inputs;
	}

	/** Output for the given inputs of the hidden units with one block's row added (`sign` 1), taken away (-1), or unchanged (`block` -1). */
	#outputOf(inputs: Float64Array, block: number, sign: number): number {
		const { weights, hidden, layer2, bias2 } = this.#network;
		const row = Math.max(0, block) * hidden;
		let sum = weights[bias2] as number;
		for (let h = 0; h < hidden; h++) {
			const input = (inputs[h] as number) + sign * (weights[row + h] as number);
			sum += (weights[layer2 + h] as number) * (input > 0 ? input : Math.exp(input) - 1);
		}
		return 1 / (1 + Math.exp(-sum));
	}
}
