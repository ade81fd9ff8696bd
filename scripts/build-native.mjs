// Compiles the addon of this clone, with --reference-tools also llama.cpp's own programs. Needs `npm run build` first.
import { buildAddon } from "../dist/model/runtime/build.js";

const referenceTools = process.argv.includes("--reference-tools");
let last = -1;
buildAddon({
	referenceTools,
	onProgress: ({ step, fraction, seconds }) => {
		const tenth = Math.floor(fraction * 10);
		if (tenth === last) return;
		last = tenth;
		process.stderr.write(`${step}: ${Math.round(fraction * 100)} % after ${Math.round(seconds)} s\n`);
	},
}).then(
	({ addon, seconds }) => process.stderr.write(`${addon} is ready (${Math.round(seconds)} s)\n`),
	(error) => {
		process.stderr.write(`error: ${error.message}\n`);
		process.exitCode = 1;
	},
);
