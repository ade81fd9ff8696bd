// What every job is told, and what it tells while it runs.
export type * from "../model/runtime/job-options.js";
