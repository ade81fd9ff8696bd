// Where and how fast a model runs, and how the native part is built.
import { splitModes } from "../../model/runtime/devices.js";
import { backends } from "../build.js";
import type { OptionRows } from "./row.js";

/** The commands that load a model. */
const loading = ["prune", "rank", "compare", "frontier", "apply", "evaluate", "speed"] as const;

export const machineRows = {
	threads: {
		flag: "threads",
		short: "t",
		path: "threads",
		value: { kind: "integer", min: 1, max: 512 },
		help: "CPU threads",
		default: "physical cores; a long search uses all logical processors if that is faster",
		group: "machine",
		level: "basic",
		commands: loading,
		per: { apply: { default: "physical cores" }, evaluate: { default: "physical cores" }, speed: { default: "physical cores" } },
	},
	gpuLayers: {
		flag: "gpu-layers",
		short: "ngl",
		path: "gpuLayers",
		value: { kind: "layers", max: 9999 },
		help: "Blocks on the GPU: a number, all, or auto (as many as fit)",
		default: "auto",
		group: "machine",
		level: "basic",
		commands: loading,
	},
	devices: {
		flag: "device",
		path: "devices",
		value: { kind: "names" },
		help: "Devices to use, named as `doctor` lists them",
		default: "as llama.cpp chooses",
		group: "machine",
		commands: loading,
	},
	splitMode: {
		flag: "split-mode",
		path: "splitMode",
		value: { kind: "choice", of: splitModes },
		help: "How several devices share a model: none, layer (blocks) or row (rows of matrices, CUDA)",
		default: "layer",
		group: "machine",
		commands: loading,
	},
	rpc: {
		flag: "rpc",
		path: "rpc",
		value: { kind: "names" },
		meta: "<HOST:PORT,...>",
		help: "Also run blocks on these RPC servers of llama.cpp; for trusted networks only, with a build for it",
		group: "machine",
		commands: loading,
	},
} as const satisfies OptionRows;

export const buildRows = {
	backend: {
		flag: "backend",
		path: "backend",
		value: { kind: "choice", of: backends },
		help: `Backend in addition to the CPU: ${backends.join(", ")}`,
		default: "cpu; metal on Apple silicon",
		group: "machine",
		commands: ["build"],
	},
	jobs: {
		flag: "jobs",
		path: "jobs",
		value: { kind: "integer", min: 1, max: 1024 },
		help: "Compilers to run at once",
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
	all: { flag: "all", path: "all", value: { kind: "switch" }, help: "Everything in the cache", group: "clean", commands: ["clean"] },
	olderThanDays: {
		flag: "older-than",
		path: "olderThanDays",
		value: { kind: "number", min: 0 },
		meta: "<DAYS>",
		help: "What was not used for this many days",
		group: "clean",
		commands: ["clean"],
	},
	model: {
		flag: "model",
		path: "model",
		value: { kind: "text" },
		meta: "<NAME>",
		help: "What belongs to one model (its name, or the name of its folder)",
		group: "clean",
		commands: ["clean"],
	},
	partials: {
		flag: "partials",
		path: "partials",
		value: { kind: "text" },
		meta: "<FOLDER>",
		help: "Unfinished files that killed runs left in this folder",
		group: "clean",
		commands: ["clean"],
	},
} as const satisfies OptionRows;
