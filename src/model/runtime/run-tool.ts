import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { BuildError } from "../../errors.js";

export interface RunToolOptions {
	/** @default that of this process */
	readonly cwd?: string | undefined;
	/** Ends the program and everything that it has started; the promise rejects at once with `signal.reason`. */
	readonly signal?: AbortSignal | undefined;
	/** Called with every line that the program writes. */
	readonly onLine?: ((line: string) => void) | undefined;
	/** Called once the program runs. It leads a process group and, except on Windows, a session of its own. */
	readonly onStart?: ((pid: number) => void) | undefined;
	/** Says in plain words why the program failed, from the lines that it wrote. @default its last lines speak for themselves */
	readonly explain?: ((lines: readonly string[]) => string | undefined) | undefined;
}

/** Number of lines kept for the error, and number that it shows: without an explanation, and with one. */
const KEPT_LINES = 400;
const SHOWN_LINES = 30;
const SHOWN_BESIDE = 6;

/**
 * Runs a program such as cmake, which starts make, which starts compilers: they all end with it.
 * @throws BuildError with its last lines if it fails or cannot be started
 */
export function runTool(command: readonly string[], { cwd, signal, onLine, onStart, explain }: RunToolOptions = {}): Promise<void> {
	const [program, ...args] = command as [string, ...string[]];
	return new Promise((resolve, reject) => {
		if (signal?.aborted) return reject(signal.reason);
		// A process group, so that it can be ended together. Ctrl+C then reaches it through the signal.
		const detached = process.platform !== "win32";
		const child = spawn(program, args, { cwd, env: inEnglish(), stdio: ["ignore", "pipe", "pipe"], detached });
		if (child.pid !== undefined) onStart?.(child.pid);
		const end = () => endGroup(child);
		const abort = () => {
			end();
			reject(signal?.reason);
		};
		signal?.addEventListener("abort", abort, { once: true });
		// A second Ctrl+C ends this process at once, and the compilers must not continue without it.
		process.once("exit", end);
		const release = () => {
			signal?.removeEventListener("abort", abort);
			process.removeListener("exit", end);
		};
		const lines = collectLines(child, onLine);
		child.on("error", (cause) => {
			release();
			reject(new BuildError(`${program} could not be started: ${cause.message}`, { cause }));
		});
		child.on("close", (code, by) => {
			release();
			if (signal?.aborted) reject(signal.reason);
			else if (code === 0) resolve();
			else reject(failure(`${command.slice(0, 2).join(" ")} ended with ${code ?? by}`, lines, explain?.(lines)));
		});
	});
}

/** The environment in which compilers, make and ld write English, whatever the user's language: their lines are read. */
const inEnglish = (): NodeJS.ProcessEnv => ({ ...process.env, LC_ALL: "C" });

function failure(what: string, lines: readonly string[], why: string | undefined): BuildError {
	const last = lines.slice(why === undefined ? -SHOWN_LINES : -SHOWN_BESIDE).join("\n");
	return new BuildError(why === undefined ? `${what}. Its last lines:\n${last}` : `${why}.\n${what}. Its last lines:\n${last}`);
}

function collectLines(child: ChildProcess, onLine: RunToolOptions["onLine"]): string[] {
	const lines: string[] = [];
	let rest = "";
	const take = (chunk: Buffer) => {
		const parts = (rest + chunk.toString()).split("\n");
		rest = parts.pop() ?? "";
		for (const line of parts) {
			lines.push(line);
			if (lines.length > KEPT_LINES) lines.shift();
			onLine?.(line);
		}
	};
	child.stdout?.on("data", take);
	child.stderr?.on("data", take);
	return lines;
}

function endGroup(child: ChildProcess): void {
	if (child.pid === undefined || child.exitCode !== null) return;
	if (process.platform === "win32") {
		spawnSync("taskkill", ["/pid", String(child.pid), "/t", "/f"], { stdio: "ignore" });
		return;
	}
	try {
		process.kill(-child.pid, "SIGTERM");
	} catch {
		// All of them have ended by themselves.
	}
}
