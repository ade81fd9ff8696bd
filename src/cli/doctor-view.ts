// What the doctor found, for people.
import { formatBytes } from "../report/format.js";
import { paint, type TextStyle } from "../report/table.js";
import { factsTable } from "../report/terminal.js";
import type { DoctorBackend, DoctorBinary, DoctorFolder, DoctorResult } from "./api.js";

const marks = { used: "->", usable: "  ", "not usable": " x" } as const;

/** What is used and why, what else was found, and what is missing. */
export function doctorText(result: DoctorResult, style: TextStyle): string {
	const { binaries, missing, devices } = result;
	const title = (text: string) => paint("bold", text, style);
	const verdict = result.usable ? `Ready: ${result.used} is used.` : "Not ready: there is no native part that can be used.";
	const found = binaries.length > 0 ? binaries.flatMap(binaryLines) : ["    none"];
	const seen = devices.map(({ name, description, driver, gpu, freeBytes, totalBytes }) => {
		const memory = totalBytes > 0 ? `, ${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} free` : "";
		const by = driver === null ? "" : `, driver ${driver}`;
		return `    ${name}: ${description || (gpu ? "GPU" : "CPU")}${by}${memory}`;
	});
	const lines = [
		title(verdict),
		"",
		...factsTable(systemRows(result), style).trimEnd().split("\n"),
		"",
		title("Binaries, in the order in which they are tried"),
		...found,
		...(seen.length > 0 ? ["", title("Devices"), ...seen] : []),
		"",
		title("Backends that can be built"),
		...result.backends.map(backendLine),
		"",
		title("Missing"),
		...(missing.length > 0 ? missing.flatMap(({ what, why, command }) => [`    ${what}: ${why}`, `      ${command}`]) : ["    nothing"]),
	];
	return `${lines.join("\n")}\n`;
}

function binaryLines({ name, verdict, reason, level, compiler, bytes, path }: DoctorBinary): string[] {
	const made = [level, compiler, ...(bytes === null ? [] : [formatBytes(bytes)])].filter((part) => part !== null).join(", ");
	return [
		` ${marks[verdict]} ${name}${made === "" ? "" : ` (${made})`}: ${verdict === "usable" ? "usable; " : ""}${reason}`,
		`      ${path}`,
	];
}

function backendLine({ name, built, missing, command }: DoctorBackend): string {
	const how = command === null ? "" : `: ${command}`;
	return `    ${name}${built ? " (built)" : ""}${missing.length > 0 ? ` needs ${missing.join(" and ")}${how}` : how}`;
}

function systemRows({ system, versions, tools, sources, cache, builds }: DoctorResult): (readonly [string, string])[] {
	const { platform, arch, libc, node, processor, features } = system;
	const shown = features?.filter((feature) => /^(avx|fma$|f16c$|bmi2$|amx|sve|i8mm|asimddp|bf16)/.test(feature)) ?? [];
	const missing = tools.filter((tool) => tool.found === null);
	const there = tools.flatMap((tool) => (tool.found === null ? [] : [tool.found]));
	return [
		["versions", `prune-gguf ${versions["prune-gguf"]}, llama.cpp ${versions["llama.cpp"]}, Node.js ${node}`],
		["system", `${platform} ${arch}${libc === null ? "" : `, ${libc}`}`],
		["processor", `${processor}${shown.length > 0 ? `: ${shown.join(" ")}` : ""}`],
		["cache", folderText(cache)],
		["builds", `${folderText(builds)}; the sources of llama.cpp are ${sources ? "there" : "downloaded"}`],
		["tools to build", there.length > 0 ? there.join("; ") : "none"],
		...(missing.length > 0
			? [["not found", missing.map(({ name, needed }) => `${name}${needed ? "" : " (not needed)"}`).join(", ")] as const]
			: []),
	];
}

function folderText({ folder, writable, freeBytes }: DoctorFolder): string {
	const free = freeBytes === null ? "" : `, ${formatBytes(freeBytes)} free`;
	return `${folder} (${writable ? "can be written to" : "cannot be written to"}${free})`;
}
