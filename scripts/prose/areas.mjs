// Which texts there are, where they stand, who reads them, and what they are held to.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { passagesOfMarkdown, unreleased } from "./markdown.mjs";
import { passagesOfComments, passagesOfStrings } from "./source.mjs";

/**
 * @typedef {object} Area
 * @property {string} name
 * @property {(file: string) => boolean} holds whether a file, named from the root, belongs to it
 * @property {(file: string) => import("./words.mjs").Readers} readers
 * @property {"page" | "area" | "nothing"} [mean] what the mean length of sentences is taken of; without it lengths do not matter
 * @property {(text: string, file: string) => import("./markdown.mjs").Passage[]} passages
 */

/** Pages made from the code: their texts are read where they come from. */
const generated = ["docs/cli.md", "docs/api-reference.md"];
/** Pages with tables that a script writes. */
const tablesOfScripts = /(?:^|\/)(?:architectures|conformance)\.md$/;

/** Research pages that still stand among the user pages. */
const research =
	/^docs\/(?:research\/|(?:architectures|benchmarks|compare|conformance|evaluation|gguf|how-it-works|measuring|method|speed)\.md$)/;

/** Sources whose literals are styles and scripts of the report. */
const styles = ["src/report/html-style.ts"];
/** Messages to who calls these functions: a mask is their argument, and coalitions are what the game plays with. */
const forPrograms = /^src\/(?:game\/|storage\/ledger-game\.ts|model\/runtime\/(?:masks|evaluator)\.ts)/;
/** The help: of options, methods and commands. */
const help = (file) => /^src\/(?:api\/options|cli)\/.*\.ts$/.test(file) || file === "src/api/methods.ts";
/** Scripts that users run in a clone, and read. */
const scriptsForUsers = ["scripts/demo.mjs", "scripts/build-native.mjs", "scripts/fetch-llama.mjs"];
/** Source of the program, and scripts, with texts in it. */
const messages = (file) => (/^src\/.*\.(?:ts|mjs)$/.test(file) && !styles.includes(file) && !help(file)) || scriptsForUsers.includes(file);
/** The words that must go are named where they are looked for. */
const comments = (file) =>
	/^(?:src|native|scripts|test)\/.*\.(?:ts|mjs|cpp|h|py)$/.test(file) && !/^(?:scripts|test)\/prose[/.]/.test(file);

const language = (file) => (/\.(?:cpp|h)$/.test(file) ? "cpp" : file.endsWith(".py") ? "py" : "ts");
const page = (text, file) => passagesOfMarkdown(text, { tables: !tablesOfScripts.test(file) });

/** @type {readonly Area[]} */
export const areas = [
	{ name: "readme", holds: (file) => file === "README.md", readers: () => "users", mean: "page", passages: page },
	{
		name: "changelog",
		holds: (file) => file === "CHANGELOG.md",
		readers: () => "users",
		mean: "page",
		passages: (text) => passagesOfMarkdown(unreleased(text)),
	},
	{
		name: "docs",
		holds: (file) => /^docs\/[^/]+\.md$/.test(file) && !generated.includes(file) && !research.test(file),
		readers: () => "users",
		mean: "page",
		passages: page,
	},
	{
		name: "developers",
		holds: (file) => /^docs\/developers\/.*\.md$|^(?:CONTRIBUTING|SECURITY)\.md$/.test(file),
		readers: () => "developers",
		mean: "page",
		passages: page,
	},
	{
		name: "research",
		holds: (file) => file.endsWith(".md") && research.test(file),
		readers: () => "developers",
		mean: "page",
		passages: page,
	},
	{ name: "help", holds: help, readers: () => "users", mean: "area", passages: (text) => passagesOfStrings(text, { least: 2 }) },
	{
		name: "messages",
		holds: messages,
		readers: (file) => (forPrograms.test(file) ? "developers" : "users"),
		mean: "area",
		passages: (text) => passagesOfStrings(text, { least: 5 }),
	},
	{
		// The API reference is made from these.
		name: "reference",
		holds: (file) => /^src\/(?:api\/[^/]+|index|errors)\.ts$/.test(file),
		readers: () => "users",
		mean: "area",
		passages: (text) => passagesOfComments(text, { language: "ts", docs: true }),
	},
	{
		name: "comments",
		holds: comments,
		readers: () => "code",
		passages: (text, file) => passagesOfComments(text, { language: language(file) }),
	},
];

/** @returns {string[]} files of a checkout that belong to an area, named from its root */
export function filesOf(root, area) {
	const below = ["src", "native", "scripts", "test", "docs"].flatMap((folder) =>
		readdirSync(join(root, folder), { recursive: true }).map((path) => `${folder}/${String(path).replaceAll("\\", "/")}`),
	);
	return [...readdirSync(root), ...below].filter((file) => area.holds(file)).sort();
}

/** The passages of a file of an area. */
export const passagesOf = (root, area, file) => area.passages(readFileSync(join(root, file), "utf8"), file);
