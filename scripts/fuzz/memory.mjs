// Watches from outside how much memory a program and its children hold, since a child that dies cannot report it.
import { readdirSync, readFileSync } from "node:fs";

const MILLISECONDS = 100;

/**
 * Looks ten times per second, on Linux; elsewhere it sees nothing. It misses memory that a process held only between two looks.
 * @param {number} pid
 * @returns {() => number} ends watching, and gives the most bytes that one of the processes held
 */
export function watchMemory(pid) {
	let most = 0;
	const look = () => {
		for (const one of withDescendants(pid)) most = Math.max(most, peakOf(one));
	};
	const timer = setInterval(look, MILLISECONDS);
	return () => {
		clearInterval(timer);
		return most;
	};
}

function withDescendants(pid) {
	const found = [pid];
	for (const one of found) found.push(...childrenOf(one));
	return found;
}

function childrenOf(pid) {
	return threadsOf(pid).flatMap((thread) => read(`/proc/${pid}/task/${thread}/children`).split(" ").filter(Boolean).map(Number));
}

function threadsOf(pid) {
	try {
		return readdirSync(`/proc/${pid}/task`);
	} catch {
		return [];
	}
}

const peakOf = (pid) => 1024 * Number(/^VmHWM:\s*(\d+) kB/m.exec(read(`/proc/${pid}/status`))?.[1] ?? 0);

/** Nothing for a process that has ended. */
function read(path) {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return "";
	}
}
