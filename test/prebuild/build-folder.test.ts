import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";

interface Settings {
	args: string[];
	files: { path: string; text: string }[];
}
interface Target {
	name: string;
	cpu: string;
	zigTarget: string;
}
interface Context {
	root: string;
	folder: string;
	zig: string[];
	compiler: string;
}

const load = async <T>(name: string) => (await import(new URL(`../../scripts/prebuild/${name}`, import.meta.url).href)) as T;
const { prepareFolder } = await load<{ prepareFolder(folder: string, settings: Settings & { compiler: string }): Promise<boolean> }>(
	"build-folder.mjs",
);
const { configuration } = await load<{ configuration(target: Target, context: Context): Settings }>("configure.mjs");
const { targets } = await load<{ targets: Target[] }>("targets.mjs");

const compiler = "zig 1.2.3 (clang 4.5.6)";
const named = (name: string) => targets.find((target) => target.name === name)!;
let root: string;
let folder: string;
let object: string;

const prepare = (target: Target, { zig = ["/opt/zig"], by = compiler } = {}) =>
	prepareFolder(folder, { ...configuration(target, { root, folder, zig, compiler: by }), compiler: by });

beforeEach(() => {
	root = mkdtempSync(join(tmpdir(), "prune-gguf-build-folder-"));
	mkdirSync(join(root, "vendor", "llama.cpp"), { recursive: true });
	folder = join(root, "build", "prebuild", "linux-x64-avx2");
	object = join(folder, "losses.o");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

it("keeps what was compiled with the same settings", async () => {
	expect(await prepare(named("linux-x64-avx2"))).toBe(false);
	writeFileSync(object, "");
	expect(await prepare(named("linux-x64-avx2"))).toBe(false);
	expect(existsSync(object)).toBe(true);
	if (process.platform !== "win32") expect(statSync(join(folder, "bin", "c++")).mode & 0o777).toBe(0o755);
});

it.each<[string, Partial<Target>, { zig?: string[]; by?: string }, RegExp]>([
	["the level of the CPU", { cpu: "x86_64_v4" }, {}, /-mcpu=x86_64_v4/],
	["the version of glibc", { zigTarget: "x86_64-linux-gnu.2.31" }, {}, /-target x86_64-linux-gnu\.2\.31 /],
	["the zig that is called", {}, { zig: ["python3", "-m", "ziglang"] }, /exec 'python3' '-m' 'ziglang' c\+\+/],
	["the version of zig", {}, { by: "zig 1.2.4 (clang 4.5.6)" }, /-mcpu=x86_64_v3/],
])("deletes what was compiled before a change of %s", async (_, change, settings, wrapper) => {
	await prepare(named("linux-x64-avx2"));
	writeFileSync(object, "");
	expect(await prepare({ ...named("linux-x64-avx2"), ...change }, settings)).toBe(true);
	expect(existsSync(object)).toBe(false);
	expect(readFileSync(join(folder, "bin", "c++"), "utf8")).toMatch(wrapper);
});

it("deletes once what was compiled with settings that nobody wrote down", async () => {
	mkdirSync(folder, { recursive: true });
	writeFileSync(object, "");
	expect(await prepare(named("linux-x64-avx2"))).toBe(true);
	expect(existsSync(object)).toBe(false);
	expect(await prepare(named("linux-x64-avx2"))).toBe(false);
});

it("leaves the list of Node-API's functions as old as it is", async () => {
	await prepare(named("win32-x64-avx2"));
	const header = join(folder, "generated", "node_api_names.h");
	expect(readFileSync(header, "utf8")).toMatch(/^#define NODE_API_NAMES\(X\) \\\n {4}X\(napi_/);
	const { mtimeMs } = statSync(header);
	await new Promise((resolve) => setTimeout(resolve, 20));
	await prepare(named("win32-x64-avx2"));
	expect(statSync(header).mtimeMs).toBe(mtimeMs);
});
