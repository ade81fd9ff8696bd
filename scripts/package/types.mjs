// Whether TypeScript finds the types of the package, as projects of others set it up.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** How projects resolve modules: as Node.js does, and as bundlers do. */
const resolutions = {
	node16: { module: "node16", moduleResolution: "node16" },
	bundler: { module: "esnext", moduleResolution: "bundler" },
};

const project = `
import { pruneGguf, type PruneResult, PruneGgufError } from "prune-gguf";
import * as research from "prune-gguf/research";

export async function smaller(model: string): Promise<readonly number[] | undefined> {
	const result: PruneResult = await pruneGguf(model, undefined, { removeBlocks: 3 });
	return result.plan?.removed;
}
export const isOurs = (error: unknown): error is PruneGgufError => error instanceof PruneGgufError;
export const names: readonly (keyof typeof research)[] = [];
// @ts-expect-error A misspelled option is seen only if the types are.
pruneGguf("model.gguf", undefined, { removeBlock: 3 });
`;

/** A project that has the package of this clone installed: its types, and the packages that they name. */
function install(root, folder) {
	const { name, dependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
	const target = join(folder, "node_modules", name);
	mkdirSync(target, { recursive: true });
	cpSync(join(root, "package.json"), join(target, "package.json"));
	cpSync(join(root, "dist"), join(target, "dist"), {
		recursive: true,
		filter: (path) => !path.endsWith(".js") || /dist.(index|research)\.js$/.test(path),
	});
	for (const other of [...Object.keys(dependencies), "@types/node", "undici-types"]) {
		const link = join(folder, "node_modules", other);
		if (!existsSync(join(root, "node_modules", other))) continue;
		mkdirSync(dirname(link), { recursive: true });
		symlinkSync(join(root, "node_modules", other), link, "junction");
	}
}

/**
 * Compiles a project that uses both entries of the package, once for each way to resolve modules.
 * @param {{ declarations?: boolean }} options `declarations`: check every declaration too, not only those that the project uses; 10 s more
 * @returns {string[]} what the compiler says
 */
export function typeFaults(root, { declarations = false } = {}) {
	const folder = mkdtempSync(join(tmpdir(), "prune-gguf-types-"));
	try {
		install(root, folder);
		writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "project", private: true, type: "module" }));
		writeFileSync(join(folder, "project.ts"), project);
		return Object.entries(resolutions).flatMap(([name, how]) => {
			const skipLibCheck = !declarations || name !== "node16";
			const options = {
				...how,
				skipLibCheck,
				target: "es2022",
				lib: ["es2023", "esnext.disposable"],
				strict: true,
				noEmit: true,
				types: ["node"],
			};
			writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: options, files: ["project.ts"] }));
			const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
			const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8" });
			return status === 0
				? []
				: stdout
						.trim()
						.split("\n")
						.map((line) => `types (${name}): ${line}`);
		});
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}
