// A factor for each attention head and each feed-forward behind a cut, found on the measured divergence and folded into the matrices.
import { InvalidPlanError } from "../errors.js";
import type { GgufTensor } from "../gguf/index.js";
import type { BlockVersion } from "../runtime/addon.js";
import type { BlockMask } from "../runtime/evaluator.js";
import type { Model } from "../runtime/model.js";
import type { Reference, ScoredPositions } from "../runtime/positions.js";
import type { TokenWindows } from "../runtime/windows.js";
import { scalableGroups, scaleColumns } from "./scaling.js";
import { matricesOf, normAfter } from "./site.js";
import { type HealedTensor, readTensor } from "./tensors.js";

/** Factors of one matrix: one for each group of its columns (attention heads; several of them where the type's blocks hold more). */
export interface MatrixFactors {
	readonly tensor: string;
	readonly factors: readonly number[];
}

/** What factors are sought for, and on what. */
export interface FactorInput {
	/** Ascending. */
	readonly removed: readonly number[];
	/** Matrices that were healed already, and stand in the model. */
	readonly standing: readonly HealedTensor[];
	readonly windows: TokenWindows;
	readonly positions: ScoredPositions;
	/** Of the whole model, with the file's own matrices. */
	readonly reference: Reference;
	/** What may be spent: whole passes of the windows through the model. */
	readonly passes: number;
	readonly ubatch: number;
	readonly threads: number;
	readonly signal?: AbortSignal | undefined;
	readonly mask: (removed: readonly number[]) => BlockMask;
	readonly onProgress?: (done: number, total: number) => void;
}

export interface FoundFactors {
	readonly factors: readonly MatrixFactors[];
	/** Scaled matrices, which stand in the model. */
	readonly tensors: readonly HealedTensor[];
	/** Mean divergence from the whole model with the standing matrices and with the scaled ones, nats a token. */
	readonly before: number;
	readonly after: number;
}

/** Factors are tried at 1 - this and 1 + this, and a parabola is laid through the three divergences. */
const span = 0.25;
/** The minimum of a parabola is trusted so far from 1. */
const farthest = 0.5;
/** Factors that are tried in one batch, twice each: as many matrices are in memory. */
const atOnce = 12;
/** Of all steps of a block together, what is tried: its heads do each other's work, so that the whole sum can be too far. */
const shares = [1, 0.5];

/** A matrix as it stands, and how many groups its columns make. */
interface Place {
	readonly tensor: GgufTensor;
	readonly groups: number;
	readonly standing: Pick<HealedTensor, "type" | "bytes">;
}

interface Coordinate {
	readonly place: number;
	readonly group: number;
}

/**
 * Block by block, from the first one behind a cut on, as far as `passes` reach: each factor is tried on its own around 1, the steps are
 * taken together where that lowers the divergence. Leaves the scaled matrices in the model.
 * @throws EvaluationError, QuantizeError for types that hold no numbers, or `signal.reason`
 */
export async function findFactors(model: Model, input: FactorInput): Promise<FoundFactors> {
	const search = new FactorSearch(model, input);
	try {
		return await search.run();
	} catch (error) {
		// What stood before; of a model that was freed meanwhile nothing can be put back, and the first error says why.
		for (const { name } of search.tensors)
			await model
				.replaceTensor(
					name,
					input.standing.find((one) => one.name === name),
				)
				.catch(() => {});
		throw error;
	}
}

/** Does again what was found. Leaves the scaled matrices in the model. */
export async function applyFactors(
	model: Model,
	found: readonly MatrixFactors[],
	{ standing, signal }: Pick<FactorInput, "standing" | "signal">,
): Promise<HealedTensor[]> {
	const tensors: HealedTensor[] = [];
	for (const { tensor: name, factors } of found) {
		const tensor = model.file.tensor(name);
		if (!tensor) throw new InvalidPlanError(`the plan scales ${name}, which the model has not`);
		const values = standing.find((one) => one.name === name) ?? { type: tensor.type, bytes: await readTensor(tensor) };
		tensors.push(await scaleColumns(model, tensor, values, factors, signal));
		await model.replaceTensor(name, tensors.at(-1));
	}
	return tensors;
}

/** The healed matrices with the scaled ones in the place of those that they were made of. */
export function withScaled(healed: readonly HealedTensor[], scaled: readonly HealedTensor[]): HealedTensor[] {
	const names = new Set(scaled.map(({ name }) => name));
	return [...healed.filter(({ name }) => !names.has(name)), ...scaled];
}

class FactorSearch {
	readonly #model: Model;
	readonly #input: FactorInput;
	readonly #mask: Uint8Array;
	/** Scaled matrices that stand in the model. */
	readonly tensors: HealedTensor[] = [];

	constructor(model: Model, input: FactorInput) {
		this.#model = model;
		this.#input = input;
		this.#mask = input.mask(input.removed).toBytes();
	}

	async run(): Promise<FoundFactors> {
		const kept = [...this.#mask.keys()].filter((block) => this.#mask[block] !== 0);
		const behind = kept.filter((block) => block > this.#input.removed[0]!);
		const factors: MatrixFactors[] = [];
		const before = (await this.#divergences([{ block: kept.at(-1)!, matrices: [] }]))[0]!;
		let now = before;
		let passes = this.#input.passes;
		for (const [i, block] of behind.entries()) {
			const places = await this.#places(block);
			const coordinates = places.flatMap(({ groups }, place) =>
				Array.from({ length: groups }, (_, group): Coordinate => ({ place, group })),
			);
			// A trial runs the blocks from its own on, and what predicts.
			const cost = ((2 * coordinates.length + shares.length) * (behind.length - i + 1)) / (kept.length + 1);
			if (coordinates.length === 0 || cost > passes) continue;
			passes -= cost;
			this.#input.onProgress?.(this.#input.passes - passes, this.#input.passes);
			const steps = await this.#steps(block, places, coordinates, now);
			const tried = shares.map((share) => places.map(({ groups }, place) => factorsOf(steps, coordinates, place, groups, share)));
			const versions = await Promise.all(tried.map((each) => this.#version(block, places, each)));
			const divergences = await this.#divergences(versions);
			const best = divergences.indexOf(Math.min(...divergences));
			if (!(divergences[best]! < now)) continue;
			now = divergences[best]!;
			for (const [place, { tensor }] of places.entries()) {
				const matrix = versions[best]!.matrices.find(({ name }) => name === tensor.name)!;
				await this.#model.replaceTensor(tensor.name, matrix);
				factors.push({ tensor: tensor.name, factors: tried[best]![place]! });
				this.tensors.push(matrix);
			}
		}
		return { factors, tensors: this.tensors, before, after: now };
	}

	/** The minimum of each factor's parabola, less 1. */
	async #steps(block: number, places: readonly Place[], coordinates: readonly Coordinate[], now: number): Promise<number[]> {
		const steps: number[] = [];
		for (let first = 0; first < coordinates.length; first += atOnce) {
			const versions: BlockVersion[] = [];
			for (const { place, group } of coordinates.slice(first, first + atOnce)) {
				for (const sign of [-1, 1]) {
					const factors = Array.from({ length: places[place]!.groups }, (_, i) => (i === group ? 1 + sign * span : 1));
					versions.push(await this.#version(block, [places[place]!], [factors]));
				}
			}
			const divergences = await this.#divergences(versions);
			for (let i = 0; i < divergences.length; i += 2) steps.push(minimum(divergences[i]!, now, divergences[i + 1]!));
		}
		return steps;
	}

	async #places(block: number): Promise<Place[]> {
		const { file, facts, blocks } = this.#model;
		const places: Place[] = [];
		const add = async (tensor: GgufTensor, wanted: number) => {
			const healed = this.#input.standing.find(({ name }) => name === tensor.name);
			const groups = scalableGroups(healed?.type ?? tensor.type, tensor.dims[0]!, wanted);
			if (groups > 0) places.push({ tensor, groups, standing: healed ?? { type: tensor.type, bytes: await readTensor(tensor) } });
		};
		for (const { matrix, tensor } of matricesOf(file, blocks.view.outputs(block), facts.width)) {
			const heads = matrix === "attn_output" ? headsOf(this.#model, block) : 1;
			const norm = normAfter(file, tensor, matrix);
			// A norm takes a factor of the whole matrix back: its own weights are scaled.
			if (norm) await add(norm, 1);
			if (heads > 1 || !norm) await add(tensor, heads);
		}
		return places;
	}

	async #version(block: number, places: readonly Place[], factors: readonly (readonly number[])[]): Promise<BlockVersion> {
		const matrices: HealedTensor[] = [];
		for (const [i, { tensor, standing }] of places.entries()) {
			matrices.push(await scaleColumns(this.#model, tensor, standing, factors[i]!, this.#input.signal));
		}
		return { block, matrices };
	}

	/** Mean divergence of the pruned model with each of the versions. */
	async #divergences(versions: readonly BlockVersion[]): Promise<number[]> {
		const { windows, positions, reference, ubatch, threads, signal } = this.#input;
		const masks = versions.map(({ block }, version) => {
			const bytes = this.#mask.slice();
			bytes[block] = 2 + version;
			return { toBytes: () => bytes };
		});
		const evaluator = this.#model.createEvaluator({ ubatch, threads });
		const found = await evaluator.evaluate(masks, windows, { positions, reference, versions, signal });
		return found.map(({ divergences }) => divergences!.reduce((sum, each) => sum + each, 0) / divergences!.length);
	}
}

function headsOf({ file }: Model, block: number): number {
	const value = file.value(`${file.architecture}.attention.head_count`);
	return Number((typeof value === "object" && value !== null ? (value as ArrayLike<number>)[block] : value) ?? 1) || 1;
}

/** Where a parabola through the divergences at 1 - span, 1 and 1 + span is lowest, less 1. */
export function minimum(below: number, at: number, above: number): number {
	const slope = (above - below) / (2 * span);
	const curvature = (above + below - 2 * at) / span ** 2;
	if (!Number.isFinite(slope) || !Number.isFinite(curvature)) return 0;
	if (curvature <= 0) return slope < 0 ? span : slope > 0 ? -span : 0;
	return Math.max(-farthest, Math.min(farthest, -slope / curvature));
}

function factorsOf(steps: readonly number[], coordinates: readonly Coordinate[], place: number, groups: number, share: number): number[] {
	return Array.from({ length: groups }, (_, group) => {
		const at = coordinates.findIndex((one) => one.place === place && one.group === group);
		return 1 + share * steps[at]!;
	});
}
