// A run that was ended after it wrote the model, before its report: the same command finishes it, instead of refusing its own output.
import { existsSync } from "node:fs";
import { readFile, stat, unlink } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import * as v from "valibot";
import { FileError, OutputExistsError } from "../../errors.js";
import { formatBlocks } from "../../notation.js";
import { hashOf } from "../../storage/hash.js";
import { type Lock, lockFile, lockOwner } from "../../storage/lock.js";
import { writeAtomically } from "../../storage/atomic-file.js";
import { readPlan } from "../../storage/plan.js";
import { finiteNumber, parsedAs } from "../../storage/plan-values.js";
import { findWritten, writtenPath } from "../../storage/runs.js";
import type { Settings } from "../../api/options/settings.js";

/** Bumped when what is kept has other keys. */
const version = 2;

/** What is kept of a model from the moment it is verified until its run has ended. */
interface Kept<Made> {
	/** What was asked for: hash of the model's path, the output's and the options. */
	readonly command: string;
	/** The output, as the system tells it from any other file. */
	readonly state: string;
	readonly removed: readonly number[];
	readonly made: Made;
	/** Files of the report, by their paths, as the system tells them from any other: where the run was interrupted, and wrote them. */
	readonly reports?: Readonly<Record<string, string>> | undefined;
}

/** The output of a run, which it, or an earlier run of the same command, wrote; `Made` is what is kept of it, plain JSON. */
export class OwnOutput<Made = unknown> {
	readonly output: string;
	readonly #command: string;
	/** Where it is kept that it was written. */
	#path: string | undefined;
	/** By an earlier run. */
	readonly #before: Kept<Made> | undefined;
	/** The same, of what this run wrote or took over. */
	#kept: Kept<Made> | undefined;
	/** Held from when the model is kept until the run has ended: so long it is no earlier run's. */
	#lock: Lock | undefined;

	private constructor(output: string, command: string, found: { path: string; kept: Kept<Made> } | undefined) {
		this.output = output;
		this.#command = command;
		this.#path = found?.path;
		this.#before = found?.kept;
		this.#kept = found?.kept;
	}

	/**
	 * Looks whether an earlier run of the same command wrote the output, and was ended before it was done.
	 * @throws FileError where another run has written it, and goes on
	 */
	static async of<Made>(model: string, output: string, settings: Settings<"prune">): Promise<OwnOutput<Made>> {
		const { overwrite, ...asked } = settings;
		const command = hashOf([version, resolve(model), resolve(output), asked]);
		const state = overwrite ? undefined : await stateOf(output);
		for (const path of await findWritten(output)) {
			await refuseIfLive(path, output);
			const kept = state === undefined ? undefined : await readKept<Made>(path);
			if (kept?.command === command && kept.state === state) return new OwnOutput(output, command, { path, kept });
		}
		return new OwnOutput(output, command, undefined);
	}

	/** Whether an earlier run of this command wrote it. */
	get isThere(): boolean {
		return this.#before !== undefined;
	}

	/** Whether a file is the plan of the output that an earlier run wrote. */
	async hasPlan(path: string): Promise<boolean> {
		const plan = await readPlan(path).catch(() => undefined);
		return plan !== undefined && this.#before?.removed.join() === plan.removed.join();
	}

	/**
	 * Takes over what an earlier run wrote.
	 * @param folder of the model's runs
	 * @throws OutputExistsError where the earlier run was of another model, or was finished meanwhile
	 * @throws FileError where another run finishes it now
	 */
	async takeOver(folder: string): Promise<void> {
		if (!this.#before) return;
		const path = this.#path!;
		if (dirname(path) !== folder)
			throw new OutputExistsError(`${this.output} was written from another model: give another name, or allow overwriting (--overwrite)`);
		await this.#hold(path);
		if (!existsSync(path))
			throw new OutputExistsError(`${this.output} was finished by another run: give another name, or allow overwriting (--overwrite)`);
	}

	/**
	 * What the earlier run wrote; undefined where there was none.
	 * @throws OutputExistsError where it removed other blocks
	 */
	made(removed: readonly number[]): Made | undefined {
		if (!this.#before || this.#before.removed.join() === removed.join()) return this.#before?.made;
		throw new OutputExistsError(
			`${this.output} was written by an earlier run of this command, which removed blocks ${formatBlocks(this.#before.removed)}; now it is ${formatBlocks(removed)}: give another name, or allow overwriting (--overwrite)`,
		);
	}

	/**
	 * Keeps what was written, before it gets its name. Where that cannot be kept, the next run refuses the output as any other.
	 * @throws FileError where another run has written the output, and goes on
	 */
	async keep(folder: string, temporary: string, removed: readonly number[], made: Made): Promise<void> {
		const path = writtenPath(folder, this.output);
		await this.#hold(path);
		await this.#write(path, { command: this.#command, state: (await stateOf(temporary)) ?? "", removed, made });
	}

	async #write(path: string, kept: Kept<Made>): Promise<void> {
		try {
			await writeAtomically(path, { overwrite: true }, (handle) => handle.writeFile(JSON.stringify(kept)));
			this.#path = path;
			this.#kept = kept;
		} catch {
			this.#path = undefined;
		}
	}

	/** Whether a file is of the report that an interrupted run of this command wrote: it may be replaced. */
	async hasReport(path: string): Promise<boolean> {
		const state = this.#before?.reports?.[resolve(path)];
		return state !== undefined && state === (await stateOf(path));
	}

	/**
	 * The run was interrupted after it wrote everything: the same command measures the rest, and writes the report again.
	 * @param reports files of the report that were written
	 */
	async leave(reports: readonly string[]): Promise<void> {
		if (this.#path === undefined || this.#kept === undefined) return this.done();
		const states = await Promise.all(reports.map(async (path) => [resolve(path), (await stateOf(path)) ?? ""] as const));
		await this.#write(this.#path, { ...this.#kept, reports: Object.fromEntries(states) });
		await this.release();
	}

	/** The run is done: its output is one as any other. */
	async done(): Promise<void> {
		if (this.#path !== undefined) await unlink(this.#path).catch(() => {});
		await this.release();
	}

	/** The run has ended, done or not. Idempotent. */
	async release(): Promise<void> {
		await this.#lock?.release();
		this.#lock = undefined;
	}

	/** @throws FileError where another run holds it */
	async #hold(path: string): Promise<void> {
		try {
			this.#lock ??= await lockFile(path);
		} catch {
			await refuseIfLive(path, this.output);
			// Where no lock can be written nothing can be kept either.
		}
	}
}

async function refuseIfLive(path: string, output: string): Promise<void> {
	const owner = await lockOwner(path);
	if (owner)
		throw new FileError(
			`${output}: another run writes it now (process ${owner.pid} on ${owner.host}). Wait until it has ended; if there is no such run, delete ${path}.lock.`,
		);
}

const keptSchema = v.object({
	command: v.string(),
	state: v.string(),
	removed: v.pipe(
		v.array(finiteNumber),
		v.check((removed) => removed.every((position, i) => i === 0 || position > removed[i - 1]!)),
	),
	made: v.unknown(),
	reports: v.optional(v.record(v.string(), v.string())),
});

/** Undefined if it is gone, torn, or not as it was kept. */
async function readKept<Made>(path: string): Promise<Kept<Made> | undefined> {
	return readFile(path, "utf8").then(
		(text) => parsedAs(keptSchema, text) as Kept<Made> | undefined,
		() => undefined,
	);
}

/** Stays the same when the file gets its name; differs where it is replaced or written to. Undefined where there is none. */
async function stateOf(path: string): Promise<string | undefined> {
	const found = await stat(path, { bigint: true }).catch(() => undefined);
	return found && [found.dev, found.ino, found.size, found.mtimeNs].join();
}
