// What a build of this machine writes beside its binary.
import { readdir, readFile, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { writeAtomically } from "../../../storage/atomic-file.js";
import { hashFile } from "../../../storage/hash.js";
import { type Backend, llamaPin, packageVersion } from "../paths.js";
import { type BinaryFacts, FACTS_FILE, readFacts } from "./binary-facts.js";
import { System } from "./system.js";

/** A build that has ended well. */
export interface FinishedBuild {
	/** Path of the binary. */
	readonly addon: string;
	/** CMake's folder. */
	readonly folder: string;
	readonly backend: Backend;
	/** Whether someone asked for it. */
	readonly asked: boolean;
	/** Whether all of it was compiled on this machine. @default false: some of it may be of an earlier build */
	readonly anew?: boolean | undefined;
	/** Hash of what it was made from. */
	readonly sources: string;
}

/** Features of a processor for which compilers emit code of their own. On x86, `sme` encrypts memory and `smep` protects the kernel. */
const instructionSets = {
	x86: /^(?:s?sse|avx|fma4?$|f16c$|bmi[12]$|abm$|pni$|popcnt$|movbe$|xop$|tbm$|gfni$|vaes$|amx_)/,
	arm: /^(?:asimd|sve|sme|fphp$|atomics$|fcma$|lrcpc$|i8mm$|bf16$)/,
};

/** Those of the features of this processor that a native build may use. @param arch as `process.arch` @internal */
export function neededBy(flags: Iterable<string>, arch: string): string[] {
	const sets = instructionSets[arch === "x64" || arch === "ia32" ? "x86" : "arm"];
	return [...flags].filter((flag) => sets.test(flag)).sort();
}

/** Written last. It holds the hash of the binary: one that a build which was interrupted has left is not taken for it. */
export async function stampBuild({ addon, folder, backend, asked, sources, anew = false }: FinishedBuild): Promise<BinaryFacts> {
	const { platform, arch, cpu, libc } = new System();
	const before = readFacts(addon);
	const sha256 = await hashFile(addon);
	const isSame = before?.sha256 === sha256;
	const askedAt = asked ? Date.now() : isSame ? before.askedAt : undefined;
	const facts: BinaryFacts = {
		...{ name: `built-${backend}`, platform, arch, libc: libc?.name ?? null, libcVersion: null, level: "native" },
		// The same bytes need what they needed, whichever machine found them finished.
		needs: isSame && !anew ? before.needs : neededBy(cpu.flags ?? [], arch),
		compiler: await compilerOf(folder),
		...{ llamaCpp: llamaPin.version, packageVersion, sha256, bytes: (await stat(addon)).size },
		...{ sources, backend },
		// A run that builds what was asked for before takes nothing back.
		asked: asked || (before?.asked === true && isSame),
		...(askedAt === undefined ? {} : { askedAt }),
	};
	const text = `${JSON.stringify(facts, undefined, "\t")}\n`;
	await writeAtomically(join(dirname(addon), FACTS_FILE), { overwrite: true }, (handle) => handle.writeFile(text));
	return facts;
}

/** `GNU 12.2.0`, from what CMake has found. */
async function compilerOf(folder: string): Promise<string> {
	const inner = await readdir(join(folder, "CMakeFiles")).catch(() => []);
	for (const name of inner) {
		const text = await readFile(join(folder, "CMakeFiles", name, "CMakeCXXCompiler.cmake"), "utf8").catch(() => "");
		const setting = (variable: string) => new RegExp(`set\\(CMAKE_CXX_COMPILER_${variable} "([^"]*)"\\)`).exec(text)?.[1];
		const [id, version] = [setting("ID"), setting("VERSION")];
		if (id) return [id, ...(version ? [version] : [])].join(" ");
	}
	return "unknown";
}
