// Memory that runs out in C++. While hidden states are read from a running graph it is an error of the job, thrown when the graph has
// ended; in a call from JavaScript it is an error of the call.
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { fixturePath, fixtureWindows, runModule } from "../helpers/fixture.js";
import { tempFolder } from "../helpers/temp-folder.js";

const folder = tempFolder();
const length = 37;
/** Bytes of the rows of three windows, which are read into one buffer before they are halved. */
const rows = 3 * length * 128 * 4;

/** Fails an allocation of that size. */
function shim(): string {
	const source = join(folder, "new.cpp");
	writeFileSync(
		source,
		`#include <cstdlib>
		#include <new>
		void * operator new(std::size_t size) {
			if (size == ${rows}) throw std::bad_alloc();
			void * memory = std::malloc(size);
			if (memory == nullptr) throw std::bad_alloc();
			return memory;
		}`,
	);
	const library = join(folder, "new.so");
	execFileSync("c++", ["-shared", "-fPIC", "-O1", "-o", library, source]);
	return library;
}

it.skipIf(process.platform !== "linux")("an exception of C++ in a call is an error of that call, and the process lives on", async () => {
	const run = await runModule(
		`
		const model = await api.Model.load(${JSON.stringify(fixturePath)}, { threads: 1 });
		try { model.detokenize(new Int32Array(${rows / 4})); } catch (error) { console.log(error.message); }
		console.log(model.tokenize("a").length > 0);
		`,
		{ env: { LD_PRELOAD: shim() } },
	);
	expect(run, run.stderr).toMatchObject({ code: 0, signal: null });
	expect(run.stdout.trim().split("\n")).toEqual(["std::bad_alloc", "true"]);
});

it.skipIf(process.platform !== "linux")("ends the job with NOT_ENOUGH_MEMORY, and the next one measures the same bits", async () => {
	const run = await runModule(
		`
		const model = await api.Model.load(${JSON.stringify(fixturePath)}, { threads: 1 });
		const windows = api.makeWindows(Int32Array.from(${JSON.stringify([...fixtureWindows(3, length).tokens])}), ${length});
		const masks = [[9], [10]].map((removed) => api.Coalition.ofRemoved(12, removed));
		const plain = model.createEvaluator({ sharePrefixes: false });
		const before = (await plain.evaluate(masks, windows)).map(({ losses }) => [...losses]);
		const error = await model.createEvaluator({ stateType: "F16" }).evaluate(masks, windows).catch((error) => error);
		console.log(error.code, error.message);
		const after = (await plain.evaluate(masks, windows)).map(({ losses }) => [...losses]);
		console.log(JSON.stringify(before) === JSON.stringify(after));
		`,
		{ env: { LD_PRELOAD: shim() } },
	);
	expect(run, run.stderr).toMatchObject({ code: 0, signal: null });
	expect(run.stdout.trim().split("\n")).toEqual(["NOT_ENOUGH_MEMORY there is not enough memory", "true"]);
});
