import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";

/** What a child process runs, and what its parent wants to know. */
export interface ChildJob {
	/** Path of the JavaScript module that the child runs. It reads one line of JSON from its standard input, and ends when the input ends. */
	readonly entry: string;
	/** That line; any value that JSON holds. */
	readonly request: unknown;
	/** Variables added to this process's environment. */
	readonly env?: Readonly<Record<string, string>> | undefined;
	/** Ends the child; the promise rejects with `signal.reason` once the child has ended. */
	readonly signal?: AbortSignal | undefined;
	/** Called with each line of its standard output; true ends the child, whose work is then done. */
	readonly onLine: (line: string) => boolean;
}

/** How a child ended by itself, or was ended. */
export interface ChildEnd {
	/** True where `onLine` ended it. */
	readonly done: boolean;
	/** Undefined if it could not be started. */
	readonly cause: string | undefined;
	/** The last lines of its standard error. */
	readonly log: readonly string[];
}

/** Set in a child that computes, also in one that a packaged program makes by starting itself. */
const IN_CHILD = "PRUNE_GGUF_TRIAL";

/** Whether this process is such a child: it tries nothing in a further one. */
export const isChild = (): boolean => Boolean(process.env[IN_CHILD]);

/** Environment of a child that computes: the log goes to standard error, and a backtrace would start a debugger. */
export const childEnv: Readonly<Record<string, string>> = { [IN_CHILD]: "1", PRUNE_GGUF_LLAMA_LOG: "1", GGML_NO_BACKTRACE: "1" };

/** For a child that needs no graphics device, which may be exclusive to one process, or full. */
export const noDevices: Readonly<Record<string, string>> = {
	// HIP reads an empty list as none given, Vulkan does not accept -1.
	...{ CUDA_VISIBLE_DEVICES: "-1", HIP_VISIBLE_DEVICES: "-1", GGML_VK_VISIBLE_DEVICES: "" },
};

/** Number of last lines kept from a child's standard error. */
const KEPT_LINES = 20;

/**
 * Runs a module in a process of its own, for work in which llama.cpp may end the process. The child does not outlive this process, whose
 * end closes its standard input. It is killed instead of asked to end, since its threads may compute.
 */
export function runChild({ entry, request, env, signal, onLine }: ChildJob): Promise<ChildEnd> {
	return new Promise((resolve, reject) => {
		if (signal?.aborted) return reject(signal.reason);
		const child = start(entry, env);
		if (!child) return resolve({ done: false, cause: undefined, log: [] });
		const kill = () => killAll(child);
		let done = false;
		let failed = false;
		const log = lastLines(child.stderr);
		splitLines(child.stdout, (line) => {
			if (done || !onLine(line)) return;
			done = true;
			kill();
		});
		signal?.addEventListener("abort", kill, { once: true });
		child.on("error", () => {
			failed = true;
			// If it never started, nothing closes.
			if (child.pid === undefined) resolve({ done: false, cause: undefined, log: [] });
		});
		// A child that has died does not read.
		child.stdin.on("error", () => {});
		child.stdin.write(`${JSON.stringify(request)}\n`);
		child.on("close", (code, name) => {
			signal?.removeEventListener("abort", kill);
			if (signal?.aborted) reject(signal.reason);
			else resolve({ done, cause: failed ? undefined : (name ?? `exit code ${code}`), log: log() });
		});
	});
}

/** A child that answers messages until it ends. */
export interface TalkingChild {
	/** Nothing happens if it has ended. */
	send(message: object): void;
	/** Keeps this process running as long as it is held, or does not. */
	hold(held: boolean): void;
	kill(): void;
	/** How it ended, and the last lines of its standard error. */
	readonly ended: Promise<Omit<ChildEnd, "done">>;
}

/**
 * Starts a module in a process of its own that exchanges messages with this one, typed arrays among them. It ends with this process.
 * @returns undefined if no process can be started
 */
export function startTalking(entry: string, env: ChildJob["env"], onMessage: (message: never) => void): TalkingChild | undefined {
	const child = start(entry, env, true);
	if (!child) return undefined;
	const log = lastLines(child.stderr);
	child.stdout.resume();
	child.on("message", (message) => onMessage(message as never));
	const ended = new Promise<Omit<ChildEnd, "done">>((resolve) => {
		let failed = false;
		child.on("error", () => {
			failed = true;
			if (child.pid === undefined) resolve({ cause: undefined, log: [] });
		});
		child.on("close", (code, name) => resolve({ cause: failed ? undefined : (name ?? `exit code ${code}`), log: log() }));
	});
	const handles = [child, child.channel, child.stdin, child.stdout, child.stderr] as unknown as { ref?(): void; unref?(): void }[];
	return {
		send: (message) => void (child.connected && child.send(message, () => {})),
		hold: (held) => {
			for (const handle of handles) {
				if (held) handle?.ref?.();
				else handle?.unref?.();
			}
		},
		kill: () => killAll(child),
		ended,
	};
}

/** Undefined if no process can be started; some reasons (a missing program) the child reports later. */
function start(entry: string, env: ChildJob["env"], talking = false): ChildProcessWithoutNullStreams | undefined {
	try {
		const child = spawn(process.execPath, [entry], {
			stdio: talking ? ["pipe", "pipe", "pipe", "ipc"] : ["pipe", "pipe", "pipe"],
			...(talking ? { serialization: "advanced" as const } : {}),
			// Ctrl+C is for this process, which ends the child.
			detached: process.platform !== "win32",
			windowsHide: true,
			// Options of this process, such as a debugger's port, are not for the child. The last variable makes an Electron program Node.js.
			env: { ...process.env, NODE_OPTIONS: "", ELECTRON_RUN_AS_NODE: "1", ...env },
		});
		// Without a free file handle there are no streams. The child's error is known then.
		if (child.stdout as unknown) return child as ChildProcessWithoutNullStreams;
		child.on("error", () => {});
	} catch {
		// Not permitted, or not enough memory.
	}
	return undefined;
}

/** Ends a child and everything that it has started, which may hold its output open. */
function killAll(child: ChildProcessWithoutNullStreams): void {
	child.kill("SIGKILL");
	try {
		if (process.platform !== "win32" && child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
	} catch {
		// All of them have ended.
	}
}

function lastLines(stream: NodeJS.ReadableStream): () => readonly string[] {
	const lines: string[] = [];
	splitLines(stream, (line) => {
		if (line.trim() === "") return;
		lines.push(line);
		if (lines.length > KEPT_LINES) lines.shift();
	});
	return () => lines;
}

function splitLines(stream: NodeJS.ReadableStream, onLine: (line: string) => void): void {
	let rest = "";
	stream.setEncoding("utf8");
	stream.on("data", (chunk: string) => {
		const lines = (rest + chunk).split("\n");
		rest = lines.pop()!;
		for (const line of lines) onLine(line);
	});
	stream.on("end", () => {
		if (rest !== "") onLine(rest);
	});
}
