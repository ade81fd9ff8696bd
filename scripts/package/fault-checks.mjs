// What try-faults.mjs asks of a run and of `doctor`, for each fault. docs/developers/binary-faults.md shows the same.

const build = "npx prune-gguf build";
/** What doctor adds for a damaged file: another copy of it would do. */
const again = /Uninstall prune-gguf and install the same package file again, or build$/;

/**
 * Faults of a binary: the reason, the command that helps, and what else does, by the words of doctor. One without a command is for other
 * machines, so that a run says nothing of it.
 * @type {Record<string, { reason: RegExp, command?: string, why?: RegExp }>}
 */
export const binaryFaults = {
	"cut short": { reason: /^it is cut short: \d+ of \d+ bytes$/, command: build, why: again },
	"changed by one instruction": { reason: /^it is not the file that its binary\.json describes: /, command: build, why: again },
	"of another processor": { reason: /^it is for \S+ processors, and Node\.js runs as \S+$/, command: build, why: again },
	"for another C library, as it says": { reason: /^it needs musl, and this system has / },
	"for a newer C library than it says": { reason: /^it needs glibc 2\.99 or newer, and this system's is older/, command: build },
	"with a library that is missing": { reason: /^the library libm\.so\.7 that it needs is not installed/, command: build },
	"with an illegal instruction": { reason: /^it uses an instruction that this processor lacks \(SIGILL /, command: build },
	"with a write outside its memory": { reason: /^it ends the process \(SIGSEGV /, command: build },
};

const tools = (names) => ({ error: new RegExp(`^error: ${names} needed to build the addon, but not found\\. Install with: .+$`, "m") });
const space = { command: "npm cache clean --force" };

/**
 * Missing things: the error of a run, and the command that `doctor` names. Without one, it is that of the error, which installs programs.
 * @type {Record<string, { error: RegExp, command?: string }>}
 */
export const missingThings = {
	"everything to build": tools("a C\\+\\+ compiler, cmake and make or ninja are"),
	"a compiler": tools("a C\\+\\+ compiler is"),
	cmake: tools("cmake is"),
	"make and ninja": tools("make or ninja is"),
	"git, and the sources of llama.cpp": tools("git is"),
	"the network, and the sources of llama.cpp": {
		error: /^error: the sources of llama\.cpp could not be downloaded: npm's registry cannot be reached \(\w+\)\. Check the network/m,
		command: build,
	},
	"a folder that can be written": {
		error: /^error: the addon would be built in .*, which cannot be written \(EROFS.*Make it writable, or set PRUNE_GGUF_HOME/m,
		command: "export PRUNE_GGUF_HOME=FOLDER",
	},
	"space, before it begins": { ...space, error: /^error: building needs \d+ MB in .*, and its disk has \d+ MB free\. Make space/m },
	"space, while it compiles": {
		...space,
		error: /^error: the disk of .+ became full\. Make space.* and try again: what is compiled is kept\.$/m,
	},
};

/** Sentences for the checks that fail. */
const failed = (checks) => checks.filter(([holds]) => !holds).map(([, sentence]) => sentence);

/**
 * What is wrong with what was said of a binary that cannot be used.
 * @param {string} name of the fault
 * @param {{ best: string, status: number, warning?: string, doctor: object }} seen `best`: the binary; `warning`: of the run; `doctor`: its JSON
 */
export function binaryComplaints(name, { best, status, warning, doctor }) {
	const { reason, command, why = /^/ } = binaryFaults[name];
	const one = doctor.binaries.find((binary) => binary.name === best) ?? {};
	const listed = doctor.missing.filter(({ what }) => what.includes(best));
	const expected =
		command && `warning: the native part ${best} is not used: ${one.reason}. ${doctor.used} is used instead; prune-gguf doctor says more.`;
	return failed([
		[status === 0, `the run ended with ${status}`],
		[one.verdict === "not usable", `doctor says "${one.verdict}" of it`],
		[reason.test(one.reason), `the reason is "${one.reason}", and not like ${reason}`],
		[doctor.used !== null && doctor.used !== best, `${doctor.used} is used instead`],
		[warning === expected, `the run warned "${warning}", and should have "${expected}"`],
		[
			listed.map((entry) => entry.command).join() === (command ?? ""),
			`doctor names the commands ${JSON.stringify(listed)}, and not ${command}`,
		],
		[listed.every((entry) => why.test(entry.why)), `doctor says ${JSON.stringify(listed)}, and not ${why}`],
	]);
}

/**
 * What is wrong with what was said of a missing thing.
 * @param {string} name of the thing
 * @param {{ run: { status: number, stderr: string | null }, told: { status: number }, missing: { command: string }[] }} seen `told`: how doctor
 *   ended; `missing`: its list
 */
export function missingComplaints(name, { run, told, missing }) {
	const { error, command } = missingThings[name];
	const said = error.exec(run.stderr ?? "")?.[0];
	const commands = missing.map((one) => one.command);
	const wanted = command ?? said?.replace(/^.*Install with: /, "");
	return failed([
		[run.status === 1, `the run ended with ${run.status}`],
		[said !== undefined, `the run did not say ${error}`],
		[told.status === 1, `doctor ended with ${told.status}`],
		[commands.some((one) => one.replace(/^Install with: /, "") === wanted), `doctor did not name the command ${wanted}`],
		[commands.includes(build), `doctor did not name the command ${build}`],
	]);
}
