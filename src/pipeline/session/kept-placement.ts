// Where a run put its model: kept in the model's run folder, so that the run goes on from its cache although other memory is free now.
import { readFile } from "node:fs/promises";
import * as v from "valibot";
import type { GgufFile } from "../../model/gguf/index.js";
import { deviceKey, devicesFor, layersAsked } from "../../model/runtime/devices.js";
import { defaultStateBytes } from "../../model/runtime/evaluator.js";
import { machineSeen } from "../../model/runtime/load-model.js";
import { availableMemory, memoryForStates, type MemoryShape } from "../../model/runtime/memory.js";
import { bytesElsewhere, fitsNow, placementFor, type Room } from "../../model/runtime/place.js";
import { offloaded, type Placement, placementText } from "../../model/runtime/placement.js";
import { writeAtomically } from "../../storage/atomic-file.js";
import { hashOf } from "../../storage/hash.js";
import { parsedAs, wholeNumber } from "../../storage/plan-values.js";
import { placementPath } from "../../storage/runs.js";
import { logger } from "../../api/logger.js";
import type { LoadSettings, SessionSettings } from "../../api/options/settings.js";

/** Blocks by the device, in the order of the blocks. Its key: the name of a server's device only says when it was listed. */
const shares = v.array(v.strictObject({ key: v.string(), blocks: wholeNumber }));
/** All placements of a run. */
const placements = v.array(shares);

/** What is put somewhere. */
export interface PlacedJob {
	readonly file: GgufFile;
	readonly shape: MemoryShape;
	/** Folder of the model's runs. */
	readonly folder: string;
	readonly seed: number;
}

/**
 * Where the model of a run is put, and bytes of memory for hidden states beside it: if memory is short, they are computed again. What lies on
 * devices takes none of it.
 * @param job.wishedPositions of distributions to compare with that the run would like to keep
 * @throws as `placementFor`
 */
export async function placeRun(
	{ wishedPositions, ...job }: PlacedJob & { readonly wishedPositions: number },
	options: SessionSettings,
): Promise<{ readonly placement: Placement; readonly stateBytes: number }> {
	const room = { seen: await machineSeen(options), host: availableMemory() };
	const placement = await placementOfRun(job, room, options);
	const shape = { ...job.shape, referencePositions: wishedPositions };
	const free = room.host + bytesElsewhere(job.file, placement, room.seen);
	return { placement, stateBytes: memoryForStates(job.file, shape, options.stateBytes ?? defaultStateBytes, free) };
}

/**
 * Where the model of a run is put: where an earlier run of the same text and seed had it, as long as the devices have memory for that;
 * otherwise as many blocks on devices as fit. Losses are of one placement, so in another one nothing that is cached would count. All
 * placements are kept, and the largest that fits is taken: a run with little memory must not end what one with more has begun.
 * @throws as `placementFor`
 */
export async function placementOfRun(job: PlacedJob, room: Room, options: LoadSettings): Promise<Placement> {
	const { file, shape, folder, seed } = job;
	const found = placementFor(file, shape, room, options);
	const devices = devicesFor(room.seen, options);
	if (layersAsked(options) !== "auto" || devices.length === 0) return found;
	const splitMode = options.splitMode ?? "layer";
	const keys = devices.map((device) => deviceKey(device, room.seen));
	// Distributions to compare with lie in the computer's memory: a session that needs none of them is of the same run.
	const { windows, windowLength, ubatch } = shape;
	const path = placementPath(folder, hashOf(["placement", 3, { keys, splitMode, windows, windowLength, ubatch, seed }]));
	const kept = await readFile(path, "utf8").then(
		(text) => parsedAs(placements, text) ?? [],
		() => [],
	);
	const known = kept.flatMap((one): Placement[] => {
		const there = one.flatMap(({ key, blocks }) => devices.filter((_, i) => keys[i] === key).map(({ name }) => ({ name, blocks, key })));
		return there.length === one.length ? [{ devices: there, blocks: found.blocks, splitMode }] : [];
	});
	const earlier = [...known].sort((a, b) => offloaded(b) - offloaded(a));
	const taken = [...earlier, found].find((one) => placementText(one) === placementText(found) || fitsNow(file, shape, room, one))!;
	tellPlaced({ taken, found, largest: earlier[0], last: known.at(-1) }, options);
	if (taken.devices.length > 0) {
		const own = taken.devices.map(({ name, key = name, blocks }) => ({ key, blocks }));
		const isOther = (one: (typeof kept)[number]) => JSON.stringify(one) !== JSON.stringify(own);
		const [before, text] = [kept, [...kept.filter(isOther), own]].map((list) => JSON.stringify(list));
		// As most runs find it.
		if (text !== before) await writeAtomically(path, { overwrite: true }, (handle) => handle.writeFile(text!));
	}
	return taken;
}

/** What of the earlier placements people must know. */
function tellPlaced(
	{ taken, found, largest, last }: Record<"taken" | "found", Placement> & Record<"largest" | "last", Placement | undefined>,
	options: LoadSettings,
): void {
	const [now, then] = [placementText(taken), largest && placementText(largest)];
	if (largest !== undefined && then !== now)
		logger(options)(
			"warning",
			`the device has less free memory than in an earlier run, whose measurements count only with ${then}. To go on from them, free memory there and run again${largest.devices.length === 1 ? `; --gpu-layers ${offloaded(largest) + 1} asks for that placement` : ""}`,
		);
	else if (last !== undefined && placementText(last) !== now)
		logger(options)(
			"note",
			`blocks are placed as in the largest of the earlier runs: ${now}. What the last one measured counts only with ${placementText(last)}`,
		);
	if (now !== placementText(found))
		logger(options)(
			"note",
			`blocks are placed as in an earlier run, so that its measurements count: ${now}. Now free memory allows: ${placementText(found)}. --gpu-layers N chooses another number`,
		);
}
