// What was measured for a target speed-up, kept in the model's run folder: the next run takes the same number of blocks.
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import type { JobOptions } from "../../api/index.js";
import type { MachineSettings } from "../../api/options/settings.js";
import type { Speedup } from "../../api/speed.js";
import { computingIdentity } from "../../model/evaluation/kept.js";
import type { FileType } from "../../model/runtime/file-type-names.js";
import { announceMachine, machineSeen } from "../../model/runtime/load-model.js";
import { availableMemory } from "../../model/runtime/memory.js";
import { placementFor } from "../../model/runtime/place.js";
import { defaultThreads } from "../../model/runtime/threads.js";
import { writeAtomically } from "../../storage/atomic-file.js";
import { hashOf } from "../../storage/hash.js";
import { type MeasuredTimes, readKeptPartTimes, readKeptSpeed, type TurnTimes } from "../../storage/plan-speed.js";
import { keptSpeedPath, makeRunFolder } from "../../storage/runs.js";
import type { Header } from "../preflight/model-header.js";
import { modelIdentity } from "../session/session.js";
import type { TimesWithTurns } from "./part-times.js";
import type { SettledCount } from "./settle.js";

/** Bumped when a number of blocks is found in another way. */
const version = 1;

/** Bumped when times of parts are derived in another way. */
const partsVersion = 3;

/** What was asked for. */
export interface SpeedQuestion {
	readonly target: number;
	readonly of: Speedup;
	/** Numbers of blocks that can be removed. */
	readonly counts: readonly number[];
}

/** The file of an answer. */
export class KeptSpeed {
	readonly path: string;
	readonly #counts: readonly number[];

	private constructor(path: string, counts: readonly number[]) {
		this.path = path;
		this.#counts = counts;
	}

	/** The answer for this model, with these threads, where it would be put now. The model is not loaded for it. */
	static async of(header: Header, question: SpeedQuestion, options: MachineSettings & JobOptions): Promise<KeptSpeed> {
		return new KeptSpeed(await pathOf(header, { ...question }, options), question.counts);
	}

	/** What an earlier run found, and when it was measured, in ISO 8601; undefined if there is none, or it is torn. */
	async read(): Promise<(SettledCount & { readonly measured: string }) | undefined> {
		const kept = await readFile(this.path, "utf8").then(readKeptSpeed, () => undefined);
		if (!kept?.ratios.some(({ blocks }) => blocks === kept.count) || !this.#counts.includes(kept.count)) return undefined;
		const { count, range, measured } = kept;
		return { count, range, measured, ratios: new Map(kept.ratios.map(({ blocks, ...ratio }) => [blocks, ratio])) };
	}

	async write({ count, range, ratios }: SettledCount): Promise<void> {
		const listed = [...ratios].map(([blocks, ratio]) => ({ blocks, ...ratio }));
		const text = JSON.stringify({ measured: new Date().toISOString(), count, range, ratios: listed });
		await writeAtomically(this.path, { overwrite: true }, (handle) => handle.writeFile(text));
	}
}

/** The file of what was measured for a question about this model, with these threads, where it would be put now. */
async function pathOf(
	{ path, file }: Pick<Header, "path" | "file">,
	question: Readonly<Record<string, unknown>>,
	options: MachineSettings & JobOptions,
): Promise<string> {
	await announceMachine(options);
	const info = await machineSeen(options);
	const placement = placementFor(file, {}, { seen: info, host: availableMemory() }, options);
	const machine = computingIdentity({ backend: info, placement }, options);
	const sha256 = await modelIdentity(file, options);
	const folder = await makeRunFolder({ name: basename(path), sha256 });
	const asked = { ...question, threads: options.threads ?? defaultThreads() };
	return keptSpeedPath(folder, hashOf(["speed", version, asked, machine]));
}

/** How a run says that it takes what an earlier one measured. @param path file that it is kept in */
export const measuredEarlier = (measured: string, path: string): string =>
	`measured earlier (${momentOf(measured)}; delete ${path} to measure again)`;

/** The same of a run that measures no times: without the file there would be none. */
export const keptSince = (measured: string, path: string): string => `measured by an earlier run (${momentOf(measured)}; kept in ${path})`;

const momentOf = (measured: string): string => `${measured.slice(0, 10)} ${measured.slice(11, 16)} UTC`;

/** Times of the parts of a model, how far they spread, and the file that they are kept in. */
export interface TimedParts {
	readonly times: MeasuredTimes;
	readonly turns: readonly TurnTimes[];
	readonly keptIn: string;
}

/** Times of the parts of a model at a context, as an earlier run measured them. */
export class KeptPartTimes {
	readonly path: string;

	private constructor(path: string) {
		this.path = path;
	}

	/** @param question whose `type` is that of a copy of these weights. @default the weights as they are */
	static async of(
		weights: Pick<Header, "path" | "file">,
		{ context, ...copy }: { readonly context: number; readonly type?: FileType },
		options: MachineSettings & JobOptions,
	): Promise<KeptPartTimes> {
		return new KeptPartTimes(await pathOf(weights, { partsAt: context, partsVersion, ...copy }, options));
	}

	/** Undefined if there are none, or the file is torn. */
	async read(): Promise<TimedParts | undefined> {
		const kept = await readFile(this.path, "utf8").then(readKeptPartTimes, () => undefined);
		return kept && this.#timed(kept);
	}

	/** Keeps what was measured just now. */
	async write(times: TimesWithTurns): Promise<TimedParts> {
		const dated = { measured: new Date().toISOString(), ...times };
		await writeAtomically(this.path, { overwrite: true }, (handle) => handle.writeFile(JSON.stringify(dated)));
		return this.#timed(dated);
	}

	#timed({ turns, ...times }: MeasuredTimes & Pick<TimedParts, "turns">): TimedParts {
		return { times, turns, keptIn: this.path };
	}
}
