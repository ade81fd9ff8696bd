// Where and how fast a model runs, and how the native part is built.
import { backends } from "../build.js";
import type { OptionRows } from "./row.js";

export const machineRows = {
	threads: {
		flag: "threads",
		path: "threads",
		value: { kind: "integer", min: 1, max: 512 },
		help: "Threads that compute",
		default: "physical cores",
		group: "machine",
		commands: ["prune", "rank", "compare", "frontier", "apply", "evaluate", "speed"],
	},
	gpuLayers: {
		flag: "gpu-layers",
		path: "gpuLayers",
		value: { kind: "integer", min: -1, max: 9999 },
		help: "Blocks put on the GPU, where a GPU backend was built; -1 for all",
		default: "-1",
		group: "machine",
		commands: ["prune", "rank", "compare", "frontier", "apply", "evaluate", "speed"],
	},
} as const satisfies OptionRows;

export const buildRows = {
	backend: {
		flag: "backend",
		path: "backend",
		value: { kind: "choice", of: backends },
		help: `Backend beside the CPU: ${backends.join(", ")}`,
		default: "cpu; metal on Apple silicon",
		group: "machine",
		commands: ["build"],
	},
	jobs: {
		flag: "jobs",
		path: "jobs",
		value: { kind: "integer", min: 1, max: 1024 },
		help: "Compilers at once",
		default: "number of cores",
		group: "machine",
		commands: ["build"],
	},
	referenceTools: {
		flag: "reference-tools",
		path: "referenceTools",
		value: { kind: "switch" },
		help: "Also build llama.cpp's own tools, for comparisons",
		group: "machine",
		commands: ["build"],
	},
} as const satisfies OptionRows;

/** Of `runs clean`. */
export const cleanRows = {
	all: { flag: "all", path: "all", value: { kind: "switch" }, help: "Delete everything", group: "danger", commands: ["clean"] },
	olderThanDays: {
		flag: "older-than",
		path: "olderThanDays",
		value: { kind: "number", min: 0 },
		help: "Delete what was not used for so many days",
		group: "danger",
		commands: ["clean"],
	},
	model: {
		flag: "model",
		path: "model",
		value: { kind: "text" },
		help: "Delete what is kept of one model (its name, or its folder's)",
		group: "danger",
		commands: ["clean"],
	},
	partials: {
		flag: "partials",
		path: "partials",
		value: { kind: "text" },
		help: "Delete unfinished files that killed runs left in this folder",
		group: "danger",
		commands: ["clean"],
	},
} as const satisfies OptionRows;
