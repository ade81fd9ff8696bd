// Rounds of work with the addon, for a tool that watches it: node small-run.mjs ROUNDS
import { fileURLToPath } from "node:url";

const api = await import(new URL("../../dist/index.js", import.meta.url).href);
const path = fileURLToPath(new URL("../../fixture/fixture-12l.gguf", import.meta.url));
const rounds = Number(process.argv[2] ?? 1);
const windows = api.makeWindows(
	Int32Array.from({ length: 64 }, (_, i) => (i * 37) % 1000),
	32,
);
const candidates = Array.from({ length: 24 }, (_, i) => api.Coalition.ofRemoved(12, [i % 12, (i + 5) % 12]));

for (let round = 0; round < rounds; round++) {
	const model = await api.Model.load(path, { threads: 1 });
	await model.createEvaluator().evaluate(candidates, windows);
	await model.sample([model.tokenize("The sea")], { length: 32 });
	await model.dispose();
}
console.log(`${rounds} rounds`);
