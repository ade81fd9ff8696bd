// A model on a device and the same on the CPU, measured on the same windows: what the parity gate judges.
import { join } from "node:path";
import { Coalition } from "../../game/coalition.js";
import { average, finite } from "../../game/statistics.js";
import { NoSpaceError, NotEnoughMemoryError } from "../../errors.js";
import { removeBlocks } from "../../model/architectures/index.js";
import { writeGguf, writtenSize } from "../../model/gguf/index.js";
import { blockOfTensor } from "../../model/gguf/block-names.js";
import type { Evaluation } from "../../model/runtime/evaluator.js";
import { asRead, restartTeller } from "../../model/runtime/load-model.js";
import { availableMemory, neededMemory } from "../../model/runtime/memory.js";
import { Model } from "../../model/runtime/model.js";
import { offloaded } from "../../model/runtime/placement.js";
import { packageVersion } from "../../model/runtime/paths.js";
import type { TokenWindows } from "../../model/runtime/windows.js";
import { writeTemporarily } from "../../storage/atomic-file.js";
import { partialName } from "../../storage/partials.js";
import type { LoadSettings } from "../../api/options/settings.js";

/** One candidate on both. */
export interface Parity {
	/** Removed blocks; none for the original model. */
	readonly removed: readonly number[];
	/** Mean losses, nats per token; null if not finite. */
	readonly device: number | null;
	readonly cpu: number | null;
	/** Mean of KL(CPU || device), nats per token; null if not finite. */
	readonly divergence: number | null;
}

/** What is compared. */
export interface ParityJob {
	readonly model: Model;
	/** Of the model's file. */
	readonly sha256: string;
	readonly windows: TokenWindows;
	/** Folder of the model's runs. */
	readonly folder: string;
}

/**
 * The original and two candidates, on the device and on the CPU.
 * @returns undefined if memory does not hold the model
 */
export async function compareWhole({ model, windows }: ParityJob, options: LoadSettings): Promise<Parity[] | undefined> {
	const onCpu = await loadOnCpu(model, model.path, options);
	if (!onCpu) return undefined;
	const { blocks } = model.facts;
	const sets = candidatesOf(model).map((removed) => ({ removed, mask: Coalition.ofRemoved(blocks, removed) }));
	return compared({ model, onCpu, windows, sets }, options);
}

/** Numbers of blocks that are compared if memory does not hold the model; the first one that it holds. */
const partCounts = [16, 8, 4, 2, 1];

/**
 * Only some blocks of each device, with the embedding and the LM head: on the device through the layer view, on the CPU from a file of them
 * alone, which is deleted in any case.
 * @returns undefined if memory or the disk does not hold even one of each device, or the architecture cannot run them alone
 */
export async function comparePart(job: ParityJob, options: LoadSettings, available = availableMemory()): Promise<Parity[] | undefined> {
	const { model } = job;
	for (const count of partCounts) {
		const removed = removedBeside(blocksOfDevices(model, count), model);
		if (removed.length === 0 || model.blocks.check(removed) !== undefined || bytesWithout(model, removed) > available) continue;
		const found = await compareWithout(job, removed, options);
		if (found) return found;
	}
	return undefined;
}

/** About so many blocks, at least one of each device: the first ones of its share. With the LM head alone on a device, any blocks lead to it. */
function blocksOfDevices({ placement, facts }: Model, count: number): ReadonlySet<number> {
	const shares: { readonly first: number; readonly size: number }[] = [];
	let first = placement.blocks - offloaded(placement);
	// By rows each device has a part of all of them.
	const sizes = placement.splitMode === "row" ? [offloaded(placement)] : placement.devices.map(({ blocks }) => blocks);
	for (const blocks of sizes) {
		// The tail for predicting several tokens is never measured.
		const size = Math.min(first + blocks, facts.blocks) - first;
		if (size > 0) shares.push({ first, size });
		first += blocks;
	}
	if (shares.length === 0) shares.push({ first: 0, size: facts.blocks });
	const all = shares.reduce((sum, { size }) => sum + size, 0);
	const taken = ({ size }: { readonly size: number }) => Math.min(size, Math.max(1, Math.floor((count * size) / all)));
	return new Set(shares.flatMap((share) => Array.from({ length: taken(share) }, (_, i) => share.first + i)));
}

/** What can go so that these blocks stay: blocks that a rule ties together go together. */
function removedBeside(kept: ReadonlySet<number>, { blocks: plan, facts }: Model): number[] {
	const groups = plan.units ?? [...Array(facts.blocks).keys()].filter((block) => !plan.frozen.has(block)).map((block) => [block]);
	return groups.filter((group) => !group.some((block) => kept.has(block))).flat();
}

function bytesWithout({ file }: Model, removed: readonly number[]): number {
	const gone = new Set<number | undefined>(removed);
	const weights = file.tensors.reduce((sum, { name, source }) => sum + (gone.has(blockOfTensor(name)) ? source.size : 0), 0);
	return neededMemory(file).total - weights;
}

async function compareWithout(job: ParityJob, removed: readonly number[], options: LoadSettings): Promise<Parity[] | undefined> {
	const { model, sha256, folder, windows } = job;
	const { signal, allowUnknownArchitecture: allowUnknown = false } = options;
	const stop = signal ? { signal } : {};
	const content = removeBlocks(model.file, removed, { version: packageVersion, sourceSha256: sha256 }, { allowUnknown });
	const mask = Coalition.ofRemoved(model.facts.blocks, removed);
	try {
		return await writeTemporarily(
			join(folder, partialName("part.gguf")),
			{ expectedBytes: writtenSize(content), ...stop },
			(handle) => writeGguf(handle, content, stop),
			async (path) => {
				const onCpu = await loadOnCpu(model, path, options);
				const sets = [{ removed, mask, there: Coalition.full(model.facts.blocks - removed.length) }];
				return onCpu && compared({ model, onCpu, windows, sets }, options);
			},
		);
	} catch (error) {
		if (!(error instanceof NoSpaceError)) throw error;
		return undefined;
	}
}

/** What is measured on both. */
interface Pair {
	readonly model: Model;
	/** It is freed in the end. */
	readonly onCpu: Model;
	readonly windows: TokenWindows;
	/** `there`: how the set is named on the CPU, if that is another file. */
	readonly sets: readonly { readonly removed: readonly number[]; readonly mask: Coalition; readonly there?: Coalition }[];
}

async function compared({ model, onCpu, windows, sets }: Pair, { signal, progress }: LoadSettings): Promise<Parity[]> {
	const tell = (done: number) =>
		progress?.work({ phase: "comparing the device with the CPU", done, total: sets.length, unit: "candidates" });
	tell(0);
	try {
		const found: Parity[] = [];
		const [device, cpu] = [model.createEvaluator(), onCpu.createEvaluator()];
		for (const { removed, mask, there = mask } of sets) {
			let right: Evaluation | undefined;
			const onCandidate = (_: number, evaluation: Evaluation) => {
				right = evaluation;
			};
			const reference = await cpu.createReference(there, windows, { signal, onCandidate, maxBytes: Number.POSITIVE_INFINITY });
			const [seen] = await device.evaluate([mask], windows, { signal, reference });
			found.push({ removed, device: meanOf(seen!.losses), cpu: meanOf(right!.losses), divergence: meanOf(seen!.divergences!) });
			tell(found.length);
		}
		return found;
	} finally {
		await onCpu.dispose();
	}
}

/** Undefined if memory does not hold it. */
async function loadOnCpu(model: Model, path: string, options: LoadSettings): Promise<Model | undefined> {
	const { allowUnknownArchitecture, signal } = options;
	try {
		const onCpu = await Model.load(path, {
			...{ threads: model.threads, gpuLayers: 0, beside: model, allowUnknownArchitecture, signal },
			...(path === model.path ? { file: model.file } : {}),
			onRestart: restartTeller(options),
		});
		return await asRead(onCpu);
	} catch (error) {
		if (!(error instanceof NotEnoughMemoryError)) throw error;
		return undefined;
	}
}

/** The original, a block in the middle, and a quarter of the blocks: as far as the architecture can lose them. */
function candidatesOf({ blocks: plan, facts: { blocks } }: Model): number[][] {
	const removable = [...Array(blocks).keys()].filter((block) => !plan.frozen.has(block));
	const middle = removable[Math.floor(removable.length / 2)];
	const quarter = removable.filter((_, i) => i % 4 === 2);
	const wanted = [middle === undefined ? [] : [middle], quarter];
	return [[], ...wanted.filter((removed) => removed.length > 0 && removed.length < blocks && plan.check(removed) === undefined)];
}

const meanOf = (values: Float64Array): number | null => finite(average(values));
