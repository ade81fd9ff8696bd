import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Files of version 1 of the formats; see their README. */
export const v1Folder = fileURLToPath(new URL("../fixtures/version-1", import.meta.url));
export const v1Home = join(v1Folder, "home");

/** The one run folder in that home. */
export const v1Runs = join(v1Home, "runs", readdirSync(join(v1Home, "runs"))[0]!);

export const v1Text = (name: string) => readFileSync(join(v1Folder, name), "utf8");

/** SHA-256 of each model that was written, by its name. */
export const v1Models = JSON.parse(v1Text("files.json")) as Readonly<Record<string, string>>;

const names = readdirSync(v1Folder);
export const v1Plans = names.filter((name) => name.endsWith(".plan.json"));
export const v1Reports = names.filter((name) => name.endsWith(".json") && !name.endsWith(".plan.json") && name !== "files.json");
export const v1Ledgers = readdirSync(v1Runs).filter((name) => name.endsWith(".ledger.jsonl"));
