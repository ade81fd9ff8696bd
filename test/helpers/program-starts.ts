import ts from "typescript";

const MODULE = /^(node:)?child_process$/;
const SHELLS = /(^|[\\/])((ba|da|k|z)?sh|cmd|powershell|pwsh)(\.exe)?$/i;
const RUNS_TEXT = /^(eval|Function|runIn\w*Context|exec|execSync)$/;

const nameOf = (node: ts.Node | undefined) => (node && (ts.isIdentifier(node) || ts.isStringLiteralLike(node)) ? node.text : undefined);

/** Names that a file imports from the module that starts programs; `undefined` for a form that hides them. */
function imported(node: ts.Node): (string | undefined)[] {
	if (ts.isCallExpression(node) && (node.expression.kind === ts.SyntaxKind.ImportKeyword || nameOf(node.expression) === "require"))
		return MODULE.test(nameOf(node.arguments[0]) ?? "") ? [undefined] : [];
	if (ts.isExportDeclaration(node)) return MODULE.test(nameOf(node.moduleSpecifier) ?? "") ? [undefined] : [];
	if (!ts.isImportDeclaration(node) || !MODULE.test(nameOf(node.moduleSpecifier) ?? "")) return [];
	const bindings = node.importClause?.namedBindings;
	if (node.importClause?.name || !bindings || ts.isNamespaceImport(bindings)) return [undefined];
	return bindings.elements.map((element) => (element.propertyName ?? element.name).text);
}

function faultAt(node: ts.Node, allowedShell: string | undefined): string | undefined {
	for (const name of imported(node)) {
		if (name === undefined) return "its functions that start programs cannot be told: import them by name";
		if (RUNS_TEXT.test(name)) return `${name} starts a shell`;
	}
	if (ts.isShorthandPropertyAssignment(node) && node.name.text === "shell") return "shell";
	if (ts.isPropertyAssignment(node) && nameOf(node.name) === "shell" && node.initializer.getText() !== allowedShell) return node.getText();
	if ((!ts.isCallExpression(node) && !ts.isNewExpression(node)) || ts.isPropertyAccessExpression(node.expression)) return undefined;
	const [called, first] = [nameOf(node.expression), nameOf(node.arguments?.[0])];
	return RUNS_TEXT.test(called ?? "") || SHELLS.test(first ?? "") ? node.getText() : undefined;
}

/**
 * Places that start a program through a shell, or run a text as code.
 * @param allowedShell value of the option `shell` that is no fault
 */
export function shellStarts(text: string, allowedShell?: string): string[] {
	const file = ts.createSourceFile("file.ts", text, ts.ScriptTarget.Latest, true);
	const found: string[] = [];
	const visit = (node: ts.Node) => {
		const fault = faultAt(node, allowedShell);
		if (fault !== undefined) found.push(fault);
		ts.forEachChild(node, visit);
	};
	visit(file);
	return found;
}

/** Files beside a file that it imports. */
export const importsOf = (text: string) =>
	ts.preProcessFile(text).importedFiles.flatMap(({ fileName }) => (fileName.startsWith(".") ? [fileName] : []));
