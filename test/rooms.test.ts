import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { importsOf } from "./helpers/imports.js";

// Who may import whom. A room is a folder of src/; the files beside the folders are the main job and its parts, which may use all rooms.

const ROOT = fileURLToPath(new URL("..", import.meta.url));

interface Room {
	/** Rooms, or files (without `.ts`) of other rooms, that this one may import. */
	readonly from: readonly string[];
	/** Pure: nothing of Node, no package, no clock, no chance but the seeded one. */
	readonly pure?: true;
}

const ROOMS: Readonly<Record<string, Room>> = {
	errors: { from: [] },
	// Opens what a user named.
	"input-file": { from: ["errors"] },
	gguf: { from: ["errors", "input-file"] },
	architectures: { from: ["errors", "gguf"] },
	// The lock and the place of builds are the only things it takes from storage.
	runtime: { from: ["errors", "architectures", "gguf", "storage/cache-folder", "storage/lock"] },
	baselines: { from: ["errors", "game", "runtime"] },
	// The seeded generator, to draw positions with.
	calibration: { from: ["errors", "input-file", "runtime", "game/random"] },
	game: { from: [], pure: true },
	storage: { from: ["errors", "input-file", "game"] },
	surrogate: { from: ["game"], pure: true },
	attribution: { from: ["game"], pure: true },
	search: { from: ["game"], pure: true },
	healing: { from: ["errors", "gguf", "runtime"] },
	// Means and their errors are the same everywhere.
	evaluation: { from: ["errors", "input-file", "game", "gguf", "runtime", "storage", "api", "statistics"] },
	report: { from: [] },
	cli: { from: ["report"] },
};

/** The command line's only doors to the rest: the types and a few constants, and the public entry, loaded when a command needs it. */
const CLI_DOORS: Readonly<Record<string, readonly string[]>> = {
	"cli/api": ["api", "errors", "runtime/build", "runtime/paths", "storage/plan", "storage/runs"],
	"cli/main": ["index"],
};

/** Arrows that the table forbids and the code has; each must go. */
const KNOWN_FAULTS: readonly string[] = [];

interface Arrow {
	/** Files below src/, without `.ts`; packages and Node's modules as they are written. */
	readonly from: string;
	readonly to: string;
	readonly local: boolean;
}

function filesBelow(folder: string, ends: RegExp): string[] {
	return readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile() && ends.test(entry.name))
		.map((entry) => relative(ROOT, join(entry.parentPath, entry.name)).split(sep).join("/"))
		.sort();
}

function arrows(): Arrow[] {
	return filesBelow("src", /\.ts$/).flatMap((file) => {
		const from = file.slice("src/".length).replace(/\.ts$/, "");
		return importsOf(readFileSync(join(ROOT, file), "utf8"), file).map((name) => {
			const local = name.startsWith(".");
			return { from, local, to: local ? posix.join(dirname(from), name).replace(/\.js$/, "") : name };
		});
	});
}

const roomOf = (file: string): string => file.split("/")[0]!;
const isRoom = (file: string): boolean => roomOf(file) in ROOMS;

function isAllowed({ from, to }: Arrow): boolean {
	const room = roomOf(from);
	return [...ROOMS[room]!.from, ...(CLI_DOORS[from] ?? [])].some((door) => door === to || (door === roomOf(to) && isRoom(to)));
}

describe("rooms", () => {
	const all = arrows();

	it("are all in the table", () => {
		const folders = readdirSync(join(ROOT, "src"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
		expect(folders.map(({ name }) => name).filter((name) => !(name in ROOMS))).toEqual([]);
		// A parser that finds nothing would find no fault.
		expect(all.length).toBeGreaterThan(200);
	});

	it("import only what the table allows", () => {
		const broken = all
			.filter((arrow) => arrow.local && isRoom(arrow.from) && roomOf(arrow.from) !== roomOf(arrow.to) && !isAllowed(arrow))
			.map(({ from, to }) => `${from} -> ${to}`);
		expect(broken).toEqual(KNOWN_FAULTS);
	});

	it("do not import the tests, the scripts or what was compiled", () => {
		expect(all.filter(({ local, to }) => local && to.startsWith("../")).map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
	});

	it("are pure where the table says so", () => {
		const pure = (file: string) => ROOMS[roomOf(file)]?.pure === true;
		const outside = all.filter(({ from, local }) => pure(from) && !local).map(({ from, to }) => `${from} -> ${to}`);
		const impure = /\bMath\.random\b|\bDate\b|\bperformance\b|\bprocess\b|\bset(?:Timeout|Interval|Immediate)\b|\bfetch\(/;
		const uses = filesBelow("src", /\.ts$/)
			.filter((file) => pure(file.slice("src/".length)))
			.flatMap((file) => {
				const found = impure.exec(withoutComments(readFileSync(join(ROOT, file), "utf8")));
				return found ? [`${file} uses ${found[0]}`] : [];
			});
		expect([...outside, ...uses]).toEqual([]);
	});

	it("load nothing but the packages that package.json names", () => {
		const { dependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { dependencies: Record<string, string> };
		const foreign = all.filter(({ local, to }) => !local && !to.startsWith("node:") && !(to in dependencies));
		expect(foreign.map(({ from, to }) => `${from} -> ${to}`)).toEqual([]);
	});
});

describe("native", () => {
	it("reads llama.cpp's private headers in layer_view.cpp only", () => {
		const isPublic = (name: string) => /^(llama|llama-cpp|gguf|ggml(-(alloc|backend|cpp|cpu|cuda|metal|opt|rpc|vulkan))?)\.h$/.test(name);
		const readers = filesBelow("native", /\.(cpp|h)$/).flatMap((file) => {
			const headers = [...readFileSync(join(ROOT, file), "utf8").matchAll(/^\s*#\s*include\s*["<]([^">]+)[">]/gm)].map(
				(match) => match[1]!,
			);
			return headers
				.filter((name) => /^(llama|ggml|gguf)|\/(llama|ggml|gguf)/.test(name) && !isPublic(name))
				.map((name) => `${file} reads ${name}`);
		});
		expect(readers.length).toBeGreaterThan(0);
		expect(readers.filter((reader) => !reader.startsWith("native/layer_view.cpp "))).toEqual([]);
	});
});

function withoutComments(source: string): string {
	return source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/(^|[^:])\/\/.*$/gm, "$1");
}
