// Figures of the structure, which show how hard it is for a newcomer to find things.
//   node scripts/structure/structure.mjs [--root CHECKOUT] [--list]
//
// Files at the root of src/, import circles, the longest import chain, long functions, names with several meanings, repeated places,
// and the fields of the largest options type. --root: of another checkout, also of an older commit; --list: with every place.
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { components, filesBelow, longestChain, nativeCircles, readGraph } from "./imports.mjs";
import { duplicates } from "./repeats.mjs";
import { optionsTypes, shapesOf } from "./shapes.mjs";

const LONG = 60;
const MANY = 4;

/** The folder of a file at its first two levels. */
const placeOf = (file) => file.split("/").slice(0, -1).slice(0, 2).join("/") || ".";

/**
 * @param {string} root of a checkout with TypeScript in its node_modules, or in this one's
 * @returns {Record<string, { count: number, places: string[] }>} figures by name
 */
export function structureOf(root) {
	const ts = createRequire(import.meta.url)("typescript");
	const { files, edges, foreign } = readGraph(ts, root);
	const shapes = files.map((file) => ({ file, ...shapesOf(ts, root, file) }));
	const functions = shapes.flatMap((shape) => shape.functions);
	const declared = new Map();
	for (const { file, exported } of shapes) for (const name of exported) declared.set(name, [...(declared.get(name) ?? []), file]);
	const rooms = files
		.map((file) => ({ file, count: new Set(edges.filter(({ from }) => from === file).map(({ to }) => placeOf(to))).size }))
		.sort((a, b) => b.count - a.count);
	const largest = optionsTypes(ts, root).find(({ name }) => /Options$/.test(name));
	const counted = (places) => ({ count: places.length, places });
	const at = ({ file, line, name }, more) => `src/${file}.ts:${line} ${name}: ${more}`;
	return {
		"files in src/": counted(files),
		"files at the root of src/": counted(files.filter((file) => !file.includes("/"))),
		"circles of imports": counted(circlesOf(components(files, edges))),
		"circles of includes in native/": counted(circlesOf(nativeCircles(root))),
		"files on the longest chain of imports": counted(longestChain(files, edges).map((part) => part.join(", "))),
		"folders that one file imports": { count: rooms[0].count, places: rooms.slice(0, 5).map(({ file, count }) => `${file}: ${count}`) },
		"functions above 60 lines": counted(functions.filter(({ lines }) => lines > LONG).map((one) => at(one, `${one.lines} lines`))),
		"functions with more than 4 positional parameters": counted(
			functions.filter(({ parameters }) => parameters > MANY).map((one) => at(one, `${one.parameters} parameters`)),
		),
		"exported names declared in several files": counted(
			[...declared].filter(([, where]) => where.length > 1).map(([name, where]) => `${name}: ${where.join(", ")}`),
		),
		"pairs of places that share six or more lines": counted([
			...duplicates(root, filesBelow(root, "src", /\.ts$/)),
			...duplicates(root, filesBelow(root, "native", /\.(cpp|h)$/)),
		]),
		"fields of the largest options type": { count: largest.fields, places: [`${largest.name} (${largest.file})`] },
		"imports that lead nowhere": counted(foreign),
	};
}

const circlesOf = (parts) => parts.filter((part) => part.length > 1).map((part) => part.join(", "));

if (process.argv[1] && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
	const { values } = parseArgs({ options: { root: { type: "string" }, list: { type: "boolean", default: false } } });
	const root = resolve(values.root ?? join(fileURLToPath(import.meta.url), "..", "..", ".."));
	for (const [name, { count, places }] of Object.entries(structureOf(root))) {
		process.stdout.write(`${String(count).padStart(6)}  ${name}\n`);
		if (values.list && name !== "files in src/") for (const place of places) process.stdout.write(`        ${place}\n`);
	}
}
