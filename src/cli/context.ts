import { blocksAsText } from "../notation.js";
import type { TextStyle } from "../report/table.js";
import type { Api, LogEvent, ProgressEvent } from "./api.js";
import { type CommandFacts, nameOf } from "./command-facts.js";
import { errorDocument, errorText, exitCodeOf, exitCodes } from "./exit.js";
import { catchInterrupts, type SignalSource } from "./interrupt.js";
import { printable, printableData } from "./printable.js";
import { ProgressReporter, type ProgressStream } from "./progress.js";

/** What the command line touches of the world around it. */
export interface CliIo {
	/** Data. */
	readonly stdout: ProgressStream;
	/** Progress, notes, errors. */
	readonly stderr: ProgressStream;
	readonly env: Readonly<Record<string, string | undefined>>;
	readonly signals: SignalSource;
	/** Ends the process at once. */
	exit(code: number): void;
	/** The public API, loaded when a command needs it: help must be quick. */
	api(): Promise<Api>;
}

/** Options of every command. */
export interface GlobalArguments {
	readonly json?: boolean | undefined;
	readonly quiet?: boolean | undefined;
	readonly verbose?: boolean | undefined;
}

/** What a command's action may use. */
export interface CommandJob {
	readonly api: Api;
	readonly signal: AbortSignal;
	readonly onProgress: ((event: ProgressEvent) => void) | undefined;
	readonly onLog: (event: LogEvent) => void;
}

/** What a command's action gives: the document for `--json`, and how it becomes text for people. */
export interface Outcome {
	readonly result: unknown;
	readonly view: (result: never, style: TextStyle) => string;
	/** @default 0 */
	readonly exitCode?: number;
}

/** A result with the view that is made for it. */
export function outcome<T>(result: T, view: (result: T, style: TextStyle) => string): Outcome {
	return { result, view };
}

/** How a command runs. */
export interface JobSettings {
	/** Whether running the same command again goes on where it was interrupted. @default false */
	readonly resumable?: boolean;
}

/** Runs the commands' actions: progress, Ctrl+C, output and errors are the same for all. */
export class CliContext {
	readonly io: CliIo;
	/** Of the command that ran last. */
	exitCode: number = exitCodes.done;

	readonly #command: CommandFacts;

	/** @param command that runs */
	constructor(io: CliIo, command: CommandFacts) {
		this.io = io;
		this.#command = command;
	}

	/** Runs an action and prints what it gives, or its error. Never rejects. */
	async perform(args: GlobalArguments, action: (job: CommandJob) => Promise<Outcome>, settings: JobSettings = {}): Promise<void> {
		const { io } = this;
		const reporter = new ProgressReporter({ stream: io.stderr, quiet: args.quiet ?? false, redraws: isTerminal(io.stderr, io.env) });
		const interruption = catchInterrupts(io.signals, {
			onFirst: () => reporter.print(interruptText(settings.resumable ?? false)),
			onSecond: () => {
				reporter.stop();
				io.exit(exitCodes.interrupted);
			},
		});
		try {
			const { result, view, exitCode } = await action({
				api: await io.api(),
				signal: interruption.signal,
				// Nobody sees what a quiet run would measure for an estimate.
				onProgress: args.quiet ? undefined : (event) => reporter.update(event),
				onLog: (event) => log(reporter, event, args),
			});
			reporter.stop();
			// Views add colors, which are escape sequences: so what they are given is made printable, not what they make of it.
			this.exitCode = exitCode ?? exitCodes.done;
			io.stdout.write(args.json ? jsonText(result) : view(printableData(result) as never, textStyle(io.stdout, io.env)));
		} catch (error) {
			reporter.stop();
			this.fail(error, args, interruption.signal.aborted);
		} finally {
			interruption.release();
		}
	}

	/** Prints an error and sets the exit code. */
	fail(error: unknown, args: GlobalArguments, interrupted = false): void {
		this.exitCode = exitCodeOf(error, interrupted);
		if (args.json) this.io.stdout.write(jsonText(errorDocument(error, interrupted)));
		if (this.exitCode === exitCodes.interrupted) return;
		this.io.stderr.write(printable(errorText(error, args.verbose ?? false)));
		if (this.exitCode === exitCodes.usage) this.io.stderr.write(`${whereToRead(this.#command)}\n`);
	}
}

/** Where a wrong command line is put right. Without a command the word that should name one may be wrong. */
const whereToRead = (command: CommandFacts): string =>
	command.words.length === 0
		? "Run prune-gguf --help for the commands and options."
		: `Run prune-gguf ${nameOf(command)} --help to see how it is used.`;

/** Colors only on a terminal that wants them (NO_COLOR, FORCE_COLOR), as wide as it is. */
export function textStyle(stream: ProgressStream, env: CliIo["env"]): TextStyle {
	return { color: wantsColor(stream, env), width: stream.columns ?? 80 };
}

function wantsColor(stream: ProgressStream, env: CliIo["env"]): boolean {
	if (env.NO_COLOR) return false;
	if (env.FORCE_COLOR !== undefined) return env.FORCE_COLOR !== "0" && env.FORCE_COLOR !== "false";
	return isTerminal(stream, env);
}

/** Whether it understands escape sequences: a dumb terminal shows them as they are. */
function isTerminal(stream: ProgressStream, env: CliIo["env"]): boolean {
	return (stream.isTTY ?? false) && env.TERM !== "dumb";
}

/** One JSON document. Typed arrays are lists; sets of blocks are text, as in plans; what is not finite is null. */
export function jsonText(value: unknown): string {
	const plain = (key: string, item: unknown) =>
		ArrayBuffer.isView(item) && !(item instanceof DataView) ? Array.from(item as Float64Array) : blocksAsText(key, item);
	return `${printable(JSON.stringify(value, plain, "\t"))}\n`;
}

function log(reporter: ProgressReporter, { level, message }: LogEvent, args: GlobalArguments): void {
	if (level === "warning") reporter.print(`warning: ${message}`);
	else if (level === "debug" ? args.verbose : !args.quiet) reporter.print(message);
}

function interruptText(resumable: boolean): string {
	const resume = resumable ? " What was measured is kept: run the same command again to go on." : "";
	return `\nStopping.${resume} (Ctrl+C again ends at once.)`;
}
