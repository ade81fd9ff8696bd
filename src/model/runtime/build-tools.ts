// What building needs besides Node.js, and the command that installs it.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** What a build asks for: `make` stands for make or Ninja, and git only unpacks sources that are missing. */
export type BuildTool = "compiler" | "cmake" | "make" | "git";

/** Systems whose commands are known. */
export type PackageSystem = "debian" | "fedora" | "alpine" | "macos" | "windows";

const names: Readonly<Record<BuildTool, string>> = { compiler: "a C++ compiler", cmake: "cmake", make: "make or ninja", git: "git" };

const titles: Readonly<Record<PackageSystem, string>> = {
	debian: "Debian, Ubuntu",
	fedora: "Fedora",
	alpine: "Alpine",
	macos: "macOS",
	windows: "Windows",
};

/** Names of packages, for one command that installs several. */
const packages: Readonly<
	Record<"debian" | "fedora" | "alpine", { readonly command: string; readonly of: Readonly<Record<BuildTool, string>> }>
> = {
	debian: { command: "apt install", of: { compiler: "g++", cmake: "cmake", make: "make", git: "git" } },
	fedora: { command: "dnf install", of: { compiler: "gcc-c++", cmake: "cmake", make: "make", git: "git" } },
	alpine: { command: "apk add", of: { compiler: "g++", cmake: "cmake", make: "make", git: "git" } },
};

/** Commands that bring one tool, or several. */
const commands: Readonly<Record<"macos" | "windows", Readonly<Record<BuildTool, string>>>> = {
	macos: { compiler: "xcode-select --install", cmake: "brew install cmake", make: "xcode-select --install", git: "xcode-select --install" },
	windows: {
		compiler:
			'winget install Microsoft.VisualStudio.2022.BuildTools --override "--wait --passive --add Microsoft.VisualStudio.Workload.VCTools --includeRecommended"',
		cmake: "winget install Kitware.CMake",
		make: "winget install Ninja-build.Ninja",
		git: "winget install Git.Git",
	},
};

/** Which commands this system knows, or null. @param release text of /etc/os-release */
export function packageSystem(platform: NodeJS.Platform = process.platform, release: string = osRelease()): PackageSystem | null {
	if (platform === "darwin") return "macos";
	if (platform === "win32") return "windows";
	const like = [...release.matchAll(/^ID(?:_LIKE)?=(.*)$/gm)].flatMap(([, value]) => value!.replaceAll(/["']/g, "").split(/\s+/));
	if (like.some((id) => id === "debian" || id === "ubuntu")) return "debian";
	if (like.some((id) => id === "fedora" || id === "rhel" || id === "centos")) return "fedora";
	return like.includes("alpine") ? "alpine" : null;
}

function osRelease(): string {
	try {
		return readFileSync("/etc/os-release", "utf8");
	} catch {
		return "";
	}
}

/** The command that installs tools on one system. */
export function installCommand(tools: readonly BuildTool[], system: PackageSystem): string {
	if (system === "macos" || system === "windows") return [...new Set(tools.map((tool) => commands[system][tool]))].join(" && ");
	const { command, of } = packages[system];
	return `${command} ${tools.map((tool) => of[tool]).join(" ")}`;
}

/** The same in words: on an unknown system, the commands of the usual ones. */
export function howToInstall(tools: readonly BuildTool[], system: PackageSystem | null = packageSystem()): string {
	if (system) return `Install with: ${installCommand(tools, system)}`;
	const usual = (["debian", "fedora", "alpine"] as const).map((known) => `${titles[known]}: ${installCommand(tools, known)}`);
	return `Install with: ${usual.join("; ")}`;
}

const runs = (program: string): boolean => spawnSync(program, ["--version"], { stdio: "ignore" }).status === 0;

/** Where tools are looked for. */
export interface ToolSearch {
	/** Whether the sources of llama.cpp are there. */
	readonly sources: boolean;
	/** Whether a program can be run. @default it is run with `--version` */
	readonly runs?: ((program: string) => boolean) | undefined;
	/** @default that of this process */
	readonly platform?: NodeJS.Platform | undefined;
	/** @default that of this process */
	readonly env?: NodeJS.ProcessEnv | undefined;
}

/** Programs that compile C and C++; undefined if there are none. On Windows CMake looks for them. */
export function findCompilers({
	runs: found = runs,
	env = process.env,
}: Omit<ToolSearch, "sources" | "platform"> = {}): { readonly c: string; readonly cpp: string } | undefined {
	const pairs: (readonly [string, string])[] = [
		["g++", "gcc"],
		["clang++", "clang"],
		["c++", "cc"],
	];
	// "ccache g++": the first word is what is run.
	const own = env.CXX?.trim().split(/\s+/)[0];
	if (own && found(own)) pairs.unshift([own, env.CC?.trim().split(/\s+/)[0] || "cc"]);
	const pair = pairs.find(([cpp]) => found(cpp));
	return pair && { cpp: pair[0], c: pair[1] };
}

/** The tools that a build would miss, in the order in which it needs them. Takes milliseconds for each: it runs them. */
export function missingTools({ sources, runs: found = runs, platform = process.platform, env }: ToolSearch): BuildTool[] {
	const missing: BuildTool[] = [];
	if (platform !== "win32" && !findCompilers({ runs: found, env })) missing.push("compiler");
	if (!found("cmake")) missing.push("cmake");
	if (platform !== "win32" && !found("ninja") && !found("make")) missing.push("make");
	if (!sources && !found("git")) missing.push("git");
	return missing;
}

/** Says what is missing, and how to install it. @param missing not empty */
export function missingToolsMessage(missing: readonly BuildTool[], system: PackageSystem | null = packageSystem()): string {
	const list = missing.map((tool) => names[tool]);
	const last = list.pop()!;
	const all = list.length === 0 ? last : `${list.join(", ")} and ${last}`;
	return `${all} ${missing.length > 1 ? "are" : "is"} needed to build the addon, but not found. ${howToInstall(missing, system)}`;
}
