// A run that was ended after it wrote the model, before its report: the same command finishes it, instead of refusing its own output.
import { readFile, stat, unlink } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import type { PruneOptions } from "../../api/index.js";
import type { Written } from "./deliver.js";
import { OutputExistsError } from "../../errors.js";
import { hashOf } from "../../storage/hash.js";
import { writeAtomically } from "../../storage/atomic-file.js";
import { readPlan } from "../../storage/plan.js";
import { findWritten, writtenPath } from "../../storage/runs.js";

/** What is kept of a model from the moment it is verified until its run has ended. */
interface Kept {
	/** What was asked for: hash of the model's path, the output's and the options. */
	readonly command: string;
	/** The output, as the system tells it from any other file. */
	readonly state: string;
	readonly removed: readonly number[];
	readonly made: Written;
}

/** The output of a run, which it, or an earlier run of the same command, wrote. */
export class OwnOutput {
	readonly output: string;
	readonly #command: string;
	/** Where it is kept that it was written. */
	#path: string | undefined;
	/** By an earlier run. */
	readonly #before: Kept | undefined;

	private constructor(output: string, command: string, found: { path: string; kept: Kept } | undefined) {
		this.output = output;
		this.#command = command;
		this.#path = found?.path;
		this.#before = found?.kept;
	}

	/** Looks whether an earlier run of the same command wrote the output, and was ended before it was done. */
	static async of(model: string, output: string, options: PruneOptions): Promise<OwnOutput> {
		const { signal: _, onProgress: __, onLog: ___, overwrite, ...asked } = options;
		const command = hashOf([resolve(model), resolve(output), asked]);
		const state = overwrite ? undefined : await stateOf(output);
		for (const path of state === undefined ? [] : await findWritten(output)) {
			const kept = await readKept(path);
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

	/** @param folder of the model's runs @throws OutputExistsError where the earlier run was of another model */
	checkModel(folder: string): void {
		if (this.#before && dirname(this.#path!) !== folder)
			throw new OutputExistsError(`${this.output} was written from another model: give another name, or allow overwriting (--overwrite)`);
	}

	/**
	 * What the earlier run wrote; undefined where there was none.
	 * @throws OutputExistsError where it removed other blocks
	 */
	made(removed: readonly number[]): Written | undefined {
		if (!this.#before || this.#before.removed.join() === removed.join()) return this.#before?.made;
		throw new OutputExistsError(
			`${this.output} was written by an earlier run of this command, which removed blocks ${this.#before.removed.join(", ")}; now it is ${removed.join(", ")}: give another name, or allow overwriting (--overwrite)`,
		);
	}

	/** Keeps what was written, before it gets its name. Where that cannot be kept, the next run refuses the output as any other. */
	async keep(folder: string, temporary: string, removed: readonly number[], made: Written): Promise<void> {
		const path = writtenPath(folder, this.output);
		const kept: Kept = { command: this.#command, state: (await stateOf(temporary)) ?? "", removed, made };
		try {
			await writeAtomically(path, { overwrite: true }, (handle) => handle.writeFile(JSON.stringify(kept)));
			this.#path = path;
		} catch {
			this.#path = undefined;
		}
	}

	/** The run is done: its output is one as any other. */
	async done(): Promise<void> {
		if (this.#path !== undefined) await unlink(this.#path).catch(() => {});
	}
}

async function readKept(path: string): Promise<Kept | undefined> {
	try {
		return JSON.parse(await readFile(path, "utf8")) as Kept;
	} catch {
		return undefined; // gone, or torn
	}
}

/** Stays the same when the file gets its name; differs where it is replaced or written to. Undefined where there is none. */
async function stateOf(path: string): Promise<string | undefined> {
	const found = await stat(path, { bigint: true }).catch(() => undefined);
	return found && [found.dev, found.ino, found.size, found.mtimeNs].join();
}
