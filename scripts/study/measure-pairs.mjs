// Measures the game of half-block cuts of a small model: every set of up to six blocks and shifted pairs, one JSON line each, gzipped.
//   node scripts/study/measure-pairs.mjs MODEL.gguf WINDOWS.i32 OUT.jsonl.gz [tokens in a window] [positions]
// Of 12 blocks these are 36,622 sets.
import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { dist, load } from "./lib.mjs";

const { Coalition, makeWindows, Model } = await import(new URL("index.js", dist).href);
const { removalsOf } = await load("game/pairs.js");
const [path, windowsPath, out, length = "128", most = "6"] = process.argv.slice(2);
const bytes = readFileSync(windowsPath);
const windows = makeWindows(new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)), Number(length));
const threads = Number(process.env.STUDY_THREADS ?? 2);
const model = await Model.load(path, { threads, gpuLayers: 0 });
const { blocks } = model.facts;
const sizes = Array.from({ length: Number(most) + 1 }, (_, count) => count);
const masks = sizes.flatMap((count) => removalsOf(blocks, count)).map((removed) => Coalition.ofRemoved(blocks, removed));
const started = Date.now();
const measured = await model.createEvaluator({ threads }).evaluate(masks, windows);
const mean = (losses) => losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
const round = (loss) => (Number.isFinite(loss) ? Number(loss.toFixed(6)) : 1e9);
const lines = masks.map((mask, i) => JSON.stringify({ mask: mask.key, nll: round(mean(measured[i].losses)) }));
writeFileSync(out, gzipSync(`${lines.join("\n")}\n`, { level: 9 }));
process.stderr.write(
	`${masks.length} sets in ${((Date.now() - started) / 1000).toFixed(0)} s, original model ${mean(measured[0].losses).toFixed(4)}\n`,
);
await model.dispose();
