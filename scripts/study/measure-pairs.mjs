// Measures the game of half-block cuts of a small model: every set of up to six blocks and shifted pairs.
//   node scripts/study/measure-pairs.mjs MODEL.gguf WINDOWS.i32,... OUT.jsonl.gz [tokens in a window] [positions] [by-window]
// Of 12 blocks these are 36,622 sets. With `by-window` the loss of each window is kept, for scripts/study/windows-regret.mjs.
import { load } from "./lib.mjs";
import { measureSets } from "./measure-sets.mjs";

const { Coalition } = await load("game/coalition.js");
const { removalsOf } = await load("game/pairs.js");
const [path, windowsPath, out, length = "128", most = "6", by] = process.argv.slice(2);
const sizes = Array.from({ length: Number(most) + 1 }, (_, count) => count);
const upTo = (blocks) => sizes.flatMap((count) => removalsOf(blocks, count)).map((removed) => Coalition.ofRemoved(blocks, removed));
await measureSets(upTo, { path, windowsPath, out, length, byWindow: by === "by-window" });
