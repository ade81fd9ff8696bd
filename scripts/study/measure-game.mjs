// Measures the complete layer game of a small model: every set of blocks except the empty one.
//   node scripts/study/measure-game.mjs MODEL.gguf WINDOWS.i32 OUT.jsonl.gz [tokens in a window]
import { load } from "./lib.mjs";
import { measureSets } from "./measure-sets.mjs";

const { Coalition } = await load("game/coalition.js");
const [path, windowsPath, out, length = "128"] = process.argv.slice(2);
const every = (blocks) => Array.from({ length: 2 ** blocks - 1 }, (_, i) => Coalition.parse((i + 1).toString(2).padStart(blocks, "0")));
await measureSets(every, { path, windowsPath, out, length });
