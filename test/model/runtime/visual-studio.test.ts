import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { findVisualStudio } from "../../../src/model/runtime/visual-studio.js";
import { tempFolder } from "../../helpers/temp-folder.js";

// With a script that stands for the installer of Visual Studio. Windows has no scripts that could.

const folder = tempFolder();
let made = 0;

/** A folder of programs whose installer answers if it is asked for one component of any product. */
function programs(answer: string, component: string): NodeJS.ProcessEnv {
	const root = join(folder, String(made++));
	const installer = join(root, "Microsoft Visual Studio", "Installer");
	mkdirSync(installer, { recursive: true });
	const asked = `-latest -products * -requires Microsoft.VisualStudio.Component.VC.Tools.${component} -property installationPath`;
	writeFileSync(join(installer, "vswhere.exe"), `#!/bin/sh\n[ "$*" = "${asked}" ] && echo "${answer}"\nexit 0\n`);
	chmodSync(join(installer, "vswhere.exe"), 0o755);
	return { "ProgramFiles(x86)": root };
}

describe.skipIf(process.platform === "win32")("Microsoft's compiler", () => {
	it("is where the installer says, for the processor", () => {
		expect(findVisualStudio({ env: programs("C:/VS/2022", "x86.x64"), arch: "x64" })).toBe("C:/VS/2022");
		expect(findVisualStudio({ env: programs("C:/VS/2022", "ARM64"), arch: "arm64" })).toBe("C:/VS/2022");
	});

	it("is not there if the installer names none, or there is no installer", () => {
		expect(findVisualStudio({ env: programs("", "x86.x64"), arch: "x64" })).toBeUndefined();
		expect(findVisualStudio({ env: programs("C:/VS/2022", "x86.x64"), arch: "arm64" })).toBeUndefined();
		expect(findVisualStudio({ env: { "ProgramFiles(x86)": join(folder, "nothing") }, arch: "x64" })).toBeUndefined();
		expect(findVisualStudio({ env: {}, arch: "x64" })).toBeUndefined();
	});
});
