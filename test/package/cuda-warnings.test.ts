import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { tempFolder } from "../helpers/temp-folder.js";

const { forgetOwnObjects, ownWarnings } = (await import("../../scripts/cuda/own-sources.mjs" as string)) as {
	forgetOwnObjects(folder: string): void;
	ownWarnings(lines: readonly string[]): string[];
};

it("a second check of the same build counts the warnings of our own files again", () => {
	const root = tempFolder();
	const folder = join(root, "build");
	mkdirSync(join(root, "native"));
	writeFileSync(
		join(root, "CMakeLists.txt"),
		"cmake_minimum_required(VERSION 3.14)\nproject(prune_gguf C)\nadd_library(prune_gguf STATIC native/a.c)\ntarget_compile_options(prune_gguf PRIVATE -Wall)\n",
	);
	writeFileSync(join(root, "native", "a.c"), "int of_a(void) {\n    int unused = 1;\n    return 0;\n}\n");
	const run = (...args: string[]) => {
		const { status, stdout, stderr } = spawnSync("cmake", args, { encoding: "utf8" });
		expect(status, stderr).toBe(0);
		return `${stdout}${stderr}`.split("\n");
	};
	const check = () => {
		forgetOwnObjects(folder);
		run("-S", root, "-B", folder);
		return ownWarnings(run("--build", folder, "--target", "prune_gguf")).length;
	};
	expect(check()).toBe(1);
	expect(check()).toBe(1);
});
