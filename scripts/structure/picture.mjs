// The picture of the architecture in docs/developers/architecture.md: who imports whom, from the real imports.
import { readGraph } from "./imports.mjs";

const BEGIN = "<!-- made from the imports by npm run docs: begin -->";
const END = "<!-- made from the imports by npm run docs: end -->";

const roomOf = (file) => file.split("/")[0];

/** Arrows between places of files: how many files of one import how many of the other, pair by pair, and whether they import types only. */
function arrowsBetween(edges, placeOf) {
	const arrows = new Map();
	for (const { from, to, symbols } of edges) {
		const [above, below] = [placeOf(from), placeOf(to)];
		if (above === undefined || below === undefined || above === below) continue;
		const key = `${above} ${below}`;
		const arrow = arrows.get(key) ?? { from: above, to: below, count: 0, typesOnly: true };
		arrow.count++;
		arrow.typesOnly &&= symbols.every(({ type }) => type);
		arrows.set(key, arrow);
	}
	return [...arrows.values()];
}

/** Places ordered so that each stands before everything that it imports; equal ones are ordered by name. */
function fromTheTop(places, arrows) {
	const left = new Set(places);
	const order = [];
	while (left.size > 0) {
		const free = [...left].filter((place) => !arrows.some(({ from, to }) => to === place && left.has(from)));
		// A circle has no top: test/rooms.test.ts reports it.
		const next = (free.length > 0 ? free : [...left]).sort()[0];
		order.push(next);
		left.delete(next);
	}
	return order;
}

/** A Mermaid diagram: the first place on top, a dotted arrow where only types are imported. */
function diagram(places, arrows, labelOf) {
	const rank = (place) => places.indexOf(place);
	const lines = [...arrows]
		.sort((a, b) => rank(a.from) - rank(b.from) || rank(a.to) - rank(b.to))
		.map(({ from, to, count, typesOnly }) => `\t${from} ${typesOnly ? "-.->" : "-->"}|${count}| ${to}`);
	return ["```mermaid", "flowchart TB", ...places.map((place) => `\t${place}["${labelOf(place)}"]`), ...lines, "```"].join("\n");
}

/** Both pictures as Markdown: the rooms, and the folders of src/pipeline/. */
export function housePicture(ts, root) {
	const { files, edges } = readGraph(ts, root);
	const filesIn = (placeOf, place) => files.filter((file) => placeOf(file) === place).length;
	const picture = (placeOf) => {
		const places = [...new Set(files.map(placeOf))].filter((place) => place !== undefined);
		const arrows = arrowsBetween(edges, placeOf);
		return diagram(fromTheTop(places, arrows), arrows, (place) => {
			const count = filesIn(placeOf, place);
			return count > 1 ? `${place}/ · ${count} files` : `${place}.ts`;
		});
	};
	const stepOf = (file) => (roomOf(file) === "pipeline" ? file.split("/")[1] : undefined);
	return ["The rooms:", picture(roomOf), "The steps of the pipeline, the last one on top:", picture(stepOf)].join("\n\n");
}

/** The page with its picture made again. */
export function withPicture(page, picture) {
	const [before, rest] = page.split(BEGIN);
	const after = rest?.split(END)[1];
	if (after === undefined) throw new Error(`the page must hold the lines "${BEGIN}" and "${END}"`);
	return `${before}${BEGIN}\n\n${picture}\n\n${END}${after}`;
}
