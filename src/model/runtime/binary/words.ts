// What is said of a binary and of the machine, in one line each.
import type { BinaryKind } from "./candidates.js";
import type { SystemFacts } from "./system.js";

/** Where a binary comes from, as its reader needs it. */
export const kindWords: Readonly<Record<BinaryKind, string>> = {
	named: "named by PRUNE_GGUF_ADDON",
	built: "built here by prune-gguf build",
	prebuilt: "delivered with prune-gguf",
	fallback: "built here by a run that found no other",
};

/** Why the binary in use is preferred to all others. */
export const whyWords: Readonly<Record<BinaryKind, string>> = {
	named: "PRUNE_GGUF_ADDON names it",
	built: "it was built here on request, by prune-gguf build",
	prebuilt: "of the delivered ones that this machine runs, it needs the most of the processor",
	fallback: "a run built it here, since no other could be used",
};

/** `linux x64, AMD EPYC 7713, Node.js 22.1.0`. */
export function systemText({ platform, arch, cpu, node }: Pick<SystemFacts, "platform" | "arch" | "cpu" | "node">): string {
	return `${platform} ${arch}, ${cpu.model}, Node.js ${node}`;
}
