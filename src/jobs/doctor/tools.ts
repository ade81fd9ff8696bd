// The programs that a build needs: which of them are there, and what they say of themselves.
import { spawnSync } from "node:child_process";
import type { DoctorTool } from "../../api/doctor.js";
import { type BuildTool, findCompilers, missingTools } from "../../model/runtime/build-tools.js";
import { findVisualStudio } from "../../model/runtime/visual-studio.js";

/** What each is called. */
export const toolNames: Readonly<Record<BuildTool, DoctorTool["name"]>> = {
	...{ compiler: "C++ compiler", cmake: "cmake", make: "make or ninja", git: "git" },
};

/** Tools that are not here, git among them. A build on Windows leaves the search for a compiler to CMake, but who asks wants to know before. */
function missingHere(): BuildTool[] {
	const missing = missingTools({ sources: false });
	return process.platform === "win32" && findVisualStudio() === undefined ? ["compiler", ...missing] : missing;
}

/** All tools of a build on this system. @param sources whether those of llama.cpp are there */
export function toolsFor(sources: boolean): DoctorTool[] {
	const missing = missingHere();
	// CMake brings what builds with Microsoft's compiler.
	const searched = process.platform === "win32" ? (["compiler", "cmake", "git"] as const) : (["compiler", "cmake", "make", "git"] as const);
	return searched.map((tool) => ({
		name: toolNames[tool],
		found: missing.includes(tool) ? null : versionOf(tool),
		needed: tool !== "git" || !sources,
	}));
}

function versionOf(tool: BuildTool): string {
	if (tool === "compiler" && process.platform === "win32") return `Visual Studio (${findVisualStudio()})`;
	const programs = { compiler: [findCompilers()?.cpp ?? "c++"], cmake: ["cmake"], make: ["ninja", "make"], git: ["git"] }[tool];
	for (const program of programs) {
		const { status, stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
		if (status !== 0) continue;
		const first = stdout.split("\n", 1)[0]!.trim();
		// Ninja says a number only.
		return /[a-z]/i.test(first) ? first : `${program} ${first}`;
	}
	return "found";
}
