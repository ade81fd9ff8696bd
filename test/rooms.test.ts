import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { circlesOf, type Edge, longestChain } from "./helpers/graph.js";
import { importsOf } from "./helpers/imports.js";

// Who may import whom. A room is an entry of src/: a folder, or a file next to the folders. Lower rooms do not import higher ones.

const ROOT = fileURLToPath(new URL("..", import.meta.url));

interface Room {
	/** Rooms that this one may import. */
	readonly from: readonly string[];
	/** Its folders from the bottom up; those of one line do not import each other. `.` is the room itself. @default one floor */
	readonly floors?: readonly (readonly string[])[];
	/** Pure: no Node.js, no package, no clock, no randomness except the seeded one. */
	readonly pure?: true;
}

const LOW = ["errors", "characters", "notation", "game", "report", "storage", "model"];
const DOORS = [...LOW, "api", "pipeline", "jobs"];

const ROOMS: Readonly<Record<string, Room>> = {
	errors: { from: [] },
	characters: { from: [], pure: true },
	notation: { from: [], pure: true },
	game: { from: [], floors: [["."], ["surrogate"], ["attribution"], ["search"]], pure: true },
	report: { from: ["characters", "notation"] },
	storage: { from: ["errors", "characters", "notation", "game"] },
	model: {
		from: ["errors", "notation", "game", "storage"],
		floors: [["gguf"], ["architectures"], ["runtime"], ["calibration", "fitting", "baselines"], ["evaluation"]],
	},
	api: { from: LOW },
	pipeline: {
		from: [...LOW, "api"],
		floors: [
			["progress"],
			["preflight"],
			["session"],
			["methods", "writing", "speed"],
			["race"],
			["quantizing"],
			["gate"],
			["planning"],
			["reporting"],
			["healing"],
			["pruning"],
		],
	},
	// Jobs do not know each other.
	jobs: { from: [...LOW, "api", "pipeline"], floors: [[".", "compare", "doctor", "frontier"]] },
	index: { from: DOORS },
	research: { from: DOORS },
	cli: { from: ["errors", "characters", "notation", "report", "api"] },
};

/** Loaded when a command needs it: help is quick. */
const DYNAMIC_DOORS: readonly string[] = ["cli/main -> index"];

/** Arrows that the code has although the table forbids them; each must be removed. */
const KNOWN_FAULTS: readonly string[] = [];

/** Files that import each other in circles; each must be removed. */
const KNOWN_CIRCLES: readonly (readonly string[])[] = [];

/** What pure rooms use but must not; each must be removed. */
const KNOWN_IMPURE: readonly string[] = [];

/** Files on the longest chain of imports. Lower it where a change shortens the chain. */
const LONGEST_CHAIN = 31;

interface Arrow extends Edge {
	/** Files below src/, without `.ts`; packages and Node's modules as they are written. */
	readonly local: boolean;
}

function filesBelow(folder: string, ends: RegExp): string[] {
	return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile() && ends.test(entry.name))
		.map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).split(sep).join("/"))
		.sort();
}

const nameOf = (file: string) => file.slice("src/".length).replace(/\.ts$/, "");

function arrows(): Arrow[] {
	return filesBelow("src", /\.ts$/).flatMap((file) => {
		const from = nameOf(file);
		return importsOf(readFileSync(join(ROOT, file), "utf8"), file).map((name) => {
			const local = name.startsWith(".");
			return { from, local, to: local ? posix.join(dirname(from), name).replace(/\.js$/, "") : name };
		});
	});
}

const roomOf = (file: string): string => file.split("/")[0]!;
const folderOf = (file: string): string => file.split("/").slice(1, -1)[0] ?? ".";
const textOf = ({ from, to }: Edge): string => `${from} -> ${to}`;

function isAllowed({ from, to }: Edge): boolean {
	const room = ROOMS[roomOf(from)]!;
	if (roomOf(from) !== roomOf(to)) return room.from.includes(roomOf(to)) || DYNAMIC_DOORS.includes(textOf({ from, to }));
	const floorOf = (file: string) => room.floors!.findIndex((folders) => folders.includes(folderOf(file)));
	const isOneJob = roomOf(from) !== "jobs" || folderOf(from) !== ".";
	return !room.floors || (folderOf(from) === folderOf(to) && isOneJob) || floorOf(to) < floorOf(from);
}

describe("rooms", () => {
	const all = arrows();
	const local = all.filter((arrow) => arrow.local);
	const files = filesBelow("src", /\.ts$/).map(nameOf);

	it("are all in the table, and so are their folders", () => {
		const strangers = files.filter((file) => {
			const room = ROOMS[roomOf(file)];
			return !room || (room.floors ? !room.floors.flat().includes(folderOf(file)) : false);
		});
		expect(strangers).toEqual([]);
		// A parser that finds nothing would find no fault.
		expect(all.length).toBeGreaterThan(200);
	});

	it("import only what the table allows", () => {
		const broken = [...new Set(local.filter((arrow) => !isAllowed(arrow)).map(textOf))].sort();
		expect(broken).toEqual(KNOWN_FAULTS);
	});

	it("have no files that import each other in a circle", () => {
		expect(circlesOf(files, local).sort()).toEqual(KNOWN_CIRCLES);
	});

	it("have no longer chain of imports than they had", () => {
		const chain = longestChain(files, local);
		console.log(`the longest chain of imports has ${chain.length} files: ${chain.map((group) => group[0]).join(" -> ")}`);
		expect(chain.length).toBeLessThanOrEqual(LONGEST_CHAIN);
	});

	it("do not import the tests, the scripts or what was compiled", () => {
		expect(local.filter(({ to }) => to.startsWith("../")).map(textOf)).toEqual([]);
	});

	it("are pure where the table says so", () => {
		const pure = (file: string) => ROOMS[roomOf(file)]?.pure === true;
		const outside = all.filter(({ from, local: own }) => pure(from) && !own).map(textOf);
		const impure = /\bMath\.random\b|\bDate\b|\bperformance\b|\bprocess\b|\bset(?:Timeout|Interval|Immediate)\b|\bfetch\(/;
		const uses = files.filter(pure).flatMap((file) => {
			const found = impure.exec(withoutComments(readFileSync(join(ROOT, "src", `${file}.ts`), "utf8")));
			return found ? [`${file} uses ${found[0]}`] : [];
		});
		expect([...outside, ...uses]).toEqual(KNOWN_IMPURE);
	});

	it("load nothing but the packages that package.json names", () => {
		const { dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { dependencies: Record<string, string> };
		const foreign = all.filter(({ local: own, to }) => !own && !to.startsWith("node:") && !(to in dependencies));
		expect(foreign.map(textOf)).toEqual([]);
	});
});

describe("native", () => {
	const files = filesBelow("native", /\.(c|cpp|h)$/);
	const headersOf = (file: string) =>
		[...readFileSync(join(ROOT, file), "utf8").matchAll(/^\s*#\s*include\s*["<]([^">]+)[">]/gm)].map((match) => match[1]!);

	it("reads llama.cpp's private headers in the files of the layer view and of threads only, and not in the header for its users", () => {
		const isPublic = (name: string) => /^(llama|llama-cpp|gguf|ggml(-(alloc|backend|cpp|cpu|cuda|metal|opt|rpc|vulkan))?)\.h$/.test(name);
		const readers = files.flatMap((file) =>
			headersOf(file)
				.filter((name) => /^(llama|ggml|gguf)|\/(llama|ggml|gguf)/.test(name) && !isPublic(name))
				.map((name) => `${file} reads ${name}`),
		);
		expect(readers.length).toBeGreaterThan(0);
		expect(readers.filter((reader) => !/^native\/(layer_view(\.cpp|_\w+\.(cpp|h))|ggml_threads\.c) /.test(reader))).toEqual([]);
	});

	it("has no files that include each other in a circle", () => {
		const edges = files.flatMap((from) =>
			headersOf(from)
				.flatMap((name) => [posix.join(dirname(from), name), posix.join("native", name)].filter((to) => files.includes(to)).slice(0, 1))
				.map((to) => ({ from, to })),
		);
		expect(edges.length).toBeGreaterThan(0);
		expect(circlesOf(files, edges)).toEqual([]);
	});
});

function withoutComments(source: string): string {
	return source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:])\/\/.*$/gm, "$1");
}
