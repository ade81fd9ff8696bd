// Places that repeat the same code.
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Pairs of places (in different files or far apart) that share six or more meaningful lines. */
export function duplicates(root, files, least = 6) {
	const lines = files.map((file) => {
		const text = readFileSync(join(root, file), "utf8").split("\n");
		return text
			.map((line, index) => ({ line: line.trim(), at: index + 1 }))
			.filter(({ line }) => line.length > 3 && !/^(\/\/|\/?\*|import |export (type )?[*{]|\} from)/.test(line));
	});
	const seen = new Map();
	for (let file = 0; file < files.length; file++)
		for (let at = 0; at + least <= lines[file].length; at++) {
			const key = lines[file]
				.slice(at, at + least)
				.map(({ line }) => line)
				.join("\n");
			seen.set(key, [...(seen.get(key) ?? []), { file, at }]);
		}
	// A longer run is one pair: count a pair only if the pair of the lines before is none.
	const pairs = new Set();
	for (const places of seen.values())
		for (let i = 0; i < places.length; i++)
			for (let j = i + 1; j < places.length; j++) pairs.add(`${places[i].file}:${places[i].at}|${places[j].file}:${places[j].at}`);
	const found = [];
	for (const pair of pairs) {
		const [[f, a], [g, b]] = pair.split("|").map((place) => place.split(":").map(Number));
		if (f === g && Math.abs(a - b) < least) continue;
		if (!pairs.has(`${f}:${a - 1}|${g}:${b - 1}`)) found.push(`${files[f]}:${lines[f][a].at} = ${files[g]}:${lines[g][b].at}`);
	}
	return found;
}
