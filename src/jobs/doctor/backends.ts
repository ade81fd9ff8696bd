// The backends besides the CPU, which every build has: which of them are built here, and what the others miss.
import { existsSync } from "node:fs";
import type { DoctorBackend } from "../../api/doctor.js";
import { missingParts } from "../../model/runtime/backend-builds.js";
import { binaryPlaces } from "../../model/runtime/binary/candidates.js";
import { builtAddon } from "../../model/runtime/paths.js";

/** All of them, whether they can be built or not. */
export function backendsHere(): DoctorBackend[] {
	const { builds } = binaryPlaces();
	return (["cuda", "metal", "vulkan", "rpc"] as const).map((name) => {
		const missing = missingParts(name);
		const command = missing.length === 0 ? `npx prune-gguf build --backend ${name}` : missing.find((part) => part.command)?.command;
		return {
			name,
			built: builds.some((root) => existsSync(builtAddon(name, root))),
			missing: missing.map(({ what }) => what),
			command: command ?? null,
		};
	});
}
