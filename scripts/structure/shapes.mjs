// Declarations in the files of src/: functions, exported names, options types.
import { readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";

/** Functions (name, line, lines, parameters), exported names and the number of lines of a file below src/, named without `.ts`. */
export function shapesOf(ts, root, file) {
	const source = readFileSync(join(root, "src", `${file}.ts`), "utf8");
	const tree = ts.createSourceFile(`${file}.ts`, source, ts.ScriptTarget.ES2022, true);
	const line = (position) => tree.getLineAndCharacterOfPosition(position).line + 1;
	const functions = [];
	const exported = [];
	const nameOf = (node) => {
		if (node.name) return node.name.getText();
		if (ts.isConstructorDeclaration(node)) return `${node.parent.name?.text ?? "class"}.constructor`;
		const up = node.parent;
		if (up && (ts.isVariableDeclaration(up) || ts.isPropertyAssignment(up) || ts.isPropertyDeclaration(up))) return up.name.getText();
		return "(anonymous)";
	};
	const visit = (node) => {
		if (ts.isFunctionLike(node) && (node.body || ts.isMethodSignature(node) || ts.isFunctionTypeNode(node))) {
			const lines = node.body ? line(node.end) - line(node.getStart()) + 1 : 0;
			functions.push({
				file,
				name: nameOf(node),
				line: line(node.getStart()),
				lines,
				parameters: node.parameters.filter(({ name }) => name.getText() !== "this").length,
			});
		}
		ts.forEachChild(node, visit);
	};
	visit(tree);
	for (const node of tree.statements) {
		const modifiers = ts.canHaveModifiers(node) ? (ts.getModifiers(node) ?? []) : [];
		if (!modifiers.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) continue;
		if (ts.isVariableStatement(node)) for (const { name } of node.declarationList.declarations) exported.push(name.getText());
		else if (node.name) exported.push(node.name.text);
	}
	// `export { a }` without a source; `export { a as b } from` is not a declaration.
	for (const node of tree.statements)
		if (ts.isExportDeclaration(node) && !node.moduleSpecifier && node.exportClause && ts.isNamedExports(node.exportClause)) {
			const imported = new Set(
				tree.statements
					.filter(ts.isImportDeclaration)
					.flatMap(({ importClause }) =>
						importClause?.namedBindings && ts.isNamedImports(importClause.namedBindings)
							? importClause.namedBindings.elements.map(({ name }) => name.text)
							: [],
					),
			);
			for (const { name, propertyName } of node.exportClause.elements)
				if (!imported.has((propertyName ?? name).text)) exported.push(name.text);
		}
	return { functions, exported: [...new Set(exported)], lines: line(tree.end) };
}

/** Fields of every type (interface or alias) whose name contains options, largest first. */
export function optionsTypes(ts, root) {
	const config = ts.getParsedCommandLineOfConfigFile(
		join(root, "tsconfig.json"),
		{},
		{ ...ts.sys, onUnRecoverableConfigFileDiagnostic() {} },
	);
	const program = ts.createProgram(config.fileNames, { ...config.options, noEmit: true });
	const checker = program.getTypeChecker();
	const found = [];
	for (const file of program.getSourceFiles()) {
		if (file.isDeclarationFile || !file.fileName.includes("/src/")) continue;
		for (const node of file.statements) {
			if (!ts.isInterfaceDeclaration(node) && !ts.isTypeAliasDeclaration(node)) continue;
			if (node.typeParameters?.length) continue;
			const type = checker.getTypeAtLocation(node.name);
			const fields = checker.getPropertiesOfType(type);
			if (type.flags & (ts.TypeFlags.Union | ts.TypeFlags.StringLike | ts.TypeFlags.NumberLike)) continue;
			found.push({
				name: node.name.text,
				file: relative(root, file.fileName).split(sep).join("/"),
				fields: fields.length,
			});
		}
	}
	return found.sort((a, b) => b.fields - a.fields);
}
