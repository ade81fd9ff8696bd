// Factors for each attention head behind a cut, found on the measured divergence and folded into the matrices.
import { InvalidPlanError } from "../../errors.js";
import type { GgufFile } from "../gguf/file.js";
import type { GgufTensor } from "../gguf/types.js";
import type { BlockVersion } from "../runtime/addon.js";
import { Evaluator } from "../runtime/evaluator.js";
import type { LoadedModel } from "../runtime/loaded-model.js";
import { orRestored } from "./standing.js";
import { scalableColumns, scalableRows, type Scaling, scaleGroups } from "./scaling.js";
import { type HealedTensor, readTensor } from "./tensors.js";
import { average } from "../../game/statistics.js";
import type { ComparedText } from "./tuning.js";
import type { BlockMask } from "../runtime/masks.js";
import { shownText } from "../../storage/shown-text.js";

/**
 * Factors of one matrix: one for each group of its rows (what a head asks with) or columns (what a head gives), a group being an
 * attention head or, where the type's blocks hold more or a norm is shared by them, several.
 */
export interface HeadFactors extends Scaling {
	readonly tensor: string;
}

/** What factors are sought for, and on what. */
export interface FactorInput extends ComparedText {
	/** Ascending. */
	readonly removed: readonly number[];
	/** Names of matrices that were healed: they are left alone. */
	readonly healed: readonly string[];
	/** What may be spent: whole passes of the windows through the pruned model. */
	readonly passes: number;
	readonly ubatch: number;
	readonly threads: number;
	readonly signal?: AbortSignal | undefined;
	readonly mask: (removed: readonly number[]) => BlockMask;
	readonly onProgress?: (done: number, total: number) => void;
}

export interface FoundFactors {
	readonly factors: readonly HeadFactors[];
	/** Scaled matrices, which stand in the model. */
	readonly tensors: readonly HealedTensor[];
	/** Mean divergence from the original model before and with them, nats a token. */
	readonly before: number;
	readonly after: number;
}

/** Factors are tried at 1 - this and 1 + this, and a parabola is laid through the three divergences. */
const span = 0.25;
/** The minimum of a parabola is trusted so far from 1. */
const farthest = 0.5;
/** Factors that are tried in one batch, twice each: as many matrices are in memory. */
export const atOnce = 12;
/** Of all steps of a matrix together, what is tried: heads do each other's work, so that the whole sum can be too far. */
const shares = [1, 0.5];

/** A matrix that a block's heads read or write through, and how many factors it can have. */
interface Place {
	readonly tensor: GgufTensor;
	readonly by: Scaling["by"];
	readonly groups: number;
}

/**
 * Block by block, from the first one behind a cut on, as far as `passes` reach: each factor is tried on its own around 1, the steps of a
 * matrix are taken together where that lowers the divergence. Leaves the scaled matrices in the model; where it throws, the file's own.
 * @throws EvaluationError, or `signal.reason`
 */
export async function findFactors(model: LoadedModel, input: FactorInput): Promise<FoundFactors> {
	const search = new FactorSearch(model, input);
	return orRestored(model, search.tensors, () => search.run());
}

/**
 * Does again what was found. Leaves the scaled matrices in the model; where it throws, the file's own.
 * @throws InvalidPlanError where the model has no such matrix
 */
export async function applyFactors(model: LoadedModel, found: readonly HeadFactors[], signal?: AbortSignal): Promise<HealedTensor[]> {
	const tensors: HealedTensor[] = [];
	return orRestored(model, tensors, () => applyEach(model, found, tensors, signal));
}

async function applyEach(
	model: LoadedModel,
	found: readonly HeadFactors[],
	tensors: HealedTensor[],
	signal: AbortSignal | undefined,
): Promise<HealedTensor[]> {
	for (const { tensor: name, ...scaling } of found) {
		const tensor = model.file.tensor(name);
		if (!tensor) throw new InvalidPlanError(`the plan scales heads of ${shownText(name)}, which the model has not`);
		const values = { type: tensor.type, bytes: await readTensor(tensor) };
		const scaled = await scaleGroups(model, { tensor, standing: values }, scaling, signal);
		await model.replaceTensor(name, scaled);
		tensors.push(scaled);
	}
	return tensors;
}

class FactorSearch {
	readonly #model: LoadedModel;
	readonly #input: FactorInput;
	readonly #mask: Uint8Array;
	readonly #evaluator: Evaluator;
	readonly tensors: HealedTensor[] = [];

	constructor(model: LoadedModel, input: FactorInput) {
		this.#model = model;
		this.#input = input;
		this.#mask = input.mask(input.removed).toBytes();
		this.#evaluator = new Evaluator(model, { ubatch: input.ubatch, threads: input.threads });
	}

	async run(): Promise<FoundFactors> {
		const { removed, healed, passes, onProgress } = this.#input;
		const kept = [...this.#mask.keys()].filter((block) => this.#mask[block] !== 0);
		const behind = kept.filter((block) => block > removed[0]!);
		const factors: HeadFactors[] = [];
		const before = (await this.#divergences([{ block: kept.at(-1)!, matrices: [] }]))[0]!;
		let now = before;
		let left = passes;
		const places = behind.flatMap((block, i) => placesOf(this.#model.file, block).map((place) => ({ i, block, place })));
		for (const { i, block, place } of places) {
			if (healed.includes(place.tensor.name)) continue;
			const shared = this.#evaluator.resumes({ toBytes: () => this.#mask }, block) ? kept.length - behind.length + i : 0;
			left -= passesOf(place.groups, shared, kept.length - shared);
			if (left < 0) break;
			const found = await this.#ofPlace(block, place, now);
			onProgress?.(passes - left, passes);
			if (!found) continue;
			now = found.divergence;
			await this.#model.replaceTensor(place.tensor.name, found.tensor);
			this.tensors.push(found.tensor);
			factors.push({ tensor: place.tensor.name, by: place.by, factors: found.factors });
		}
		return { factors, tensors: this.tensors, before, after: now };
	}

	/** The best of the steps of a matrix; undefined where none lowers the divergence. */
	async #ofPlace(block: number, { tensor: matrix, by, groups }: Place, now: number) {
		const values = { type: matrix.type, bytes: await readTensor(matrix) };
		const { signal } = this.#input;
		const measured = async (tried: readonly (readonly number[])[]) => {
			const tensors: HealedTensor[] = [];
			// One after the other: each is in memory as numbers while it is made.
			for (const factors of tried)
				tensors.push(await scaleGroups(this.#model, { tensor: matrix, standing: values }, { by, factors }, signal));
			const divergences = await this.#divergences(tensors.map((tensor) => ({ block, matrices: [tensor] })));
			return tried.map((factors, i) => ({ factors, tensor: tensors[i]!, divergence: divergences[i]! }));
		};
		const heads = Array.from({ length: groups }, (_, head) => head);
		const steps: number[] = [];
		for (let first = 0; first < heads.length; first += atOnce) {
			const part = heads.slice(first, first + atOnce);
			const trials = part.flatMap((head) => [-span, span].map((step) => heads.map((other) => (other === head ? 1 + step : 1))));
			const found = await measured(trials);
			steps.push(...part.map((_, i) => minimum(found[2 * i]!.divergence, now, found[2 * i + 1]!.divergence)));
		}
		const together = await measured(shares.map((share) => steps.map((step) => 1 + share * step)));
		const best = together.reduce((a, b) => (b.divergence < a.divergence ? b : a));
		return best.divergence < now ? best : undefined;
	}

	/** Mean divergence of the pruned model with each of the versions. */
	async #divergences(versions: readonly BlockVersion[]): Promise<number[]> {
		const { windows, positions, reference, signal } = this.#input;
		const masks = versions.map(({ block }, version) => {
			const bytes = this.#mask.slice();
			bytes[block] = 2 + version;
			return { toBytes: () => bytes };
		});
		const found = await this.#evaluator.evaluate(masks, windows, { positions, reference, versions, signal });
		return found.map(({ divergences }) => average(divergences!));
	}
}

/**
 * What a matrix costs, in passes through the pruned model.
 * @param shared blocks that run once for all trials of a batch: those before the matrix's own, where a graph can go on from a state
 * @param others that run for each trial, as what predicts does
 */
function passesOf(groups: number, shared: number, others: number): number {
	const batches = Math.ceil(groups / atOnce) + 1;
	return ((2 * groups + shares.length) * (others + 1) + batches * shared) / (shared + others + 1);
}

/**
 * What a block's heads ask with, then what they give; without what cannot be scaled in its type, and without a matrix of all queries,
 * keys and values. A factor of the queries is one of the scores before the softmax: attention that is sharper or wider.
 */
function placesOf(file: GgufFile, block: number): Place[] {
	const heads = file.perBlock(`${file.architecture}.attention.head_count`)(block);
	if (!(heads > 1)) return [];
	const matrix = (name: string) => file.tensor(`blk.${block}.${name}.weight`);
	const [queries, norm, output] = [matrix("attn_q"), matrix("attn_q_norm"), matrix("attn_output")];
	// A norm of the queries undoes a factor of their matrix, so that it is scaled instead: as one where the heads share its weights.
	const asking = norm ?? queries;
	const places: Place[] = [];
	if (asking && queries) {
		const rows = asking.dims.at(-1)!;
		const apart = rows === queries.dims[1] || asking.dims.length > 1;
		places.push({ tensor: asking, by: "rows", groups: scalableRows(asking.type, rows, apart ? heads : 1) });
	}
	if (output?.dims.length === 2) {
		const groups = scalableColumns(output.type, output.dims[0]!, heads);
		places.push({ tensor: output, by: "columns", groups: groups > 1 ? groups : 0 });
	}
	return places.filter(({ groups }) => groups > 0);
}

/** Where a parabola through the divergences at 1 - span, 1 and 1 + span is lowest, less 1. */
export function minimum(below: number, at: number, above: number): number {
	const slope = (above - below) / (2 * span);
	const curvature = (above + below - 2 * at) / span ** 2;
	if (!Number.isFinite(slope) || !Number.isFinite(curvature)) return 0;
	if (curvature <= 0) return slope < 0 ? span : slope > 0 ? -span : 0;
	return Math.max(-farthest, Math.min(farthest, -slope / curvature));
}
