// The scripts that run the commands of README and docs, for the tests. They are plain JavaScript, so their types are said here.

export interface Item {
	readonly kind: "command" | "output" | "figures" | "file" | "unmarked";
	readonly line: number;
	readonly command?: string;
	readonly exits?: readonly number[];
	readonly instead: readonly (readonly [string, string])[];
	readonly why?: string;
	readonly slow?: string;
	readonly name?: string;
	readonly text?: string;
	readonly stream?: string;
	readonly sample?: boolean;
}
export type Run = (command: string, place: unknown) => Promise<{ status: number; stdout: string; stderr: string }>;
export interface PageRunner {
	open(page: { name: string; text: string }): Promise<{ folder: string; missing: readonly string[] }>;
	run: Run;
}

const script = async <T>(name: string) => (await import(new URL(`../../scripts/docs-run/${name}.mjs`, import.meta.url).href)) as T;
export const { itemsOf, commandsOf, withOutput } = await script<{
	itemsOf(page: string): Item[];
	commandsOf(block: string): { command: string; at: number }[];
	withOutput(page: string, output: Item, text: string): string;
}>("page");
export const { difference, wordsToCompare } = await script<{
	difference(expected: string, got: string, options?: { sample: boolean }): string | undefined;
	wordsToCompare(text: string): string[];
}>("mask");
export const { whyNot, whyFull } = await script<{
	whyNot(command: string): string | undefined;
	whyFull(command: string): string | undefined;
}>("skips");
export const { missingFigures } = await script<{ missingFigures(table: string, output: string): string | undefined }>("figures");
export const { Runner, briefly, outputOf } = await script<{
	Runner: new (root: string, base: string) => PageRunner;
	briefly(command: string): string;
	outputOf(command: string): string | undefined;
}>("runner");
export const { runPage, sortItems, pagesOf } = await script<{
	runPage(
		runner: PageRunner,
		file: string,
		page: string,
		options?: { full: boolean; needed?: boolean },
	): Promise<{ faults: string[]; skipped: string[]; text: string }>;
	sortItems(items: Item[]): (Item & { full?: string })[];
	pagesOf(root: string): string[];
}>("run");
