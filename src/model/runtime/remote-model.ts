// A model that another process holds (remote.ts), with the interface of one that the addon holds here.
import { DeviceError } from "../../errors.js";
import type { MaskFigures, ModelFacts, NativeLoadOptions, NativeModel, SweepStats } from "./addon.js";
import { fromNative } from "./cancel.js";
import { type Placement, saysTooSmall, tooSmallAfterAll } from "./placement.js";
import { type AddonProcess, type Held, ProcessEnded, type RemoteCall, type RemoteToken, reasonsIn } from "./remote.js";

/** Called when the process has ended and another one takes over. */
export type OnRestart = (event: { readonly message: string; readonly log: readonly string[] }) => void;

type Evaluate = Parameters<NativeModel["evaluate"]>;
type ReplaceTensor = Parameters<NativeModel["replaceTensor"]>;
/** Matrices that have other values than in the file, by name. */
type Replaced = ReadonlyMap<string, ReplaceTensor>;

/** Times that a call may end the process without a result. */
const ATTEMPTS = 2;

export interface RemoteParts {
	readonly process: AddonProcess;
	readonly newToken: () => RemoteToken;
	/** The model's vocabulary alone, in this process. */
	readonly vocabulary: NativeModel;
	readonly path: string;
	readonly options: NativeLoadOptions;
	readonly where: string;
	readonly placement: Placement;
	readonly onRestart: OnRestart | undefined;
	/** @throws FileError if the file changed since its header was read */
	readonly checkFile: () => Promise<void>;
	readonly onEnd: () => void;
}

/** A model in the process. */
export class RemoteModel implements NativeModel {
	readonly #parts: RemoteParts;
	#held: Held | undefined;
	#facts: ModelFacts | undefined;
	#rules: Parameters<NativeModel["setViewRules"]>[0] | undefined;
	/** What must be replaced again in a new process. */
	readonly #replaced = new Map<string, ReplaceTensor>();

	constructor(parts: RemoteParts) {
		this.#parts = parts;
	}

	get #process(): AddonProcess {
		return this.#parts.process;
	}

	get held(): Held {
		if (!this.#held) throw Object.assign(new Error("the model was disposed of"), { code: "DISPOSED" });
		return this.#held;
	}

	async load(cancel: RemoteToken, onProgress: (fraction: number) => void): Promise<void> {
		const { path, options, where } = this.#parts;
		try {
			await this.#process.ready();
			this.#held = this.#process.keep(await this.#process.call({ method: "NativeModel.load", args: [path, options, cancel, onProgress] }));
			this.#facts = (await this.#process.call({ on: this.held, method: "facts", args: [] })) as ModelFacts;
		} catch (error) {
			if (!(error instanceof ProcessEnded)) throw error;
			throw endedError(where, "while the model was loaded", error);
		}
	}

	/**
	 * Loads it again, as it was.
	 * @throws NotEnoughMemoryError if the device has no memory for it now, DeviceError for what else keeps it from being loaded,
	 * FileError if another model has its name by now
	 */
	async restore(): Promise<void> {
		const { path, options, newToken, checkFile } = this.#parts;
		const call = { method: "NativeModel.load", args: [path, options, newToken(), () => {}] };
		const mark = await this.#process.call(call).catch((error: unknown) => {
			throw error instanceof ProcessEnded ? error : this.#notRestored(error);
		});
		this.#held = this.#process.keep(mark);
		await checkFile();
		if (this.#rules) await this.#process.call({ on: this.held, method: "setViewRules", args: [this.#rules] });
		for (const args of this.#replaced.values()) await this.#process.call({ on: this.held, method: "replaceTensor", args });
	}

	#notRestored(error: unknown): unknown {
		const { path, where, placement } = this.#parts;
		const known = fromNative(error);
		const why = known instanceof Error ? known.message : String(known);
		return (
			tooSmallAfterAll(known, placement, path) ??
			new DeviceError(
				`the process that computes on ${where} ended, and ${path} could not be loaded there again: ${why}. What was measured is in the cache: the same command goes on.`,
				{ cause: known },
			)
		);
	}

	/** A call that is made once more if the process ends. @throws DeviceError if it ends again */
	async retried(call: () => RemoteCall): Promise<unknown> {
		for (let attempt = 1; ; attempt++) {
			try {
				await this.#process.ready();
				return await this.#process.call(call());
			} catch (error) {
				this.#ended(error, attempt, "");
			}
		}
	}

	/** Rethrows what is not the end of the process, or its end once too often; tells of the others. */
	#ended(error: unknown, attempt: number, lost: string): void {
		if (!(error instanceof ProcessEnded)) throw error;
		const { where, onRestart } = this.#parts;
		if (attempt >= ATTEMPTS) throw endedError(where, `${attempt} times at the same place`, error);
		const message = `the process that computes on ${where} ended (${error.message}); it is started again${lost}`;
		onRestart?.({ message, log: error.log });
	}

	/** Candidates that are finished are handed over at once, so a process that ends loses those that it computes at that time. */
	async evaluate(...[masks, tokens, options, cancel, onMask]: Evaluate) {
		const { blocks } = this.facts();
		const all = Array.from({ length: masks.length / blocks }, (_, i) => i);
		const finished = new Set<number>();
		for (let attempt = 1; ; attempt++) {
			// Distributions are lost with the process, so they are made again of all their masks, finished or not.
			const now = options.keepReference ? all : all.filter((index) => !finished.has(index));
			const before = finished.size;
			const tell = (index: number, figures: MaskFigures, stats: SweepStats) => {
				if (finished.has(now[index]!)) return;
				finished.add(now[index]!);
				onMask(now[index]!, figures, stats);
			};
			const { resumable } = options;
			const part = { ...options, resumable: resumable && rowsOf(resumable, now, blocks + 1) };
			const args = [rowsOf(masks, now, blocks), tokens, part, cancel, tell];
			try {
				await this.#process.ready();
				if ((cancel as RemoteToken).cancelled) throw Object.assign(new Error("cancelled"), { code: "CANCELLED" });
				const result = (await this.#process.call({ on: this.held, method: "evaluate", args })) as {
					stats: SweepStats;
					reference?: unknown;
				};
				return { stats: result.stats, ...(result.reference ? { reference: this.#reference(result.reference, args) } : {}) };
			} catch (error) {
				const left = options.keepReference ? all.length : all.length - finished.size;
				if (finished.size > before) attempt = 1;
				this.#ended(error, attempt, `, and ${left} ${left === 1 ? "candidate" : "candidates"} of this batch measured again`);
			}
		}
	}

	/** Distributions that can be made anew, of the matrices that stand in the model now. */
	#reference(mark: unknown, [masks, tokens, options]: readonly unknown[]): never {
		const { newToken } = this.#parts;
		const then = new Map(this.#replaced);
		const held: Held = this.#process.keep(mark, async () => {
			const args = [masks, tokens, options, newToken(), () => {}];
			await this.#exchange(this.#replaced, then);
			try {
				const again = (await this.#process.call({ on: this.held, method: "evaluate", args })) as { reference: unknown };
				this.#process.again(held, again.reference);
			} finally {
				// A new process has those that stand in the model now.
				await this.#exchange(then, this.#replaced).catch((error: unknown) => {
					if (!(error instanceof ProcessEnded)) throw error;
				});
			}
		});
		return held as never;
	}

	/** Puts matrices into the model in the process in the place of others. */
	async #exchange(from: Replaced, to: Replaced): Promise<void> {
		const replace = (args: ReplaceTensor) => this.#process.call({ on: this.held, method: "replaceTensor", args });
		for (const [name, [, type]] of from) if (!to.has(name)) await replace([name, type, undefined]);
		for (const [name, args] of to) if (from.get(name) !== args) await replace(args);
	}

	async #call<T>(method: string, args: readonly unknown[]): Promise<T> {
		return (await this.retried(() => ({ on: this.held, method, args }))) as T;
	}

	/** Marks of what a call returned become what the process holds for us. */
	#kept<T>(value: unknown): T {
		return this.#process.keep(value) as T;
	}

	async similarities(...args: Parameters<NativeModel["similarities"]>) {
		return this.#call<Awaited<ReturnType<NativeModel["similarities"]>>>("similarities", args);
	}

	async sample(...args: Parameters<NativeModel["sample"]>) {
		return this.#call<Int32Array[]>("sample", args);
	}

	async hiddenStates(...args: Parameters<NativeModel["hiddenStates"]>) {
		const states = await this.#call<unknown[]>("hiddenStates", args);
		return states.map((one) => this.#kept<Awaited<ReturnType<NativeModel["hiddenStates"]>>[number]>(one));
	}

	async normalEquations(...args: Parameters<NativeModel["normalEquations"]>) {
		const made = await this.#call<Awaited<ReturnType<NativeModel["normalEquations"]>>>("normalEquations", args);
		return made.map(({ equations, ...sizes }) => ({ ...sizes, equations: this.#kept<typeof equations>(equations) }));
	}

	async normSums(...args: Parameters<NativeModel["normSums"]>) {
		return this.#call<Awaited<ReturnType<NativeModel["normSums"]>>>("normSums", args);
	}

	async outputPath(...args: Parameters<NativeModel["outputPath"]>) {
		return this.#call<Awaited<ReturnType<NativeModel["outputPath"]>>>("outputPath", args);
	}

	async replaceTensor(...args: ReplaceTensor): Promise<void> {
		await this.#call("replaceTensor", args);
		const [name, , bytes] = args;
		if (bytes === undefined) this.#replaced.delete(name);
		else this.#replaced.set(name, args);
	}

	async blockDevices(mask: Uint8Array): Promise<string[]> {
		return this.#call<string[]>("blockDevices", [mask]);
	}

	facts(): ModelFacts {
		return this.#facts!;
	}

	setViewRules(rules: Parameters<NativeModel["setViewRules"]>[0]): void {
		this.#rules = rules;
		this.#process.post({ on: this.held, method: "setViewRules", args: [rules] });
	}

	tokenize(...args: Parameters<NativeModel["tokenize"]>): Int32Array {
		return this.#parts.vocabulary.tokenize(...args);
	}

	detokenize(...args: Parameters<NativeModel["detokenize"]>): Uint8Array {
		return this.#parts.vocabulary.detokenize(...args);
	}

	applyChatTemplate(...args: Parameters<NativeModel["applyChatTemplate"]>): string | undefined {
		return this.#parts.vocabulary.applyChatTemplate(...args);
	}

	dispose(): void {
		this.#parts.vocabulary.dispose();
		if (this.#held) {
			this.#process.post({ on: this.#held, method: "dispose", args: [] });
			this.#held = undefined;
		}
		this.#parts.onEnd();
	}
}

/** @param when for people, for example "2 times at the same place" */
export function endedError(where: string, when: string, error: ProcessEnded): DeviceError {
	const advice = `What was measured is in the cache: the same command goes on. If it happens again, ${remedyFor(error.log)}, or give --gpu-layers 0 for the CPU.`;
	return new DeviceError(`the process that computes on ${where} ended ${when} (${error.message}). ${advice}`, {
		cause: new Error(error.log.join("\n")),
	});
}

function remedyFor(log: readonly string[]): string {
	const said = log.join("\n");
	// llama.cpp's words where the connection to a server broke.
	if (said.includes("Remote RPC server")) return "start the RPC server anew";
	if (reasonsIn(log).some(saysTooSmall)) return "give a smaller number of --gpu-layers, close what else uses the device";
	if (said.includes("no kernel image is available")) return "build for this card (prune-gguf build --backend cuda)";
	return "install another version of the driver";
}

function rowsOf(bytes: Uint8Array, rows: readonly number[], width: number): Uint8Array {
	const taken = new Uint8Array(rows.length * width);
	for (const [i, row] of rows.entries()) taken.set(bytes.subarray(row * width, (row + 1) * width), i * width);
	return taken;
}
