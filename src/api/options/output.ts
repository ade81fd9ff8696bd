// What is made beside the removal, and what is written.
import { healKinds } from "../../model/fitting/kinds.js";
import { healTypes } from "../../model/fitting/kinds.js";
import type { OptionRows } from "./row.js";

export const healRows = {
	heal: {
		flag: "heal",
		path: "heal",
		value: { kind: "heal", min: 1024, max: 16_000_000 },
		meta: "[=<TIME|TOKENS>]",
		help: "Recover part of the loss without training; =10m or =25600 sets the time or the tokens to fit to",
		default: "off; 25600 tokens",
		group: "heal",
		level: "basic",
		commands: ["prune", "frontier", "apply"],
		plan: "heal",
	},
	healTokens: {
		path: "heal.tokens",
		partOf: "heal",
		value: { kind: "integer", min: 1024, max: 16_000_000 },
		group: "heal",
		commands: ["prune", "frontier", "apply"],
		plan: "healTokens",
	},
	healTime: {
		path: "heal.time",
		partOf: "heal",
		value: { kind: "duration" },
		group: "heal",
		commands: ["prune", "frontier", "apply"],
	},
	healHeads: {
		flag: "heal-heads",
		path: "heal.heads",
		value: { kind: "switch" },
		help: "Also scale each attention head after the first cut; adds no bytes, takes minutes",
		group: "heal",
		level: "research",
		commands: ["prune", "frontier", "apply"],
		plan: "healHeads",
		printedAfter: "healType",
	},
	healKind: {
		flag: "heal-kind",
		path: "heal.kind",
		value: { kind: "choice", of: healKinds },
		help: `How matrices are changed: ${healKinds.join(", ")}`,
		default: "auto: the better of refit and map; one of them if memory is short",
		group: "heal",
		level: "research",
		commands: ["prune", "frontier", "apply"],
		plan: "healKind",
	},
	healType: {
		flag: "heal-type",
		path: "heal.type",
		value: { kind: "choice", of: healTypes },
		meta: "<TYPE>",
		help: `Type of the healed matrices: ${healTypes.join(", ")}`,
		default: "auto: the file's own if it has 8 bits or more, else Q8_0",
		group: "heal",
		level: "research",
		commands: ["prune", "frontier", "apply"],
		plan: "healType",
	},
} as const satisfies OptionRows;

export const quantizeRows = {
	quantize: {
		flag: "quantize",
		path: "quantize.type",
		value: { kind: "fileType" },
		help: "Quantize the pruned model, e.g. Q4_K_M (by llama.cpp; the result is measured)",
		group: "output",
		level: "basic",
		commands: ["prune", "apply"],
		plan: "quantize",
	},
	quantizeFrom: {
		flag: "quantize-from",
		path: "quantize.from",
		value: { kind: "text" },
		help: "F16, BF16 or F32 file of the same model to quantize from",
		default: "the model itself, even if it is quantized already",
		group: "output",
		commands: ["prune", "frontier", "apply"],
		plan: "quantizeFrom",
		per: { frontier: { after: "types", group: "search" } },
	},
	quantizedAlternatives: {
		flag: "quantized-alternatives",
		path: "quantizedAlternatives",
		value: { kind: "switch" },
		help: "Also quantize the original model to about the same size, and say which is better",
		group: "output",
		commands: ["prune"],
		printedAfter: "samples",
	},
} as const satisfies OptionRows;

export const writingRows = {
	report: {
		flag: "report",
		path: "report",
		value: { kind: "text" },
		off: false,
		help: "Where to write the HTML report and the JSON beside it; --no-report for none",
		default: "OUTPUT.report.html",
		group: "output",
		commands: ["prune"],
		printed: "off",
	},
	modelCard: {
		flag: "model-card",
		path: "modelCard",
		value: { kind: "text" },
		help: "Where to write a short model card in Markdown",
		default: "none",
		group: "output",
		commands: ["prune"],
		printed: false,
	},
	speed: {
		flag: "speed",
		path: "speed",
		value: { kind: "switch" },
		help: "Measure speed and memory before and after; --no-speed skips it",
		default: "on if a model is written",
		group: "output",
		commands: ["prune"],
		printed: "both",
	},
	samples: {
		flag: "samples",
		path: "samples",
		value: { kind: "integer", max: 64 },
		off: 0,
		help: "Prompts that both models continue, to find loops and similar faults; --no-samples for none",
		default: "4 if a model is written",
		group: "output",
		commands: ["prune"],
	},
	dryRun: {
		flag: "dry-run",
		path: "dryRun",
		value: { kind: "switch" },
		help: "Say what would be measured and how long it takes; write no model, plan or report",
		group: "output",
		level: "basic",
		commands: ["prune", "frontier"],
		per: { frontier: { help: "Say what would be measured and how long it takes; measure no combination and write no result" } },
		printed: false,
	},
	saveResult: {
		flag: "save-result",
		path: "saveResult",
		value: { kind: "text" },
		help: "Where to write the result as JSON",
		group: "output",
		commands: ["compare", "frontier"],
	},
} as const satisfies OptionRows;

/** What is only measured needs no verification. */
const measuredUnknown = { help: "Try an architecture that prune-gguf does not know; nothing proves what it measures without blocks" };

/** What may replace a file, or try what is not proven yet. */
export const permissionRows = {
	allowUnknownArchitecture: {
		flag: "allow-unknown-architecture",
		path: "allowUnknownArchitecture",
		value: { kind: "switch" },
		help: "Try an architecture that prune-gguf does not know; a file is kept only if it passes verification",
		group: "machine",
		commands: ["prune", "rank", "compare", "frontier", "apply", "evaluate", "speed"],
		printedAfter: "quantizedAlternatives",
		per: {
			...{ rank: measuredUnknown, compare: measuredUnknown, frontier: measuredUnknown },
			...{ evaluate: measuredUnknown, speed: measuredUnknown },
		},
	},
	overwrite: {
		flag: "overwrite",
		path: "overwrite",
		value: { kind: "switch" },
		help: "Replace output files that exist; never the input",
		group: "output",
		commands: ["prune", "compare", "frontier", "apply"],
		printedAfter: "allowUnknownArchitecture",
	},
} as const satisfies OptionRows;
