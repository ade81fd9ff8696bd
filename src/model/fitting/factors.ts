// Factors for each attention head behind a cut: chosen by the measured divergence, then multiplied into the matrices.
import { InvalidPlanError } from "../../errors.js";
import type { GgufFile } from "../gguf/file.js";
import type { GgufTensor } from "../gguf/types.js";
import type { BlockVersion } from "../runtime/addon.js";
import { Evaluator } from "../runtime/evaluator.js";
import type { LoadedModel } from "../runtime/loaded-model.js";
import { orRestored, whileHealed } from "./standing.js";
import { isWholeBlock, originOf, type StackedBlock, stackWithout } from "../../game/parts.js";
import { scalableColumns, scalableRows, type Scaling, scaleGroups } from "./scaling.js";
import { type HealedTensor, readTensor } from "./tensors.js";
import { average } from "../../game/statistics.js";
import type { ComparedText } from "./tuning.js";
import type { BlockMask } from "../runtime/masks.js";
import { shownText } from "../../storage/shown-text.js";

/**
 * Factors of one matrix: one for each group of its rows (the queries of a head) or columns (the output of a head). A group is one attention
 * head, or several if the type's blocks are larger or the heads share a norm.
 */
export interface HeadFactors extends Scaling {
	readonly tensor: string;
}

/** What factors are searched for, and on what. */
export interface FactorInput extends ComparedText {
	/** Ascending. */
	readonly removed: readonly number[];
	/** Names of healed matrices, which are not changed. */
	readonly healed: readonly string[];
	/** Budget: complete passes of the windows through the pruned model. */
	readonly passes: number;
	readonly ubatch: number;
	readonly threads: number;
	readonly signal?: AbortSignal | undefined;
	readonly mask: (removed: readonly number[]) => BlockMask;
	readonly onProgress?: (done: number, total: number) => void;
}

export interface FoundFactors {
	readonly factors: readonly HeadFactors[];
	/** Scaled matrices, which are in the model now. */
	readonly tensors: readonly HealedTensor[];
	/** Mean divergence from the original model before and with them, nats per token. */
	readonly before: number;
	readonly after: number;
}

/** Factors are tried at 1 - this and 1 + this, and a parabola is fitted to the three divergences. */
const span = 0.25;
/** The minimum of a parabola is trusted up to this distance from 1. */
const farthest = 0.5;
/** Factors tried in one batch, twice each: so many matrices are in memory. */
export const atOnce = 12;
/** Fractions of all steps of a matrix together that are tried: heads overlap in their work, so the full sum can be too much. */
const shares = [1, 0.5];

/** A matrix that a block's heads read or write through, and how many factors it can have. */
interface Place {
	readonly tensor: GgufTensor;
	readonly by: Scaling["by"];
	readonly groups: number;
}

/**
 * Block by block from the first one behind a cut on, as far as `passes` allows. Each factor is tried by itself around 1, and the steps of a
 * matrix are taken together if that lowers the divergence. Leaves the scaled matrices in the model; if it throws, the file's own.
 * @throws EvaluationError, or `signal.reason`
 */
export async function findFactors(model: LoadedModel, input: FactorInput): Promise<FoundFactors> {
	const search = new FactorSearch(model, input);
	return orRestored(model, search.tensors, () => search.run());
}

/**
 * Repeats a recorded result. Leaves the scaled matrices in the model; if it throws, the file's own.
 * @throws InvalidPlanError if the model has no such matrix
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
		if (!tensor)
			throw new InvalidPlanError(
				`the plan scales heads of ${shownText(name)}, which this model lacks: apply it to the model that it was made for`,
			);
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
		const kept = stackWithout(this.#model.facts.blocks, removed);
		const factors: HeadFactors[] = [];
		const before = await this.#divergence();
		let now = before;
		let left = passes;
		const places = kept.flatMap((block, i) => {
			const { attention } = block;
			if (attention === undefined || attention <= removed[0]!) return [];
			return placesOf(this.#model.file, attention).map((place) => ({ i, block, place }));
		});
		for (const { i, block, place } of places) {
			if (healed.includes(place.tensor.name)) continue;
			const shared = isWholeBlock(block) && this.#evaluator.resumes({ toBytes: () => this.#mask }, originOf(block)) ? i : 0;
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

	/** The best of the steps of a matrix; undefined if none lowers the divergence. */
	async #ofPlace(block: StackedBlock, { tensor: matrix, by, groups }: Place, now: number) {
		const values = { type: matrix.type, bytes: await readTensor(matrix) };
		const { signal } = this.#input;
		const measured = async (tried: readonly (readonly number[])[]) => {
			const tensors: HealedTensor[] = [];
			// One after the other: each is held as numbers while it is made.
			for (const factors of tried)
				tensors.push(await scaleGroups(this.#model, { tensor: matrix, standing: values }, { by, factors }, signal));
			const divergences = await this.#divergencesWith(block, tensors);
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

	/** Mean divergence of the pruned model as it stands. */
	async #divergence(): Promise<number> {
		const { windows, positions, reference, signal } = this.#input;
		const [found] = await this.#evaluator.evaluate([{ toBytes: () => this.#mask }], windows, { positions, reference, signal });
		return average(found!.divergences!);
	}

	/** Mean divergence of the pruned model with each of these values for a matrix of a block. */
	async #divergencesWith(block: StackedBlock, tensors: readonly HealedTensor[]): Promise<number[]> {
		if (!isWholeBlock(block)) return this.#divergencesInTurns(tensors);
		const { windows, positions, reference, signal } = this.#input;
		const versions: BlockVersion[] = tensors.map((tensor) => ({ block: originOf(block), matrices: [tensor] }));
		const masks = versions.map((_, version) => {
			const bytes = this.#mask.slice();
			bytes[originOf(block)] = 2 + version;
			return { toBytes: () => bytes };
		});
		const found = await this.#evaluator.evaluate(masks, windows, { positions, reference, versions, signal });
		return found.map(({ divergences }) => average(divergences!));
	}

	/** Masks cannot name versions of a merged block: its values stand in the model one after the other. */
	async #divergencesInTurns(tensors: readonly HealedTensor[]): Promise<number[]> {
		const found: number[] = [];
		for (const tensor of tensors) found.push(await whileHealed(this.#model, [tensor], () => this.#divergence()));
		return found;
	}
}

/**
 * Cost of a matrix, in passes through the pruned model.
 * @param shared blocks that run once for all trials of a batch: those before the matrix's own, if a graph can resume from a state
 * @param others blocks that run for each trial, and the prediction
 */
function passesOf(groups: number, shared: number, others: number): number {
	const batches = Math.ceil(groups / atOnce) + 1;
	return ((2 * groups + shares.length) * (others + 1) + batches * shared) / (shared + others + 1);
}

/**
 * The query matrix of a block's heads, then the output matrix. It leaves out matrices whose type cannot be scaled, and a joint matrix of
 * queries, keys and values. A factor of the queries scales the scores before the softmax, so attention becomes sharper or wider.
 */
function placesOf(file: GgufFile, block: number): Place[] {
	const heads = file.perBlock(`${file.architecture}.attention.head_count`)(block);
	if (!(heads > 1)) return [];
	const matrix = (name: string) => file.tensor(`blk.${block}.${name}.weight`);
	const [queries, norm, output] = [matrix("attn_q"), matrix("attn_q_norm"), matrix("attn_output")];
	// A norm of the queries undoes a factor of their matrix, so the norm is scaled instead: with one factor if the heads share its weights.
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

/** Minimum of a parabola through the divergences at 1 - span, 1 and 1 + span, minus 1. */
export function minimum(below: number, at: number, above: number): number {
	const slope = (above - below) / (2 * span);
	const curvature = (above + below - 2 * at) / span ** 2;
	if (!Number.isFinite(slope) || !Number.isFinite(curvature)) return 0;
	if (curvature <= 0) return slope < 0 ? span : slope > 0 ? -span : 0;
	return Math.max(-farthest, Math.min(farthest, -slope / curvature));
}
