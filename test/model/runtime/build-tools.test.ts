import { describe, expect, it } from "vitest";
import {
	type BuildTool,
	findCompilers,
	howToInstall,
	installCommand,
	missingTools,
	missingToolsMessage,
	packageSystem,
} from "../../../src/model/runtime/build-tools.js";

const only =
	(...programs: string[]) =>
	(program: string) =>
		programs.includes(program);
const search = (...programs: string[]) => ({ sources: false, runs: only(...programs), platform: "linux" as const, env: {} });

describe("missingTools", () => {
	it("names everything on a bare system, and nothing where all is there", () => {
		expect(missingTools(search())).toEqual(["compiler", "cmake", "make", "git"]);
		expect(missingTools(search("g++", "cmake", "ninja", "git"))).toEqual([]);
		expect(missingTools(search("clang++", "cmake", "make", "git"))).toEqual([]);
	});

	it("asks for git only to unpack sources, and for no compiler on Windows, where CMake looks for it", () => {
		expect(missingTools({ ...search("c++", "cmake", "make"), sources: true })).toEqual([]);
		expect(missingTools({ ...search(), platform: "win32" })).toEqual(["cmake", "git"]);
	});

	it("takes the compiler that CXX names, whatever it is called through", () => {
		const env = { CXX: "g++-12 -m64", CC: "gcc-12" };
		expect(findCompilers({ runs: only("g++-12", "g++"), env })).toEqual({ cpp: "g++-12", c: "gcc-12" });
		expect(findCompilers({ runs: only("g++"), env })).toEqual({ cpp: "g++", c: "gcc" });
		expect(findCompilers({ runs: only(), env })).toBeUndefined();
		expect(missingTools({ ...search("g++-12", "cmake", "make", "git"), env })).toEqual([]);
	});
});

describe("packageSystem", () => {
	it.each([
		["debian", "ID=debian"],
		["debian", 'NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian'],
		["debian", 'ID=linuxmint\nID_LIKE="ubuntu debian"'],
		["fedora", "ID=fedora"],
		["fedora", 'ID="rocky"\nID_LIKE="rhel centos fedora"'],
		["alpine", "ID=alpine"],
		[null, "ID=arch"],
		[null, ""],
	])("%s for %j", (system, release) => expect(packageSystem("linux", release)).toBe(system));

	it("knows the others by their platform", () => {
		expect(packageSystem("darwin", "")).toBe("macos");
		expect(packageSystem("win32", "")).toBe("windows");
	});
});

describe("the command that installs", () => {
	const all: readonly BuildTool[] = ["compiler", "cmake", "make", "git"];

	it("names what is missing, and no more", () => {
		expect(installCommand(["cmake"], "debian")).toBe("apt install cmake");
		expect(installCommand(["compiler", "git"], "fedora")).toBe("dnf install gcc-c++ git");
		expect(installCommand(all, "alpine")).toBe("apk add g++ cmake make git");
		expect(installCommand(all, "macos")).toBe("xcode-select --install && brew install cmake");
		expect(installCommand(["cmake", "git"], "windows")).toBe("winget install Kitware.CMake && winget install Git.Git");
		expect(installCommand(["compiler"], "windows")).toMatch(/^winget install Microsoft\.VisualStudio\S+ --override ".*VCTools.*"$/);
	});

	it("is told for the usual systems on one that is not known", () => {
		const said = howToInstall(["cmake"], null);
		expect(said).toBe("Install with: Debian, Ubuntu: apt install cmake; Fedora: dnf install cmake; Alpine: apk add cmake");
	});

	it("ends a sentence that names the tools", () => {
		expect(missingToolsMessage(["cmake"], "debian")).toBe(
			"cmake is needed to build the addon, but not found. Install with: apt install cmake",
		);
		expect(missingToolsMessage(all, "debian")).toBe(
			"a C++ compiler, cmake, make or ninja and git are needed to build the addon, but not found. Install with: apt install g++ cmake make git",
		);
	});
});
