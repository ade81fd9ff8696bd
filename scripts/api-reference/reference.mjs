// The page docs/api-reference.md: functions first, then their options, results and the rest.
//
// The compiler's API makes it, which is a dependency already: TypeDoc and its Markdown plugin would be two more packages with their own, and
// what order and tables to use would have to be told them by a plugin of this project.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { basesOf, docOf, exportsOf, membersOf, signature, tagsOf, written } from "./symbols.mjs";

/** The jobs, in the order in which someone meets them; other functions follow. */
const jobs = [
	"pruneGguf",
	"inspectModel",
	"rankBlocks",
	"compareMethods",
	"findFrontier",
	"applyPlan",
	"evaluateModel",
	"evaluateQuestions",
	"measureSpeed",
	"buildAddon",
	"doctor",
	"listRuns",
	"cleanRuns",
];

/** Types that a JSON Schema in this folder describes. */
const schemas = { Report: "report.schema.json" };

/** Members of types without declarations whose members are listed to the last: what programs read most. */
const wholly = new Set(["losses"]);

/** @returns {string} the text of docs/api-reference.md */
export function apiReference(root) {
	const { ts, checker, exported } = exportsOf(root);
	const page = new Page(ts, checker, exported, root);
	const { functions, classes, errors, constants, types } = page.kinds;
	const isJob = ({ name }) => jobs.includes(name);
	const main = functions.filter(isJob).sort((a, b) => jobs.indexOf(a.name) - jobs.indexOf(b.name));
	const isOptions = ({ name }) => /Options$/.test(name);
	const isResult = ({ name }) => /Result$/.test(name);
	const sections = [
		["Jobs", main.map((symbol) => page.functionSection(symbol))],
		["Options", types.filter(isOptions).map((symbol) => page.typeSection(symbol))],
		["Results", types.filter(isResult).map((symbol) => page.typeSection(symbol))],
		["Classes", classes.map((symbol) => page.classSection(symbol))],
		["Other functions", functions.filter((symbol) => !isJob(symbol)).map((symbol) => page.functionSection(symbol))],
		["Other types", types.filter((symbol) => !isOptions(symbol) && !isResult(symbol)).map((symbol) => page.typeSection(symbol))],
		[
			"Constants",
			[
				page.table(
					["name", "is"],
					constants.map((symbol) => [`\`${symbol.name}\``, page.cell(docOf(symbol, checker))]),
				),
			],
		],
		["Errors", [page.errorTable(errors)]],
	];
	const intro = [
		"# API reference",
		"Made from the types of the code by `npm run docs`; change it in `src/`. [The library page](api.md) has examples.",
		"Losses are in nats per token, sizes are in bytes. A block is a transformer layer, numbered from 0. Members with `?` may be left out.",
		"The parts of the methods in `prune-gguf/research` are not listed here; their types describe them.",
	];
	return `${[...intro, ...sections.flatMap(([title, parts]) => [`## ${title}`, ...parts])].join("\n\n")}\n`;
}

/** What a schema says of a member: `outer.inner`, `list[].inner`. */
function descriptionIn(schema, name) {
	const at = name
		.replace(/\?$/, "")
		.split(".")
		.reduce((one, part) => {
			const member = one?.properties?.[part.replaceAll("[]", "")];
			return part.endsWith("[]") ? member?.items : member;
		}, schema);
	return at?.description ?? "";
}

class Page {
	constructor(ts, checker, exported, root) {
		this.root = root;
		this.ts = ts;
		this.checker = checker;
		this.kinds = this.#sort(exported);
		const { functions, classes, types } = this.kinds;
		this.known = new Set([...classes, ...types].map(({ name }) => name));
		// Headings of functions and types differ by more than their case, or the links would lead to the wrong one.
		const anchors = [...functions, ...classes, ...types].map(({ name }) => name.toLowerCase());
		const twice = anchors.filter((name, i) => anchors.indexOf(name) !== i);
		if (twice.length > 0) throw new Error(`two headings of the API reference are alike: ${twice.join(", ")}`);
	}

	#sort(exported) {
		const kinds = { functions: [], classes: [], errors: [], constants: [], types: [] };
		const { SymbolFlags } = this.ts;
		for (const symbol of [...exported].sort((a, b) => (a.name < b.name ? -1 : 1))) {
			if (symbol.flags & SymbolFlags.Class) kinds[/Error$/.test(symbol.name) ? "errors" : "classes"].push(symbol);
			else if (symbol.flags & SymbolFlags.Function || this.#arrow(symbol)) kinds.functions.push(symbol);
			else if (symbol.flags & SymbolFlags.Variable) kinds.constants.push(symbol);
			else kinds.types.push(symbol);
		}
		return kinds;
	}

	/** The function that a constant is. */
	#arrow({ valueDeclaration }) {
		const made = valueDeclaration && this.ts.isVariableDeclaration(valueDeclaration) ? valueDeclaration.initializer : undefined;
		return made && (this.ts.isArrowFunction(made) || this.ts.isFunctionExpression(made)) ? made : undefined;
	}

	functionSection(symbol) {
		const declarations = (symbol.declarations ?? []).filter(
			(one) => this.ts.isFunctionDeclaration(one) || this.ts.isVariableDeclaration(one),
		);
		const overloads = declarations.length > 1 ? declarations.filter((one) => !one.body) : declarations;
		const lines = overloads.map((one) => `function ${symbol.name}${signature(this.#arrow(symbol) ?? one)};`);
		const named = [...new Set(lines.join(" ").match(/\b[A-Z]\w*\b/g))].filter((name) => this.known.has(name));
		const see = named.length > 0 ? [`Types: ${named.map((name) => this.type(name)).join(", ")}.`] : [];
		return [`### ${symbol.name}`, `\`\`\`text\n${lines.join("\n")}\n\`\`\``, ...this.#said(symbol), ...see].join("\n\n");
	}

	/** Docs, parameters, errors and examples. */
	#said(symbol) {
		const tags = tagsOf(symbol);
		const parts = [docOf(symbol, this.checker)];
		const parameters = tags.get("param") ?? [];
		if (parameters.length > 0) parts.push(parameters.map((text) => `- ${text.replace(/^(\w+)\s*/, "`$1`: ")}`).join("\n"));
		for (const text of tags.get("returns") ?? []) parts.push(`Returns ${text}.`);
		const thrown = tags.get("throws") ?? [];
		if (thrown.length > 0) parts.push(`Throws:\n\n${thrown.map((text) => `- ${text}`).join("\n")}`);
		for (const text of tags.get("example") ?? []) parts.push(`\`\`\`js\n${text}\n\`\`\``);
		return parts.filter((part) => part !== "");
	}

	typeSection(symbol) {
		const declaration = symbol.declarations.find((one) => this.ts.isInterfaceDeclaration(one) || this.ts.isTypeAliasDeclaration(one));
		const parts = [`### ${symbol.name}`, docOf(symbol, this.checker)];
		if (!declaration) return parts.join("\n\n");
		if (this.ts.isInterfaceDeclaration(declaration)) {
			const bases = basesOf(declaration);
			if (bases.length > 0) parts.push(`Also has the members of ${bases.map((base) => this.type(base)).join(", ")}.`);
			parts.push(this.members(membersOf(declaration, this.checker)));
		} else if (schemas[symbol.name]) parts.push(...this.#described(declaration, schemas[symbol.name]));
		else if (this.ts.isTypeLiteralNode(declaration.type)) parts.push(this.members(membersOf(declaration.type, this.checker)));
		else parts.push(this.#alias(declaration));
		return parts.filter((part) => part !== "").join("\n\n");
	}

	/** A type that a JSON Schema describes: its members, with what the schema says of them. */
	#described({ type }, file) {
		const schema = JSON.parse(readFileSync(join(this.root, "docs", file), "utf8"));
		const rows = this.#propertiesOf(this.checker.getTypeFromTypeNode(type), "", 2);
		const said = rows.map((row) => ({ ...row, doc: row.doc || descriptionIn(schema, row.name) }));
		return [this.members(said), `[${file}](${file}) describes it whole, as JSON Schema.`];
	}

	/** A schema or a list of the code is no help: what it amounts to is. */
	#alias({ type }) {
		const text = written(type);
		if (/\bInferOutput<|\btypeof /.test(text)) return this.#resolved(this.checker.getTypeFromTypeNode(type));
		return `\`\`\`text\n${text}\n\`\`\``;
	}

	#resolved(type) {
		const { TypeFormatFlags } = this.ts;
		if (!type.isUnion() && type.getProperties().length > 0) return this.members(this.#propertiesOf(type, "", 2));
		return `\`\`\`text\n${this.checker.typeToString(type, undefined, TypeFormatFlags.NoTruncation | TypeFormatFlags.InTypeAlias)}\n\`\`\``;
	}

	/** Members of a type that no declaration lists; those of objects in it follow them, so many levels deep. */
	#propertiesOf(type, prefix, levels) {
		return type.getProperties().flatMap((property) => {
			const optional = (property.flags & this.ts.SymbolFlags.Optional) !== 0;
			const whole = this.checker.getTypeOfSymbol(property);
			const own = optional ? this.checker.getNonNullableType(whole) : whole;
			const { object, list } = this.#objectOf(own);
			const name = `${prefix}${property.name}`;
			const text = this.checker.typeToString(own, undefined, this.ts.TypeFormatFlags.NoTruncation).replaceAll(/\breadonly /g, "");
			const plain = object !== undefined;
			const row = {
				name: `${name}${optional ? "?" : ""}`,
				type: plain ? (list ? "list of objects" : "object") : text,
				doc: docOf(property, this.checker),
				plain,
			};
			const deeper = wholly.has(name) ? Number.POSITIVE_INFINITY : levels - 1;
			return [row, ...(plain && deeper > 0 ? this.#propertiesOf(object, `${name}${list}.`, deeper) : [])];
		});
	}

	/** The object that a type is, or is a list of; undefined if it is none with names of its own. */
	#objectOf(type, list = "") {
		const { checker } = this;
		const item = checker.isArrayType(type) ? checker.getTypeArguments(type)[0] : undefined;
		if (item) return this.#objectOf(item, `${list}[]`);
		const isObject = (type.flags & this.ts.TypeFlags.Object) !== 0 && !checker.isTupleType(type);
		return { object: isObject && type.getProperties().length > 0 ? type : undefined, list };
	}

	classSection(symbol) {
		const declaration = symbol.declarations.find((one) => this.ts.isClassDeclaration(one));
		const isStatic = (member) => (this.ts.getCombinedModifierFlags(member) & this.ts.ModifierFlags.Static) !== 0;
		const named = declaration.members.filter((member) => member.name && !this.ts.isPrivateIdentifier(member.name));
		const rows = membersOf({ members: named }, this.checker).map((row) => {
			const member = named.find((one) => one.name.getText() === row.name.replace(/\?$/, ""));
			const call = this.ts.isMethodDeclaration(member);
			const name = `${isStatic(member) ? `${symbol.name}.` : ""}${row.name}${call ? "()" : ""}`;
			return { ...row, name, type: call ? row.type : member.type ? written(member.type) : "" };
		});
		return [`### ${symbol.name}`, docOf(symbol, this.checker), this.members(rows)].filter((part) => part !== "").join("\n\n");
	}

	/** @param {import("./symbols.mjs").Member[]} rows */
	members(rows) {
		if (rows.length === 0) return "";
		const named = rows.map(({ name, type, doc, byDefault, plain }) => [
			`\`${name}\``,
			plain ? type : type === "" ? "" : this.type(type),
			this.cell([doc, byDefault === undefined ? "" : `Default: ${byDefault}.`].filter((part) => part !== "").join(" ")),
		]);
		return this.table(["name", "type", "is"], named);
	}

	errorTable(errors) {
		const code = ({ valueDeclaration }) => /\b(?:subclass|super)\("(\w+)"/.exec(valueDeclaration.getText())?.[1];
		return this.table(
			["class", "`code`", "is thrown when"],
			errors.map((symbol) => [`\`${symbol.name}\``, code(symbol) ? `\`${code(symbol)}\`` : "", this.cell(docOf(symbol, this.checker))]),
		);
	}

	/** A type with links to those that have a heading here. */
	type(text) {
		return text
			.split(/("[^"]*"|\b[A-Za-z_]\w*\b)/)
			.reduce((parts, part) => {
				const linked = this.known.has(part);
				if (!linked && parts.length > 0 && !parts.at(-1).linked) parts.at(-1).text += part;
				else if (part !== "") parts.push({ text: part, linked });
				return parts;
			}, [])
			.map(({ text: part, linked }) => (linked ? `[\`${part}\`](#${part.toLowerCase()})` : this.#code(part)))
			.join("");
	}

	/** Code of a cell: spaces at its ends stand outside, where they are seen. */
	#code(text) {
		const [, before, inside, after] = /^(\s*)(.*?)(\s*)$/.exec(text);
		return inside === "" ? text : `${before}\`${inside.replaceAll("|", "\\|")}\`${after}`;
	}

	/** Text of a cell. */
	cell(text) {
		return text.replaceAll(/\s*\n+\s*/g, " ").replaceAll("|", "\\|");
	}

	table(head, rows) {
		return [head, head.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n");
	}
}
