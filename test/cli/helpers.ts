import { EventEmitter } from "node:events";
import type { Api } from "../../src/cli/api.js";
import type { CliIo } from "../../src/cli/context.js";
import { runCli } from "../../src/cli/run.js";

/** A call of the public API that a command made. */
export interface Call {
	readonly name: string;
	readonly args: readonly unknown[];
}

/** Result of a run of the command line. */
export interface CliRun {
	readonly code: number;
	readonly stdout: string;
	readonly stderr: string;
	readonly calls: readonly Call[];
	/** Codes with which the process was ended at once. */
	readonly exits: readonly number[];
}

export interface CliSetup {
	readonly api?: Partial<Api>;
	readonly env?: Record<string, string>;
	readonly isTTY?: boolean;
	readonly signals?: EventEmitter;
}

/** Runs the command line with an API that only records its calls. */
export async function cli(argv: readonly string[], setup: CliSetup = {}): Promise<CliRun> {
	const calls: Call[] = [];
	const exits: number[] = [];
	const written = { stdout: "", stderr: "" };
	const stream = (name: "stdout" | "stderr") => ({
		isTTY: setup.isTTY ?? false,
		columns: 100,
		write: (text: string) => {
			written[name] += text;
		},
	});
	const io: CliIo = {
		stdout: stream("stdout"),
		stderr: stream("stderr"),
		env: setup.env ?? {},
		signals: setup.signals ?? new EventEmitter(),
		exit: (code) => exits.push(code),
		api: async () => recorder(setup.api ?? {}, calls),
	};
	const code = await runCli(argv, io);
	return { code, ...written, calls, exits };
}

function recorder(api: Partial<Api>, calls: Call[]): Api {
	return new Proxy({} as Api, {
		// A promise of the API must not be mistaken for one of the process.
		get: (_, name: string) =>
			name === "then"
				? undefined
				: (...args: unknown[]) => {
						calls.push({ name, args });
						const call = api[name as keyof Api] as ((...args: unknown[]) => unknown) | undefined;
						if (!call) throw new Error(`the test gives no ${name}`);
						return call(...args);
					},
	});
}
