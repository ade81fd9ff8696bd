// What earlier runs have left: their folders and plans.

export type { Plan } from "../storage/plan.js";
export type { CleanOptions, CleanResult, RunFolder, RunsOptions } from "../storage/runs.js";
