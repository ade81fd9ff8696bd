// Measures the complete layer game of a small model: every set of blocks except the empty one, one JSON line each, gzipped.
//   node scripts/study/measure-game.mjs MODEL.gguf WINDOWS.i32 OUT.jsonl.gz [tokens in a window]
import { readFileSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const { Coalition, makeWindows, Model } = await import(new URL(process.env.STUDY_DIST ?? "../../dist/index.js", import.meta.url).href);
const [path, windowsPath, out, length = "128"] = process.argv.slice(2);
const bytes = readFileSync(windowsPath);
const windows = makeWindows(new Int32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)), Number(length));
const threads = Number(process.env.STUDY_THREADS ?? 2);
const model = await Model.load(path, { threads, gpuLayers: 0 });
const { blocks } = model.facts;
const masks = [];
for (let bits = 1; bits < 2 ** blocks; bits++) masks.push(Coalition.parse(bits.toString(2).padStart(blocks, "0")));
const started = Date.now();
const measured = await model.createEvaluator({ threads }).evaluate(masks, windows);
const mean = (losses) => losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
const round = (loss) => (Number.isFinite(loss) ? Number(loss.toFixed(6)) : 1e9);
// Means only: small enough to keep as test data.
const lines = masks.map((mask, i) => JSON.stringify({ mask: mask.key, nll: round(mean(measured[i].losses)) }));
writeFileSync(out, gzipSync(`${lines.join("\n")}\n`, { level: 9 }));
process.stderr.write(
	`${masks.length} masks in ${((Date.now() - started) / 1000).toFixed(0)} s, original model ${mean(measured.at(-1).losses).toFixed(4)}\n`,
);
await model.dispose();
