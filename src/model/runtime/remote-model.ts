// A model that another process holds (remote.ts), with the interface of one that the addon holds here.
import { DeviceError } from "../../errors.js";
import type { MaskFigures, ModelFacts, NativeLoadOptions, NativeModel, SweepStats } from "./addon.js";
import { type AddonProcess, type Held, ProcessEnded, type RemoteCall, type RemoteToken } from "./remote.js";

/** Called when the process has ended and another one takes over. */
export type OnRestart = (event: { readonly message: string; readonly log: readonly string[] }) => void;

type Evaluate = Parameters<NativeModel["evaluate"]>;

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
	readonly onRestart: OnRestart | undefined;
	readonly onEnd: () => void;
}

/** A model in the process. */
export class RemoteModel implements NativeModel {
	readonly #parts: RemoteParts;
	#held: Held | undefined;
	#facts: ModelFacts | undefined;
	#rules: Parameters<NativeModel["setViewRules"]>[0] | undefined;
	/** What must be replaced again in a new process. */
	readonly #replaced = new Map<string, Parameters<NativeModel["replaceTensor"]>>();

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

	/** Loads it again, as it was. */
	async restore(): Promise<void> {
		const { path, options, newToken } = this.#parts;
		const call = { method: "NativeModel.load", args: [path, options, newToken(), () => {}] };
		this.#held = this.#process.keep(await this.#process.call(call));
		if (this.#rules) await this.#process.call({ on: this.held, method: "setViewRules", args: [this.#rules] });
		for (const args of this.#replaced.values()) await this.#process.call({ on: this.held, method: "replaceTensor", args });
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
		let left = Array.from({ length: masks.length / blocks }, (_, i) => i);
		let attempt = 1;
		for (;;) {
			const now = left;
			const finished = new Set<number>();
			const tell = (index: number, figures: MaskFigures, stats: SweepStats) => {
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
				left = left.filter((index) => !finished.has(index));
				attempt = finished.size > 0 ? 1 : attempt;
				this.#ended(error, attempt, `, and ${left.length} ${left.length === 1 ? "candidate" : "candidates"} of this batch measured again`);
				attempt++;
			}
		}
	}

	/** Distributions that can be made anew. */
	#reference(mark: unknown, [masks, tokens, options]: readonly unknown[]): never {
		const { newToken } = this.#parts;
		const held: Held = this.#process.keep(mark, async () => {
			const args = [masks, tokens, options, newToken(), () => {}];
			const again = (await this.#process.call({ on: this.held, method: "evaluate", args })) as { reference: unknown };
			this.#process.again(held, again.reference);
		});
		return held as never;
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

	async replaceTensor(...args: Parameters<NativeModel["replaceTensor"]>): Promise<void> {
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
	// llama.cpp's words where the connection to a server broke.
	const cause = error.log.some((line) => line.includes("Remote RPC server"))
		? "start the RPC server anew"
		: "install another version of the driver";
	const advice = `What was measured is in the cache: the same command goes on. If it happens again, ${cause}, or give --gpu-layers 0 for the CPU.`;
	return new DeviceError(`the process that computes on ${where} ended ${when} (${error.message}). ${advice}`, {
		cause: new Error(error.log.join("\n")),
	});
}

function rowsOf(bytes: Uint8Array, rows: readonly number[], width: number): Uint8Array {
	const taken = new Uint8Array(rows.length * width);
	for (const [i, row] of rows.entries()) taken.set(bytes.subarray(row * width, (row + 1) * width), i * width);
	return taken;
}
