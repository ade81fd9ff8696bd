// Commands of the docs that are not run, and why; and the models that they name.

/** @type {readonly { find: RegExp, why: string }[]} */
export const skips = [
	{ find: /^git clone\b/, why: "it needs the network; the checkout is there already" },
	{ find: /^(?:cd|export|mkdir)\b/, why: "it is about the shell of who reads it" },
	{ find: /\bnpm (?:ci|install|i|link|run|test|exec|pack)\b/, why: "it installs, builds or tests this checkout, which has happened" },
	{ find: /\bprune-gguf build\b/, why: "it compiles llama.cpp, which the tests have done" },
	{ find: /--backend(?:=| )(?:cuda|metal|vulkan|rpc)\b/, why: "it needs a device and its compiler" },
	{ find: /\s(?:-ngl|--gpu-layers)\b/, why: "it needs a GPU" },
	{ find: /(?:^|[|&;]\s*)(?:ollama|lms|llama-[a-z-]+|\.\/llama-[a-z-]+|lm_eval)\b/, why: "it is another program's" },
	{ find: /(?:^|[|&;]\s*)(?:open|xdg-open|start)\b/, why: "it opens a window" },
	{ find: /(?:^|[|&;]\s*)(?:curl|wget|huggingface-cli|hf|pip|pip3|apt-get|apt|brew|winget|dnf)\b/, why: "it needs the network" },
	{ find: /^(?:[A-Z_]+=\S+ )*node (?:scripts|bench)\//, why: "it is run in the checkout, by who works on it" },
	{ find: /\bcmake\b/, why: "it compiles" },
];

/** Commands of the 12-block model that only thorough tests run, and why. */
export const slow = [
	{ find: /\bprune-gguf compare\b/, why: "it runs many methods" },
	{ find: /--target-speedup\b/, why: "it measures the speed several times" },
	{ find: /\bprune-gguf frontier\b.* --/, why: "it measures many combinations" },
	{ find: /^npx .*(?:--max-ppl-ratio|--min-accuracy)\b/, why: "it compares numbers of blocks" },
	{ find: /--heal\b/, why: "it heals" },
	{ find: /--max-time\b/, why: "it searches for a given time" },
	{ find: /--quantize(?:-from|d-alternatives)?\b/, why: "it quantizes" },
	{ find: /--target-size\b/, why: "it tries several sizes" },
];

/** Real models: fetched or shared ones that only `npm run test:full` has. */
const large = /\b(?:SmolLM2|gemma)[\w.-]*\.gguf\b/;
/** Models that no test has. */
const absent = /\b(?:Llama|Qwen|Mistral|Mixtral|Phi|gpt-oss|OLMo|Gemma|smol)[\w.-]*\.gguf\b/;

/** @returns {string | undefined} why a command cannot be run by any test */
export function whyNot(command) {
	if (/[<>][A-Z]+[<>]|\s[A-Z][A-Z-]+(?=\s|$)/.test(command)) return "it has a word to fill in";
	if (absent.test(command)) return "its model is not here";
	return skips.find(({ find }) => find.test(command))?.why;
}

/** @returns {string | undefined} why only thorough tests run a command */
export const whyFull = (command) =>
	large.test(command) ? "its model is larger than the 12-block one" : slow.find(({ find }) => find.test(command))?.why;
