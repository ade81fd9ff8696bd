import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Files that the version before the move into areas wrote; see its README. */
export const presentFolder = fileURLToPath(new URL("../fixtures/present", import.meta.url));
export const presentHome = join(presentFolder, "home");

/** The one run folder in that home. */
export const presentRuns = join(presentHome, "runs", readdirSync(join(presentHome, "runs"))[0]!);

export const presentText = (name: string) => readFileSync(join(presentFolder, name), "utf8");

/** SHA-256 of each model that was written, by its name. */
export const presentModels = JSON.parse(presentText("files.json")) as Readonly<Record<string, string>>;

const names = readdirSync(presentFolder);
export const presentPlans = names.filter((name) => name.endsWith(".plan.json"));
export const presentReports = names.filter((name) => name.endsWith(".json") && !name.endsWith(".plan.json") && name !== "files.json");
export const presentLedgers = readdirSync(presentRuns).filter((name) => name.endsWith(".ledger.jsonl"));
