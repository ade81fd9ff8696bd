import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

interface Missing {
	what: string;
	why?: string;
	command: string;
}
interface Binary {
	name: string;
	verdict: string;
	reason: string;
}
interface SeenBinary {
	best: string;
	status: number;
	warning?: string | undefined;
	doctor: { used: string | null; binaries: Binary[]; missing: Missing[] };
}
interface SeenMissing {
	run: { status: number; stderr: string };
	told: { status: number };
	missing: Missing[];
}
const script = (name: string) => new URL(`../../scripts/package/${name}`, import.meta.url);
const { binaryComplaints, binaryFaults, missingComplaints, missingThings } = (await import(script("fault-checks.mjs").href)) as {
	binaryComplaints(name: string, seen: SeenBinary): string[];
	binaryFaults: Record<string, object>;
	missingComplaints(name: string, seen: SeenMissing): string[];
	missingThings: Record<string, object>;
};

const [best, next] = ["linux-x64-avx512", "linux-x64-avx2"];
const warningOf = (reason: string) =>
	`warning: the native part ${best} is not used: ${reason}. ${next} is used instead; prune-gguf doctor says more.`;
const again = "Uninstall prune-gguf and install the same package file again, or build";
const seen = (reason: string, command: string | undefined, change: Partial<SeenBinary> = {}): SeenBinary => ({
	...{ best, status: 0, warning: command && warningOf(reason) },
	doctor: {
		used: next,
		binaries: [{ name: best, verdict: "not usable", reason }],
		missing: command ? [{ what: `a ${best} that works (/x/${best}/prune_gguf.node)`, why: `${reason}. ${again}`, command }] : [],
	},
	...change,
});
const build = "npx prune-gguf build";
const cut = "it is cut short: 2877452 of 5754904 bytes";
const musl = "it needs musl, and this system has glibc 2.36";

it("every fault that is tried has its checks, and none is left over", () => {
	const text = readFileSync(fileURLToPath(script("try-faults.mjs")), "utf8");
	const table = (name: string) => new RegExp(`const ${name} = \\[\n([\\s\\S]*?)\n\\];`).exec(text)![1]!;
	const names = (name: string) => [...table(name).matchAll(/^\t(?:\t|\[)"([^"]+)"/gm)].map(([, one]) => one);
	expect(names("binaries")).toEqual(Object.keys(binaryFaults));
	expect(names("missing")).toEqual(Object.keys(missingThings));
});

describe("what is said of a binary that cannot be used", () => {
	it.each<[string, string, string | undefined]>([
		["cut short", cut, build],
		["for another C library, as it says", musl, undefined],
		["with an illegal instruction", "it uses an instruction that this processor lacks (SIGILL while loading it)", build],
	])("%s: the warning, the reason and the command", (name, reason, command) => {
		expect(binaryComplaints(name, seen(reason, command))).toEqual([]);
		expect(binaryComplaints(name, seen("it does not load", command))).toEqual([
			expect.stringContaining('the reason is "it does not load"'),
		]);
	});

	it.each<[string, SeenBinary, RegExp]>([
		["without a warning", seen(cut, build, { warning: undefined }), /^the run warned "undefined"/],
		["with the warning of another reason", seen(cut, build, { warning: warningOf("it is old") }), /^the run warned ".*it is old/],
		["with another command", seen(cut, "npm install"), /^doctor names the commands .*, and not npx prune-gguf build/],
		["with an error", seen(cut, build, { status: 1 }), /^the run ended with 1$/],
	])("fails %s", (_, said, complaint) => {
		expect(binaryComplaints("cut short", said)).toEqual([expect.stringMatching(complaint)]);
	});

	it("fails with a warning or a command for a binary of another machine", () => {
		const said = seen(musl, build);
		expect(binaryComplaints("for another C library, as it says", said)).toEqual([
			expect.stringMatching(/^the run warned "warning: /),
			expect.stringMatching(/^doctor names the commands .*, and not undefined/),
		]);
	});
});

describe("what is said of a missing thing", () => {
	const error = "error: cmake is needed to build the addon, but not found. Install with: apt install cmake\n";
	const said = (change: Partial<SeenMissing> = {}): SeenMissing => ({
		...{ run: { status: 1, stderr: `[1/2] Loading the model\n${error}` }, told: { status: 1 } },
		missing: ["apt install cmake", build].map((command) => ({ what: "cmake", command })),
		...change,
	});

	it("is the error of the thing, and the command that the error names", () => {
		expect(missingComplaints("cmake", said())).toEqual([]);
		expect(missingComplaints("a compiler", said())[0]).toMatch(/^the run did not say /);
		const commands = [{ what: "cmake", command: build }];
		expect(missingComplaints("cmake", said({ missing: commands }))).toEqual(["doctor did not name the command apt install cmake"]);
	});

	it("is a command of its own where nothing is to be installed", () => {
		const run = {
			status: 1,
			stderr: "error: building needs 40 MB in /x/build/cpu, and its disk has 20 MB free. Make space and try again.\n",
		};
		const missing = ["npm cache clean --force", build].map((command) => ({ what: "space", command }));
		expect(missingComplaints("space, before it begins", said({ run, missing }))).toEqual([]);
		expect(missingComplaints("space, before it begins", said({ run }))).toEqual([
			"doctor did not name the command npm cache clean --force",
		]);
	});
});
