// What help, config files and reading of arguments know of every command without running it.
import { estimatorFacts, type Method, methodFacts, methods, rankingMethods } from "./api.js";
import { type CommandFacts, modelArgument } from "./command-facts.js";

const methodRows = (shown: readonly Method[]) => shown.map((method) => [method, methodFacts[method].does] as const);

const pruneFacts: CommandFacts = {
	words: [],
	options: "prune",
	positionals: [modelArgument, { name: "[output]", help: "File to write; without it only measure" }],
	describe: "Remove blocks from a model, measure the result and verify the file (the default)",
	examples: [
		["prune-gguf model.gguf", "Show the loss for each number of removed blocks; write no model"],
		["prune-gguf model.gguf small.gguf -n 6", "Remove six blocks, chosen automatically"],
		["prune-gguf model.gguf small.gguf -n 25% --calibration notes.txt", "Remove a quarter of the blocks, chosen on your own text"],
		["prune-gguf model.gguf small.gguf -n 4 --calibration chat.jsonl=2 code.txt", "Two kinds of text, the first one counts twice"],
		["prune-gguf model.gguf small.gguf -n 4 --heal", "Recover part of the loss"],
		["prune-gguf model.gguf small.gguf --target-speedup 1.3", "Remove as many as it takes to generate 1.3 times as fast"],
		["prune-gguf model.gguf small.gguf --target-size 3.5GB --max-kl 0.3", "Fit a size, unless the model changes too much"],
		["prune-gguf model.gguf small.gguf --max-ppl-ratio 1.2", "Remove as many as raise perplexity by at most 20%"],
		["prune-gguf model.gguf small.gguf --remove 3,7,11", "Remove these blocks, and measure the loss"],
		["prune-gguf model-f16.gguf small.gguf -n 4 --quantize Q4_K_M", "Prune and quantize"],
	],
};

const inspectFacts: CommandFacts = {
	words: ["inspect"],
	positionals: [modelArgument],
	describe: "Show what a model is and how many blocks can be removed",
	examples: [["prune-gguf inspect model.gguf", "Show what the file is"]],
};

const applyFacts: CommandFacts = {
	words: ["apply"],
	options: "apply",
	positionals: [modelArgument, { name: "<output>", help: "File to write" }],
	describe: "Apply a plan, or remove given blocks",
	examples: [
		["prune-gguf apply model.gguf small.gguf --plan small.gguf.plan.json", "Apply a plan"],
		["prune-gguf apply model.gguf small.gguf --remove 3,7,11", "Remove these blocks"],
		["prune-gguf apply model.gguf small.gguf --plan small.gguf.plan.json --max-ppl-ratio 1.2", "Apply a plan unless the loss is too high"],
		["prune-gguf apply model-f16.gguf small.gguf --remove 3,7,11 --quantize Q4_K_M", "Remove blocks and quantize"],
	],
};

const evaluateFacts: CommandFacts = {
	words: ["evaluate"],
	options: "evaluate",
	positionals: [modelArgument],
	describe: "Measure perplexity or accuracy, with or without some blocks",
	examples: [
		["prune-gguf evaluate model.gguf --text wiki.txt", "Perplexity as llama-perplexity computes it"],
		["prune-gguf evaluate model.gguf --text wiki.txt --remove 3,7,11", "Compare with the model without these blocks"],
		["prune-gguf evaluate small.gguf --text wiki.txt --against model.gguf", "Compare two models"],
		["prune-gguf evaluate model.gguf --questions arc.jsonl --remove 3,7", "Accuracy without these blocks"],
	],
};

const speedFacts: CommandFacts = {
	words: ["speed"],
	options: "speed",
	positionals: [modelArgument, { name: "[other]", help: "Another model to compare with" }],
	describe: "Measure speed and memory of a model, or compare two",
	examples: [
		["prune-gguf speed model.gguf small.gguf", "Compare two files"],
		["prune-gguf speed model.gguf --remove 3,7,11", "How much faster the model is without these blocks"],
	],
};

const frontierFacts: CommandFacts = {
	words: ["frontier"],
	options: "frontier",
	positionals: [modelArgument],
	describe: "Compare pruning, quantizing and both at every size",
	examples: [
		["prune-gguf frontier model-f16.gguf", "The smallest file that loses little"],
		["prune-gguf frontier model-f16.gguf --target-size 3.5GB", "The best way to a file of that size"],
		["prune-gguf frontier model-f16.gguf --target-compute 1.3 --types Q8_0,Q4_K_M", "The best way to run fewer blocks"],
	],
};

const rankFacts: CommandFacts = {
	words: ["rank"],
	options: "rank",
	positionals: [modelArgument],
	describe: "Show the importance of each block",
	examples: [
		["prune-gguf rank model.gguf", "The importance of each block"],
		["prune-gguf rank model.gguf -n 3,6", "Say which blocks are surely among the 3 or 6 least important"],
		["prune-gguf rank model.gguf --method auto", "Also show redundant pairs of blocks"],
		["prune-gguf rank model.gguf --method common-sets --max-evaluations 500", "By an estimator that assumes no model"],
	],
	notes: {
		title: "Methods, and estimators of importance that choose no blocks",
		rows: [...methodRows(rankingMethods), ...Object.entries(estimatorFacts)],
	},
};

const compareFacts: CommandFacts = {
	words: ["compare"],
	options: "compare",
	positionals: [modelArgument],
	describe: "Compare methods that choose blocks, at equal cost and on unseen text",
	examples: [
		["prune-gguf compare model.gguf", "The usual methods at three sizes"],
		["prune-gguf compare model.gguf --methods auto,greedy,random -n 3,6,25%", "Three methods, three sizes"],
		["prune-gguf compare model.gguf --eval a.txt b.txt --save-result compare.json", "Score on your own texts"],
		["prune-gguf compare model.gguf --eval-questions arc.jsonl piqa.jsonl", "Score on questions too"],
	],
	notes: { title: "Methods", rows: methodRows(methods) },
};

const buildFacts: CommandFacts = {
	words: ["build"],
	options: "build",
	positionals: [],
	describe: "Compile the native part (other commands do it on first use)",
	examples: [
		["prune-gguf build", "Compile for the CPU; takes seconds if nothing changed"],
		["prune-gguf build --backend cuda", "Compile for NVIDIA GPUs"],
	],
};

const doctorFacts: CommandFacts = {
	words: ["doctor"],
	positionals: [],
	describe: "Say which native part is used and why, and what is missing (exit code 1 if there is none to use)",
	examples: [
		["prune-gguf doctor", "Show what was found on this machine"],
		["prune-gguf doctor --json", "The same for a script, or a report of a problem"],
	],
};

const runsFacts: CommandFacts = {
	words: ["runs"],
	positionals: [],
	describe: "List the measurements and plans in the cache, or delete them",
	examples: [
		["prune-gguf runs", "Show what is in the cache, where, and how large it is"],
		["prune-gguf runs clean --older-than 30", "Delete what was not used for 30 days"],
	],
};

const cleanFacts: CommandFacts = {
	words: ["runs", "clean"],
	options: "clean",
	positionals: [],
	describe: "Delete measurements and plans from the cache",
	examples: [
		["prune-gguf runs clean --older-than 30", "Delete what was not used for 30 days"],
		["prune-gguf runs clean --partials .", "Delete unfinished files that killed runs left in this folder"],
	],
};

const configFacts: CommandFacts = {
	words: ["config"],
	positionals: [{ name: "--check <FILE>", help: "Config file to check" }],
	describe: "Check a config file, and show what it sets",
	examples: [["prune-gguf config --check prune.json", "Check the file, for use as --config prune.json"]],
};

/** All commands, in the order of the help. */
export const allCommands: readonly CommandFacts[] = [
	pruneFacts,
	inspectFacts,
	applyFacts,
	evaluateFacts,
	speedFacts,
	frontierFacts,
	rankFacts,
	compareFacts,
	buildFacts,
	doctorFacts,
	runsFacts,
	cleanFacts,
	configFacts,
];

/** Commands that are named by one word beside the default one. */
export const commandNames = [
	"inspect",
	"apply",
	"evaluate",
	"speed",
	"frontier",
	"rank",
	"compare",
	"build",
	"doctor",
	"runs",
	"config",
] as const;
