// What a failed probe means, in plain words.
import { shownText } from "../../../storage/shown-text.js";

/** How long a failure is remembered: as long as the processor and the file are the same, a while, or not at all. */
export type Lasts = "always" | "a while" | "once";

/** What is known of a failure: the error that loading gave, or how the process ended. */
export interface Fault {
	/** What the error says. */
	readonly message?: string | undefined;
	/** Signal or exit code that ended the process, as `runChild` names it. */
	readonly cause?: string | undefined;
	/** What it was doing. */
	readonly stage?: string | undefined;
	/** The last lines that it wrote. */
	readonly log?: readonly string[] | undefined;
}

interface Words {
	readonly reason: string;
	readonly lasts: Lasts;
	/** Whether the file itself is at fault here: another one, made on this machine, may do. */
	readonly lasting?: true;
}

/** Windows ends a process with the number of its exception. */
const windowsNames: Readonly<Record<string, string>> = {
	"exit code 3221225501": "SIGILL",
	"exit code 3221225477": "SIGSEGV",
	"exit code 3221225725": "SIGSEGV",
};

/** Reason of a failure, and how long it holds. @internal */
export function faultInWords(fault: Fault): Words {
	return fault.message === undefined ? endInWords(fault) : errorInWords(fault.message);
}

function endInWords({ cause = "", stage = "loading it", log = [] }: Fault): Words {
	const name = windowsNames[cause] ?? cause;
	const during = `(${name} while ${stage})`;
	if (name === "SIGILL") return { reason: `it uses an instruction that this processor lacks ${during}`, lasts: "always", lasting: true };
	if (name === "SIGBUS") return { reason: `its file is damaged or cut short ${during}`, lasts: "once", lasting: true };
	if (name === "SIGKILL")
		return { reason: `the system ended the process that tried it, perhaps for want of memory ${during}`, lasts: "once" };
	const last = log.at(-1);
	return { reason: `it ends the process ${during}${last === undefined ? "" : `: ${shownText(last)}`}`, lasts: "once" };
}

/**
 * Messages of the systems' loaders, and what they mean; `$1` is what the pattern caught. The file is not at fault if it may pass: if a library
 * is installed, or the file lies elsewhere.
 */
const meanings: readonly (readonly [RegExp, string, "may pass"?])[] = [
	[/version [`'"]?GLIBC_([\d.]+)'? not found/, "it needs glibc $1 or newer, and this system's is older"],
	[/version [`'"]?((?:GLIBCXX|CXXABI)_[\d.]+)'? not found/, "it needs a newer libstdc++ ($1)"],
	[/version [`'"]?([\w.]+)'? not found/, "it needs a newer system library ($1)"],
	[
		/(?:libc\.musl|ld-musl|ld-linux)\S*(?:: cannot open|:? No such file)|Error relocating/,
		"it was made for another C library than this system's",
	],
	[/(lib[\w.+-]+\.so[\w.]*): cannot open shared object file/, "the library $1 that it needs is not installed", "may pass"],
	[/Library not loaded: (\S+)/, "the library $1 that it needs is not installed", "may pass"],
	[/specified module could not be found/, "it, or a library that it needs, is not installed", "may pass"],
	[
		/invalid ELF header|file too short|not a mach-o file|not a valid Win32|bad magic|slice is not valid/i,
		"it is no program library, or damaged",
	],
	[/wrong ELF class|incompatible architecture|wrong architecture|Exec format/i, "it is for another kind of processor"],
	[
		/cannot (?:apply|enable)|failed to map segment|Operation not permitted|noexec/i,
		"the system does not let it be loaded from that folder",
		"may pass",
	],
	[/code signature|not valid for use in process/i, "macOS refuses its signature"],
	[
		/did not self-register|symbol not found|undefined symbol|procedure could not be found/i,
		"it was built for another version of Node.js or prune-gguf",
	],
];

function errorInWords(message: string): Words {
	const first = shownText(message.split("\n", 1)[0]!);
	for (const [pattern, meaning, passing] of meanings) {
		const found = pattern.exec(message);
		if (!found) continue;
		const reason = `${meaning.replace("$1", shownText(found[1] ?? ""))} (${first})`;
		return { reason, lasts: "once", ...(passing ? {} : { lasting: true }) };
	}
	return { reason: first, lasts: "once" };
}
