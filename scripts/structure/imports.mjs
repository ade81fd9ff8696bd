// Imports between the files of src/, and includes between those of native/.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative, sep } from "node:path";

/** Files below a folder of the repository, by their paths in it, sorted. */
export function filesBelow(root, folder, ends) {
	return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile() && ends.test(entry.name))
		.map((entry) =>
			relative(root, join(entry.parentPath ?? entry.path, entry.name))
				.split(sep)
				.join("/"),
		)
		.sort();
}

/** Every local import of one source: `{ specifier, symbols: [{ name, type }], kind }`. */
export function importsOf(ts, source, name) {
	const file = ts.createSourceFile(name, source, ts.ScriptTarget.ES2022, true);
	const found = [];
	const add = (specifier, symbols, kind) => found.push({ specifier, symbols, kind });
	const visit = (node) => {
		if (ts.isImportDeclaration(node)) {
			const clause = node.importClause;
			const all = clause?.isTypeOnly ?? false;
			const symbols = [];
			if (clause?.name) symbols.push({ name: "default", type: all });
			const bindings = clause?.namedBindings;
			if (bindings && ts.isNamespaceImport(bindings)) symbols.push({ name: `* as ${bindings.name.text}`, type: all });
			if (bindings && ts.isNamedImports(bindings))
				for (const element of bindings.elements)
					symbols.push({ name: (element.propertyName ?? element.name).text, type: all || element.isTypeOnly });
			add(node.moduleSpecifier.text, symbols, "import");
		} else if (ts.isExportDeclaration(node) && node.moduleSpecifier) {
			const all = node.isTypeOnly;
			const symbols =
				node.exportClause && ts.isNamedExports(node.exportClause)
					? node.exportClause.elements.map((element) => ({
							name: (element.propertyName ?? element.name).text,
							type: all || element.isTypeOnly,
						}))
					: [{ name: "*", type: all }];
			add(node.moduleSpecifier.text, symbols, "re-export");
		} else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
			const [argument] = node.arguments;
			if (argument && ts.isStringLiteralLike(argument)) add(argument.text, [{ name: "(dynamic)", type: false }], "dynamic");
		} else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
			add(node.argument.literal.text, [{ name: node.qualifier?.getText() ?? "*", type: true }], "import type");
		}
		ts.forEachChild(node, visit);
	};
	visit(file);
	return found;
}

/** Edges between files of src/ (names below src/, without `.ts`), one for each pair; `foreign`: local imports that lead nowhere. */
export function readGraph(ts, root) {
	const files = filesBelow(root, "src", /\.ts$/).map((file) => file.slice(4).replace(/\.ts$/, ""));
	const known = new Set(files);
	const edges = new Map();
	const foreign = [];
	for (const from of files) {
		for (const { specifier, symbols, kind } of importsOf(ts, readFileSync(join(root, "src", `${from}.ts`), "utf8"), `${from}.ts`)) {
			if (!specifier.startsWith(".")) continue;
			const to = posix.join(dirname(from), specifier).replace(/\.js$/, "");
			if (!known.has(to)) {
				foreign.push(`${from} -> ${specifier}`);
				continue;
			}
			const key = `${from} ${to}`;
			const edge = edges.get(key) ?? { from: from, to: to, symbols: [], kinds: new Set() };
			edge.symbols.push(...symbols);
			edge.kinds.add(kind);
			edges.set(key, edge);
		}
	}
	return { files, edges: [...edges.values()], foreign };
}

/** Groups of files that reach each other (Tarjan's algorithm); a file outside all circles is a group of its own. */
export function components(files, edges) {
	const next = new Map(files.map((file) => [file, []]));
	for (const { from, to } of edges) next.get(from).push(to);
	const index = new Map();
	const low = new Map();
	const stack = [];
	const on = new Set();
	const found = [];
	let count = 0;
	const visit = (file) => {
		index.set(file, count);
		low.set(file, count++);
		stack.push(file);
		on.add(file);
		for (const to of next.get(file)) {
			if (!index.has(to)) {
				visit(to);
				low.set(file, Math.min(low.get(file), low.get(to)));
			} else if (on.has(to)) low.set(file, Math.min(low.get(file), index.get(to)));
		}
		if (low.get(file) === index.get(file)) {
			const part = [];
			let last;
			do {
				last = stack.pop();
				on.delete(last);
				part.push(last);
			} while (last !== file);
			found.push(part.sort());
		}
	};
	for (const file of files) if (!index.has(file)) visit(file);
	return found;
}

/** Files on the longest chain of imports; the files of a circle count as one floor. */
export function longestChain(files, edges) {
	const parts = components(files, edges);
	const partOf = new Map(parts.flatMap((part, index) => part.map((file) => [file, index])));
	const down = parts.map(() => new Set());
	for (const { from, to } of edges) if (partOf.get(from) !== partOf.get(to)) down[partOf.get(from)].add(partOf.get(to));
	const memo = new Map();
	const chain = (part) => {
		if (!memo.has(part)) {
			let best = [];
			for (const to of down[part]) {
				const below = chain(to);
				if (below.length > best.length) best = below;
			}
			memo.set(part, [part, ...best]);
		}
		return memo.get(part);
	};
	let best = [];
	for (let part = 0; part < parts.length; part++) if (chain(part).length > best.length) best = chain(part);
	return best.map((part) => parts[part]);
}

/** Circles of `#include "..."` in native/. */
export function nativeCircles(root) {
	if (!existsSync(join(root, "native"))) return [];
	const files = filesBelow(root, "native", /\.(cpp|h)$/);
	const known = new Set(files);
	const edges = files.flatMap((from) =>
		[...readFileSync(join(root, from), "utf8").matchAll(/^\s*#\s*include\s*"([^"]+)"/gm)]
			.flatMap(([, name]) => [posix.join(dirname(from), name), posix.join("native", name)].filter((to) => known.has(to)).slice(0, 1))
			.map((to) => ({ from, to })),
	);
	return components(files, edges).filter((part) => part.length > 1);
}
