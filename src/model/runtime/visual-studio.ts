// Microsoft's C++ compiler is in no path: the installer of Visual Studio says where it is.
import { spawnSync } from "node:child_process";
import { join } from "node:path";

/** How the installer is asked. */
export interface VisualStudioSearch {
	/** @default that of this process */
	readonly env?: NodeJS.ProcessEnv | undefined;
	/** @default that of this process */
	readonly arch?: string | undefined;
}

/** Folder of the newest Visual Studio or Build Tools with a C++ compiler; undefined if there is none. For Windows. */
export function findVisualStudio({ env = process.env, arch = process.arch }: VisualStudioSearch = {}): string | undefined {
	const programs = env["ProgramFiles(x86)"] ?? env.ProgramFiles;
	if (!programs) return undefined;
	const tools = `Microsoft.VisualStudio.Component.VC.Tools.${arch === "arm64" ? "ARM64" : "x86.x64"}`;
	// Build Tools are no product that it looks for by itself.
	const args = ["-latest", "-products", "*", "-requires", tools, "-property", "installationPath"];
	const { stdout } = spawnSync(join(programs, "Microsoft Visual Studio", "Installer", "vswhere.exe"), args, { encoding: "utf8" });
	return stdout?.trim() || undefined;
}
