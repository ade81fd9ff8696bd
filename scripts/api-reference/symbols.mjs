// What the compiler knows of the package's exports, as data: names, docs, members.
import { createRequire } from "node:module";
import { join } from "node:path";

const ts = createRequire(import.meta.url)("typescript");

/**
 * @typedef {object} Member
 * @property {string} name
 * @property {string} type
 * @property {string} doc
 * @property {string} [byDefault]
 */

/** @returns {{ ts: typeof import("typescript"), checker: import("typescript").TypeChecker, exported: import("typescript").Symbol[] }} */
export function exportsOf(root, file = "src/index.ts") {
	const { config } = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
	const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
	const program = ts.createProgram([join(root, file)], { ...options, noEmit: true });
	const checker = program.getTypeChecker();
	const module = checker.getSymbolAtLocation(program.getSourceFile(join(root, file)));
	const exported = checker
		.getExportsOfModule(module)
		.map((symbol) => (symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol))
		.filter((symbol) => !tagsOf(symbol).has("internal"));
	return { ts, checker, exported: [...new Set(exported)] };
}

/** Docs as one paragraph a line. */
export const docOf = (symbol, checker) => clean(ts.displayPartsToString(symbol.getDocumentationComment(checker)));

const clean = (text) =>
	text
		.replace(/\{@link (\S+?)\}/g, "`$1`")
		.split(/\n{2,}/)
		.map((part) => part.replaceAll(/\s*\n\s*/g, " ").trim())
		.join("\n\n");

/** @returns {Map<string, string[]>} texts of tags by their names */
export function tagsOf(symbol) {
	const tags = new Map();
	for (const { name, text } of symbol.getJsDocTags()) {
		const said = ts.displayPartsToString(text);
		tags.set(name, [...(tags.get(name) ?? []), name === "example" ? said.trim() : clean(said)]);
	}
	return tags;
}

/** A type as it is written, on one line, without comments and what every member says. */
export const written = (node) =>
	node
		.getText()
		.replaceAll(/\/\*[\s\S]*?\*\//g, "")
		.replaceAll(/\s+/g, " ")
		.replaceAll(/\breadonly /g, "")
		.replace(/^\| /, "");

/** What may be left out may be undefined, too. */
const optionalType = (node) => written(node).replace(/ \| undefined$/, "");

/** The object that a type is, or is a list of: `{ ... }`, `readonly { ... }[]`. */
function literalOf(node) {
	if (ts.isTypeLiteralNode(node)) return { literal: node, list: "" };
	if (ts.isArrayTypeNode(node)) return withList(literalOf(node.elementType));
	if (ts.isParenthesizedTypeNode(node) || ts.isTypeOperatorNode(node)) return literalOf(node.type);
	if (!ts.isUnionTypeNode(node)) return undefined;
	const [only, ...others] = node.types.filter((type) => type.kind !== ts.SyntaxKind.UndefinedKeyword);
	return only && others.length === 0 ? literalOf(only) : undefined;
}

const withList = (found) => found && { ...found, list: `${found.list}[]` };

/**
 * @returns {Member[]} members of an interface or an object type; those of an object inside follow it, as `outer.inner`
 */
export function membersOf(declaration, checker, prefix = "") {
	return declaration.members.flatMap((member) => {
		if (!member.name || isPrivate(member)) return [];
		const symbol = checker.getSymbolAtLocation(member.name);
		const tags = tagsOf(symbol);
		if (tags.has("internal")) return [];
		const name = `${prefix}${member.name.getText()}`;
		const optional = member.questionToken ? "?" : "";
		const row = { doc: docOf(symbol, checker), byDefault: tags.get("default")?.[0] };
		if (!ts.isPropertySignature(member) || !member.type) return [{ ...row, name, type: signature(member) }];
		const inner = literalOf(member.type);
		if (!inner) return [{ ...row, name: name + optional, type: optionalType(member.type) }];
		const type = inner.list === "" ? "object" : "list of objects";
		return [{ ...row, name: name + optional, type, plain: true }, ...membersOf(inner.literal, checker, `${name}${inner.list}.`)];
	});
}

const isPrivate = (member) =>
	ts.isPrivateIdentifier(member.name) ||
	(ts.getCombinedModifierFlags(member) & (ts.ModifierFlags.Private | ts.ModifierFlags.Protected)) !== 0;

/** A function without its body: `(a: A, b?: B): C`. */
export function signature(declaration) {
	const parameters = (declaration.parameters ?? []).map((parameter) => {
		const optional = parameter.questionToken || parameter.initializer ? "?" : "";
		const name = parameter.name.getText();
		// Jobs check what they are given, and call it so.
		const plain = /^\w+$/.test(name) && name !== "given" ? name : "options";
		const type = parameter.type ? (optional ? optionalType : written)(parameter.type) : "unknown";
		return `${parameter.dotDotDotToken ? "..." : ""}${plain}${optional}: ${type}`;
	});
	return `(${parameters.join(", ")})${declaration.type ? `: ${written(declaration.type)}` : ""}`;
}

/** Interfaces that one extends, as they are written. */
export const basesOf = (declaration) => (declaration.heritageClauses ?? []).flatMap(({ types }) => types.map(written));
