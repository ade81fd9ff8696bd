// Loaded before a program under fuzzing: records the most memory that the process held, when it ends by itself.
// Processes that it starts do not load this (see memory.mjs).
import { appendFileSync } from "node:fs";

const file = process.env.PRUNE_GGUF_FUZZ_PEAK;
if (file) process.on("exit", () => appendFileSync(file, `${process.resourceUsage().maxRSS}\n`));
