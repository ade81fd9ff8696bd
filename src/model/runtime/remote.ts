// The addon in a process of its own, for models on devices: a driver that fails ends that process, and not this one.
import { fileURLToPath } from "node:url";
import { DeviceError } from "../../errors.js";
import type { CancelToken } from "./addon.js";
import { childEnv, startTalking, type TalkingChild } from "./child.js";

const ENTRY = fileURLToPath(new URL("./remote-child.mjs", import.meta.url));
/** Lines of the log in a message. */
const SHOWN_LINES = 2;
/** Lines that say why a process ended: a driver's last lines say where. Without pinned memory llama.cpp goes on. */
const saysWhy = /^(?!.*pinned memory).*(\berror\b|failed|out of memory|OutOf\w*Memory|lost)/i;

/** The process ended during a call. */
export class ProcessEnded extends Error {
	readonly log: readonly string[];

	constructor(cause: string | undefined, log: readonly string[]) {
		super(cause === undefined ? "it could not be started" : `${cause}: ${shownLines(log) || "without a word"}`);
		this.log = log;
	}
}

/** The lines of a log that say why, or none. */
export const reasonsIn = (log: readonly string[]): string[] => log.filter((line) => saysWhy.test(line));

function shownLines(log: readonly string[]): string {
	const why = reasonsIn(log);
	return (why.length > 0 ? why : log).slice(-SHOWN_LINES).join("; ");
}

/** Cancels a call here and in the process. */
export interface RemoteToken extends CancelToken {
	readonly local: CancelToken;
	readonly cancelled: boolean;
	/** Called once it is cancelled. */
	onCancel: (() => void) | undefined;
}

/** Something that the process holds. It is lost with the process; `remake` makes it anew. */
export class Held {
	id: number;
	/** Of the process that holds it. */
	generation: number;
	readonly remake: (() => Promise<void>) | undefined;

	constructor(id: number, generation: number, remake?: () => Promise<void>) {
		this.id = id;
		this.generation = generation;
		this.remake = remake;
	}
}

interface Pending {
	readonly resolve: (value: unknown) => void;
	readonly reject: (error: unknown) => void;
	readonly callbacks: readonly ((...args: unknown[]) => void)[];
}

interface Answer {
	readonly id: number;
	readonly value?: unknown;
	readonly error?: { name: string; message: string; code?: string; log?: string };
	readonly callback?: number;
	readonly args?: unknown[];
}

/** A method of the addon, or of something that the process holds. */
export interface RemoteCall {
	readonly on?: Held | undefined;
	readonly method: string;
	/** `Held`, functions and a `RemoteToken` are replaced by marks. */
	readonly args: readonly unknown[];
}

/** The process, started at the first call and again after it ended. */
export class AddonProcess {
	readonly #addon: string;
	#child: TalkingChild | undefined;
	#starting: Promise<void> | undefined;
	/** Counts the processes: what an earlier one held is lost. */
	generation = 0;
	#calls = 0;
	readonly #pending = new Map<number, Pending>();
	/** Makes the models anew in a new process. */
	readonly #restore: () => Promise<void>;
	readonly #freed = new FinalizationRegistry<{ id: number; generation: number }>(({ id, generation }) => {
		if (generation === this.generation) this.#child?.send({ free: id });
	});

	/** @param addon path of the binary @param restore called with a new process that has taken the place of one that ended */
	constructor(addon: string, restore: () => Promise<void>) {
		this.#addon = addon;
		this.#restore = restore;
	}

	/** Whether it was started. */
	get started(): boolean {
		return this.generation > 0;
	}

	/** Starts it if it does not run, and gives it the models that the one before held. @throws ProcessEnded */
	async ready(): Promise<void> {
		if (this.#child) return this.#starting;
		const child = startTalking(ENTRY, childEnv, (answer: Answer) => this.#take(answer));
		if (!child) throw new ProcessEnded(undefined, []);
		this.#child = child;
		const again = ++this.generation > 1;
		child.hold(false);
		void child.ended.then(({ cause, log }) => this.#end(child, new ProcessEnded(cause, log)));
		child.send({ addon: this.#addon });
		this.#starting = (again ? this.#restored(child) : Promise.resolve()).finally(() => {
			this.#starting = undefined;
		});
		return this.#starting;
	}

	/** A process that lacks a part of what the one before held is of no use: the next call starts another. */
	async #restored(child: TalkingChild): Promise<void> {
		try {
			await this.#restore();
		} catch (error) {
			this.#end(child, new ProcessEnded("what it held could not be made anew", []));
			child.kill();
			throw error;
		}
	}

	/** Something that a call returned as held, kept in the process until it is collected here. */
	keep(mark: unknown, remake?: () => Promise<void>): Held {
		return this.#registered(new Held((mark as { $held: number }).$held, this.generation, remake));
	}

	/** What was made anew takes the place of what was lost. */
	again(held: Held, mark: unknown): void {
		held.id = (mark as { $held: number }).$held;
		held.generation = this.generation;
		this.#registered(held);
	}

	#registered(held: Held): Held {
		this.#freed.register(held, { id: held.id, generation: held.generation });
		return held;
	}

	/**
	 * Calls a method in the process that runs now.
	 * @throws ProcessEnded if it ends meanwhile
	 * @throws DeviceError if an argument was held by an earlier process, and cannot be made anew
	 */
	async call(call: RemoteCall): Promise<unknown> {
		const child = this.#child;
		if (!child) throw new ProcessEnded(undefined, []);
		await this.#revive([call.on, ...call.args]);
		if (child !== this.#child) throw new ProcessEnded("a new start", []);
		const id = ++this.#calls;
		const callbacks: Pending["callbacks"][number][] = [];
		const token = call.args.find(isToken);
		const message = { id, on: call.on?.id, method: call.method, args: call.args.map((arg) => marked(arg, callbacks)) };
		return new Promise((resolve, reject) => {
			this.#pending.set(id, { resolve, reject, callbacks });
			child.hold(true);
			child.send(message);
			if (token) token.onCancel = () => child.send({ cancel: id });
			if (token?.cancelled) child.send({ cancel: id });
		});
	}

	/** Makes a call of which nobody waits for the answer. */
	post(call: RemoteCall): void {
		if (call.on && call.on.generation !== this.generation) return;
		this.call(call).catch(() => {});
	}

	async #revive(args: readonly unknown[]): Promise<void> {
		for (const held of args.flatMap(heldIn)) {
			if (held.generation === this.generation) continue;
			if (!held.remake)
				throw new DeviceError(
					"what the device had computed was lost when its driver ended the process: run the same command again, it goes on from its cache",
				);
			await held.remake();
		}
	}

	#take({ id, value, error, callback, args = [] }: Answer): void {
		const pending = this.#pending.get(id);
		if (!pending) return;
		if (callback !== undefined) {
			pending.callbacks[callback]!(...args);
			return;
		}
		this.#pending.delete(id);
		if (this.#pending.size === 0) this.#child?.hold(false);
		if (error) pending.reject(errorOf(error));
		else pending.resolve(value);
	}

	#end(child: TalkingChild, error: ProcessEnded): void {
		if (child !== this.#child) return;
		this.#child = undefined;
		const waiting = [...this.#pending.values()];
		this.#pending.clear();
		for (const { reject } of waiting) reject(error);
	}
}

const isToken = (value: unknown): value is RemoteToken =>
	typeof value === "object" && value !== null && "local" in value && "cancelled" in value;

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
	return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** Everything held within an argument. */
function heldIn(value: unknown): Held[] {
	if (value instanceof Held) return [value];
	if (Array.isArray(value)) return value.flatMap(heldIn);
	return isPlain(value) ? Object.values(value).flatMap(heldIn) : [];
}

function marked(value: unknown, callbacks: Pending["callbacks"][number][]): unknown {
	if (value instanceof Held) return { $held: value.id };
	if (typeof value === "function") return { $callback: callbacks.push(value as (...args: unknown[]) => void) - 1 };
	if (isToken(value)) return { $token: true };
	if (Array.isArray(value)) return value.map((one) => marked(one, callbacks));
	return isPlain(value) ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, marked(one, callbacks)])) : value;
}

function errorOf({ name, message, code, log }: NonNullable<Answer["error"]>): Error {
	const kinds: Readonly<Record<string, ErrorConstructor>> = { TypeError, RangeError };
	return Object.assign(new (kinds[name] ?? Error)(message), {
		...(code === undefined ? {} : { code }),
		...(log === undefined ? {} : { log }),
	});
}
