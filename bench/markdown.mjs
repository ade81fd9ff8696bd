// node bench/markdown.mjs [RESULTS.json]: the tables of docs/benchmarks.md.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const path = process.argv[2] ?? fileURLToPath(new URL("results.json", import.meta.url));
const { date, machine, versions, models } = JSON.parse(readFileSync(path, "utf8"));

const fixed = (value, digits) => (value === null ? "-" : value.toFixed(digits));
const milliseconds = (value, digits) => fixed(value === null ? null : 1000 * value, digits);
/** With all positions, and with a quarter of them in parentheses. */
const both = (row, name, digits = 2) => {
	const quarter = row[name === "seconds" ? "quarterSeconds" : name.startsWith("over") ? `quarterO${name.slice(1)}` : `${name}Quarter`];
	return quarter === null ? fixed(row[name], digits) : `${fixed(row[name], digits)} (${fixed(quarter, digits)})`;
};

const lines = [
	`${date}, ${machine.processor}, ${machine.logicalProcessors} logical processors, ${machine.memoryGigabytes} GiB, Node ${versions.node.slice(1)}, llama.cpp ${versions.llamaCpp}.`,
	"",
	"| model | weights | windows | ubatch | evaluator / plain decode: one mask a call | a mask in a batch | plain decode, tokens/s | llama-bench pp512 | head's share of a full mask | a graph built anew, ms a mask + ms a block | memory beyond the weights | commit |",
	"| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
];
for (const { model, weights, results } of models) {
	for (const { windows, shape, speed, maskPeakMegabytes, commit } of results)
		lines.push(
			`| ${model} | ${weights} | ${windows} | ${shape.ubatch} | ${fixed(speed.evaluatorOverPlain, 2)} | ${fixed(speed.inBatchOverPlain, 2)} | ${fixed(speed.plainTokensPerSecond, 0)} | ${fixed(speed.llamaBenchTokensPerSecond, 0)} | ${fixed((100 * speed.headSeconds) / speed.originalSeconds, 0)} % | ${speed.graphSeconds === null ? "-" : `${milliseconds(speed.graphSeconds, 1)} + ${milliseconds(speed.graphSecondsPerBlock, 2)}`} | ${maskPeakMegabytes} MB | ${commit ?? "-"} |`,
		);
}
lines.push(
	"",
	"| model | weights | windows | design | masks | seconds | over the bound | with graphs | one by one | all blocks | tools | memory beyond the weights | commit |",
	"| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
);
for (const { model, weights, results } of models) {
	for (const { windows, designs } of results) {
		for (const row of designs)
			lines.push(
				`| ${model} | ${weights} | ${windows} | ${row.name} | ${row.masks} | ${both(row, "seconds", 1)} | ${both(row, "overBound")} | ${both(row, "overBoundWithGraphs")} | ${both(row, "alone", 1)} | ${both(row, "allBlocks", 1)} | ${both(row, "userTools", 1)} | ${row.peakMegabytes}${row.quarterPeakMegabytes === null ? "" : ` (${row.quarterPeakMegabytes})`} MB | ${row.commit ?? "-"} |`,
			);
	}
}
process.stdout.write(`${lines.join("\n")}\n`);
