// A folder as a user has it: the program, models and texts by the names that the docs use.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

/** Names of the 12-block model; those with "f16" hold it with weights of 16 bits. */
const models = ["model.gguf", "original.gguf", "model-f16.gguf", "original-f16.gguf", "f16.gguf", "fixture/fixture-12l.gguf"];
/** The same with weights of 4 bits. */
const q4Models = ["model-q4.gguf", "model.Q4_K_M.gguf", "other-quantization.gguf"];
/** The same without two blocks, for pages that take one for granted; what a page writes takes its place. */
const pruned = ["small.gguf", "smaller.gguf", "pruned.gguf", "out.gguf", "other.gguf"];
/** Texts in the model's own kind of prose; every other one in another order, since no text is taken twice. */
const texts = ["text.txt", "notes.txt", "book.txt", "code.txt", "german.txt", "mine.txt", "wiki.txt"];
/** Twice as long, as `compare` needs them; every other one in another order, since it takes no text twice. */
const longTexts = ["prose.txt", "encyclopedia.txt", "a.txt", "b.txt"];
/** A document a line. */
const jsonTexts = ["chat.jsonl", "chats.jsonl"];
const questions = ["questions.jsonl", "arc.jsonl", "arc_easy.jsonl"];
/** Real models by the names that the docs use, and where a checkout may have them. */
const realModels = {
	"SmolLM2-135M-Instruct.Q4_1.gguf": ["..", "shared", "models", "SmolLM2-135M-Instruct.Q4_1.gguf"],
	"gemma-3-270m.Q4_K_M.gguf": [".cache", "gemma-3-270m.Q4_K_M.gguf"],
};

/**
 * What the folders of all pages are made of. Takes the compiled program with its native part.
 * @param {string} root of the checkout
 * @param {string} store folder to keep it in
 * @param {string} home folder of the program's cache
 */
export async function makeScenery(root, store, home) {
	mkdirSync(store, { recursive: true });
	const { Model, quantizeFile } = await import(pathToFileURL(join(root, "dist", "index.js")).href);
	const model = join(root, "fixture", "fixture-12l.gguf");
	const f16 = join(store, "f16");
	await quantizeFile(model, f16, "F16");
	const q4 = join(store, "q4");
	await quantizeFile(f16, q4, "Q4_K_M");
	const small = join(store, "small");
	const removing = ["--remove", "3,6", "--windows", "4", "--window-length", "32", "--no-report", "--no-speed", "--no-samples", "--quiet"];
	execFileSync(process.execPath, [join(root, "dist", "cli", "main.js"), model, small, ...removing], {
		env: { ...process.env, PRUNE_GGUF_HOME: home },
	});
	const passages = await passagesOf(Model, model, readFileSync(join(root, "fixture", "fixture-12l.unseen-40x128.i32")));
	const prose = join(store, "prose");
	writeFileSync(prose, passages.join("\n\n"));
	const backwards = join(store, "backwards");
	writeFileSync(backwards, passages.toReversed().join("\n\n"));
	const long = join(store, "long");
	const turned = join(store, "turned");
	writeFileSync(long, [...passages, ...passages.toReversed()].join("\n\n"));
	writeFileSync(turned, [...passages.toReversed(), ...passages].join("\n\n"));
	const documents = join(store, "documents");
	writeFileSync(documents, jsonLines(passages.map((text) => ({ text }))));
	const asked = join(store, "questions");
	const otherAsked = join(store, "other-questions");
	writeFileSync(asked, jsonLines(questionsFrom(passages)));
	writeFileSync(otherAsked, jsonLines(questionsFrom(passages.toReversed())));
	const config = join(store, "config");
	writeFileSync(config, JSON.stringify({ "remove-blocks": 4 }));
	return new Map([
		...models.map((name) => [name, name.includes("f16") ? f16 : model]),
		...q4Models.map((name) => [name, q4]),
		...pruned.flatMap((name) => [
			[name, small],
			[`${name}.plan.json`, `${small}.plan.json`],
		]),
		...texts.map((name, i) => [name, i % 2 === 0 ? prose : backwards]),
		...longTexts.map((name, i) => [name, i % 2 === 0 ? long : turned]),
		...jsonTexts.map((name) => [name, documents]),
		...questions.map((name) => [name, asked]),
		["piqa.jsonl", otherAsked],
		["prune.json", config],
		...Object.entries(realModels)
			.map(([name, path]) => [name, join(root, ...path)])
			.filter(([, path]) => existsSync(path)),
	]);
}

/** The windows that no training saw, as text. */
async function passagesOf(Model, path, bytes) {
	const length = 128;
	const tokens = new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
	const model = await Model.load(path, { threads: 1 });
	try {
		return Array.from({ length: tokens.length / length }, (_, i) =>
			model
				.detokenize(tokens.subarray(i * length, (i + 1) * length), { special: false })
				.replace(/\s+/g, " ")
				.trim(),
		);
	} finally {
		await model.dispose();
	}
}

const jsonLines = (rows) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

/** How a passage goes on, among ends of other passages. */
function questionsFrom(passages) {
	return passages.map((passage, i) => {
		const words = passage.split(" ");
		const ends = [0, 1, 2, 3].map((step) => passages[(i + step * 7) % passages.length].split(" ").slice(-4).join(" "));
		const gold = i % 4;
		return { query: words.slice(-16, -4).join(" "), choices: ends.map((_, at) => ends[(at - gold + 4) % 4]), gold };
	});
}

/**
 * Makes the folder of a page: the files that it names, and `npx` and `prune-gguf` on its path.
 * @param {{ name: string, text: string }} page
 * @returns {{ folder: string, home: string, missing: string[], env: NodeJS.ProcessEnv }} home: of the program's cache, which all pages
 *   share; missing: names of real models that are not here
 */
export function makeFolder(root, scenery, base, page) {
	const folder = join(base, page.name.replaceAll(/[^\w]+/g, "-"));
	rmSync(folder, { recursive: true, force: true });
	// As `npm run demo` leaves it.
	mkdirSync(join(folder, "out"), { recursive: true });
	for (const [name, path] of scenery) {
		if (!page.text.includes(name)) continue;
		const target = join(folder, name);
		mkdirSync(join(target, ".."), { recursive: true });
		copyFileSync(path, target);
	}
	mkdirSync(join(folder, "node_modules"), { recursive: true });
	symlinkSync(root, join(folder, "node_modules", "prune-gguf"), "junction");
	writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
	const bin = join(base, "bin");
	if (!existsSync(bin)) makePrograms(root, bin);
	const home = join(base, "home");
	const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, PRUNE_GGUF_HOME: home, NO_COLOR: "1", NODE_OPTIONS: "" };
	const missing = Object.keys(realModels).filter((name) => !scenery.has(name));
	return { folder, home, missing, env };
}

function makePrograms(root, bin) {
	mkdirSync(bin);
	const run = `exec "${process.execPath}" "${join(root, "dist", "cli", "main.js")}" "$@"`;
	const programs = {
		"prune-gguf": run,
		npx: `[ "$1" = prune-gguf ] || { echo "npx $1: not in the docs' folder" >&2; exit 127; }\nshift\n${run}`,
	};
	for (const [name, text] of Object.entries(programs)) {
		writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
		chmodSync(join(bin, name), 0o755);
	}
}
