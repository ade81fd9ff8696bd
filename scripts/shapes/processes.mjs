// What a process and its children take of a Linux machine, as /proc says it.
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";

/** A process that ended meanwhile has no files: it takes nothing. */
function read(path) {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return "";
	}
}

/** The process and all that descend from it. */
export function treeOf(pid, proc = "/proc") {
	const children = new Map();
	for (const name of readdirSync(proc).filter((name) => /^\d+$/.test(name))) {
		// The name of the program, in brackets, may hold anything: the parent is the second field behind it.
		const parent = Number(
			read(join(proc, name, "stat"))
				.replace(/^.*\) /s, "")
				.split(" ")[1],
		);
		children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
	}
	const tree = [pid];
	for (const each of tree) tree.push(...(children.get(each) ?? []));
	return tree;
}

/** Bytes of a tree now. `anonymous` is what the system cannot take back; the rest is mostly the mapped file of the model. */
export function usageOf(pid, proc = "/proc") {
	const usage = { resident: 0, anonymous: 0, written: 0 };
	for (const each of treeOf(pid, proc)) {
		const status = read(join(proc, String(each), "status"));
		const kilobytes = (key) => Number(new RegExp(`^${key}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0);
		usage.resident += 1024 * kilobytes("VmRSS");
		usage.anonymous += 1024 * kilobytes("RssAnon");
		usage.written += Number(/^write_bytes: (\d+)/m.exec(read(join(proc, String(each), "io")))?.[1] ?? 0);
	}
	return usage;
}

/** Watches a tree until it is told to stop. @returns a function that stops it and gives the most that was seen of each */
export function watch(pid, milliseconds = 250) {
	const most = { resident: 0, anonymous: 0, written: 0 };
	const look = () => {
		for (const [key, bytes] of Object.entries(usageOf(pid))) most[key] = Math.max(most[key], bytes);
	};
	look();
	const timer = setInterval(look, milliseconds);
	return () => {
		clearInterval(timer);
		return most;
	};
}

/** Bytes of all files in a folder; 0 where it is not there. */
export function sizeOfFolder(folder) {
	try {
		return readdirSync(folder, { recursive: true, withFileTypes: true })
			.filter((entry) => entry.isFile())
			.reduce((sum, entry) => sum + statSync(join(entry.parentPath ?? entry.path, entry.name)).size, 0);
	} catch {
		return 0;
	}
}
