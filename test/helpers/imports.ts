import ts from "typescript";

/** What a module imports, exports from, or loads with `import("...")`: the names as they are written. */
export function importsOf(source: string, name = "module.ts"): string[] {
	const found: string[] = [];
	const visit = (node: ts.Node): void => {
		const specifier = specifierOf(node);
		if (specifier) found.push(specifier.text);
		ts.forEachChild(node, visit);
	};
	visit(ts.createSourceFile(name, source, ts.ScriptTarget.ES2022));
	return found;
}

function specifierOf(node: ts.Node): ts.StringLiteralLike | undefined {
	const candidate =
		ts.isImportDeclaration(node) || ts.isExportDeclaration(node)
			? node.moduleSpecifier
			: ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
				? node.arguments[0]
				: ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)
					? node.argument.literal
					: undefined;
	return candidate && ts.isStringLiteralLike(candidate) ? candidate : undefined;
}

/** Names of the members of an interface, in the order of the source; undefined if there is no such interface. */
export function interfaceMembers(source: string, name: string): string[] | undefined {
	const file = ts.createSourceFile("module.ts", source, ts.ScriptTarget.ES2022);
	const declaration = file.statements.find(
		(node): node is ts.InterfaceDeclaration => ts.isInterfaceDeclaration(node) && node.name.text === name,
	);
	return declaration?.members.flatMap((member) => (member.name && ts.isIdentifier(member.name) ? [member.name.text] : []));
}
