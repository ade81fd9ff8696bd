// What a device computes, and how fast: run by test-device.mjs in a process of its own, for each of two places.
//   node scripts/device/measure.mjs '{"model": "...", "gpuLayers": "all", "windows": 10, "length": 128, "rpc": [...]}'
// Prints two lines of JSON: the devices in use with their drivers, before anything is measured there, and what was measured.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Coalition, Model } from "../../dist/index.js";
import { devicesText } from "../../dist/model/runtime/machine-text.js";
import { placementText } from "../../dist/model/runtime/placement.js";
import { checkParity, fixedWindows, parityText } from "../../dist/pipeline/session/parity.js";

const { model: path, windows: count, length, ...place } = JSON.parse(process.argv[2]);
const model = await Model.load(path, place);
try {
	tell({ device: devicesText(await model.backendNow(), model.placement) ?? "none" });
	const { blocks } = model.facts;
	// Tokens of a text are not needed to compare two places, but the same ones are.
	const windows = fixedWindows(model.facts, count, length);
	const evaluator = model.createEvaluator();
	const candidates = [[], [Math.floor(blocks / 3)], [1, blocks - 2]].map((removed) => Coalition.ofRemoved(blocks, removed));
	const compared = await evaluator.evaluate(candidates, windows);
	const singles = Array.from({ length: blocks }, (_, block) => Coalition.ofRemoved(blocks, [block]));
	await evaluator.evaluate(singles.slice(0, 1), windows);
	const { bytesMoved: bytes } = await model.backendNow();
	const started = performance.now();
	await evaluator.evaluate(singles, windows);
	const step = (performance.now() - started) / 1000;
	const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
	const after = await model.backendNow();
	const parity = await gate();
	tell({
		onDevice: model.placement.devices.length > 0,
		placement: placementText(model.placement),
		...(parity === undefined ? {} : { parity }),
		losses: compared.map(({ losses }) => mean(losses)),
		candidates: singles.length,
		step,
		bytes: (after.bytesMoved - bytes) / singles.length,
		logitBytes: 4 * model.facts.vocabulary * windows.count * (windows.length - 1),
	});
} finally {
	await model.dispose();
}

function tell(facts) {
	process.stdout.write(`${JSON.stringify(facts)}\n`);
}

/** What the gate before a search says of the device, as `text`, or as `error` if it refuses it; undefined on the CPU. */
async function gate() {
	const folder = mkdtempSync(join(tmpdir(), "prune-gguf-parity-"));
	try {
		const found = await checkParity({ model, sha256: "0".repeat(64), folder }, {});
		if (found === undefined) return undefined;
		return found.length === 0 ? { error: parityText(found) } : { text: parityText(found) };
	} catch (error) {
		return { error: error.message };
	} finally {
		rmSync(folder, { recursive: true, force: true });
	}
}
