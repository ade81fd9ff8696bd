// Evaluations are cached as searches are: under a key with everything that can change their bits.
import { createHash } from "node:crypto";
import { basename } from "node:path";
import { PruneGgufError } from "../../errors.js";
import { Coalition } from "../../game/coalition.js";
import { checkAsRead } from "../gguf/as-read.js";
import type { GgufFile } from "../gguf/file.js";
import { loadedBinary } from "../runtime/load-addon.js";
import { announceMachine } from "../runtime/load-model.js";
import { backendOf } from "../runtime/backend.js";
import type { Evaluator } from "../runtime/evaluator.js";
import { layersAsked } from "../runtime/devices.js";
import type { Model } from "../runtime/model.js";
import { offloaded, type Placement, placementKey } from "../runtime/placement.js";
import { llamaPin } from "../runtime/paths.js";
import { identityOf } from "../../storage/hash.js";
import { ledgerKey } from "../../storage/ledger-format.js";
import { type FitsPart, PartLedger } from "../../storage/part-ledger.js";
import { evaluationPath, makeRunFolder } from "../../storage/runs.js";
import type { JobOptions, MachineOptions } from "../runtime/job-options.js";

/** A model under a mask, and its identity. */
export interface Side {
	readonly path: string;
	/** Its header: figures are kept only while the file is as it was then. */
	readonly file: GgufFile;
	/** SHA-256 of the file. */
	readonly sha256: string;
	/** Removed blocks, ascending. */
	readonly removed: readonly number[];
}

/** The set of kept blocks of a side, for the evaluator of its model. */
export function maskOf({ removed }: Side, evaluator: Evaluator): Coalition {
	return Coalition.ofRemoved(evaluator.model.facts.blocks, removed);
}

/** Above this many bytes, hashing reports its progress. */
const quicklyHashed = 2 ** 28;

/** What identifies a model's bytes, with progress if that takes a while, after the line that says what the job runs on. */
export async function modelHash(
	files: { readonly paths: readonly string[]; readonly size: number },
	options: JobOptions & MachineOptions,
): Promise<string> {
	const long = files.size > quicklyHashed;
	if (long) await announceMachine(options);
	const report = (done: number) => options.progress?.work({ phase: "reading the file", done, total: files.size, unit: "bytes" });
	return identityOf(files.paths, options.signal, long ? report : undefined);
}

/** The same for a model whose header was read. @throws FileError if the file changed since its header was read */
export async function hashAsRead(file: GgufFile, options: JobOptions & MachineOptions): Promise<string> {
	const hash = await modelHash(file, options);
	await checkAsRead({ file });
	return hash;
}

/** What computes, as far as it can change bits: two binaries never share a measurement. */
export function computingIdentity(
	model: Pick<Model, "backend"> & { readonly placement?: Placement | undefined },
	options: MachineOptions,
): Record<string, string | number> {
	const { sha256, level, compiler } = loadedBinary();
	return {
		llama: llamaPin.commit,
		...{ addon: sha256, level, compiler },
		processor: createHash("sha256").update(model.backend.systemInfo).digest("hex").slice(0, 12),
		...placementIdentity(model.placement, options),
	};
}

/** On the CPU what was asked for, as in the keys of caches that are there already. */
function placementIdentity(placement: Placement | undefined, options: MachineOptions): Record<string, string | number> {
	const key = placement && placementKey(placement);
	if (key !== undefined) return { gpuLayers: offloaded(placement!) + 1, placement: key };
	const asked = layersAsked(options);
	return { gpuLayers: typeof asked === "number" ? asked : -1 };
}

/** What is measured for a side. */
export interface EvaluationShape {
	/** SHA-256 over the tokens. */
	readonly hash: string;
	readonly unit: "windows" | "batches of questions";
	readonly parts: number;
	/** Whether values of the cache are such as are measured of a part. */
	readonly fits: FitsPart;
	/** Further settings that can change bits. */
	readonly settings: Readonly<Record<string, string | number | boolean>>;
}

/**
 * Opens the cache of an evaluation. If it cannot be opened (a full disk, or another process that runs the same evaluation), that is a
 * warning.
 */
export async function openKept(
	{ path, sha256, removed }: Side,
	evaluator: Evaluator,
	shape: EvaluationShape,
	options: JobOptions & MachineOptions,
): Promise<PartLedger> {
	const { threads, ubatch } = evaluator;
	const settings = { ...computingIdentity(evaluator.model, options), threads, ubatch, ...shape.settings, removed: removed.join() };
	const key = ledgerKey({ model: sha256, windows: shape.hash, backend: backendOf(evaluator.model), settings });
	try {
		const folder = await makeRunFolder({ name: basename(path), sha256 });
		const ledger = await PartLedger.open(evaluationPath(folder, key), { key, unit: shape.unit, parts: shape.parts, settings }, shape.fits);
		if (ledger.resumed > 0)
			options.onLog?.({
				level: "note",
				message: `${ledger.resumed} of ${shape.parts} ${shape.unit} are cached from an earlier run (${ledger.path})`,
			});
		return ledger;
	} catch (error) {
		if (!(error instanceof PruneGgufError)) throw error;
		options.onLog?.({ level: "warning", message: `results are not cached: ${error.message}` });
		return PartLedger.inMemory();
	}
}
