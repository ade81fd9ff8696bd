// What a run keeps for the next one beside its ledgers: healing, text, speeds, and what was written. A damaged file counts as not there.
import { mkdirSync, readFileSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const load = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href);
const { FileError } = await load("errors.js");
const { OwnOutput } = await load("pipeline/preflight/own-output.js");
const { keptSamples, samplesPath } = await load("pipeline/session/cached-samples.js");
const { readKeptHeal, readKeptTokens, readKeptValues } = await load("storage/plan-heal.js");
const { readKeptPartTimes, readKeptSpeed } = await load("storage/plan-speed.js");
const { writtenPath } = await load("storage/runs.js");

const asText = (value) => Buffer.from(JSON.stringify(value));
const refuse = () => {
	throw new FileError("it counts as not there");
};

/** Gives a text to readers, whose answer must read as itself once it is written; JSON has no infinite number. */
function readAs(readers, text) {
	const found = readers.map((read) => [read, read(text)]).filter(([, value]) => value !== undefined);
	if (found.length === 0) refuse();
	for (const [read, value] of found) {
		const written = JSON.stringify(value);
		if (JSON.stringify(read(written)) !== written) throw new Error(`what is read of it is not read again: ${written.slice(0, 300)}`);
	}
}
const valuesOf = (text) => {
	const values = readKeptValues(text);
	return values && { values: Array.from(values, (value) => (Number.isFinite(value) ? value : null)) };
};

const cut = { before: 2, first: 3, last: 3, tensor: "blk.2.ffn_down.weight", type: "Q8_0", sha256: "0".repeat(64), explained: 0.6 };
const recipe = { kind: "refit", ridge: 1, relative: 0 };
const compared = { before: 3, after: 2.5, difference: -0.5, standardError: 0.1 };
const healed = {
	...{ applied: true, fit: { seed: 7, sha256: "1".repeat(64), count: 8, length: 128 }, type: "auto", addedBytes: 0 },
	cuts: [
		{ ...cut, recipe, tuning: { before: 0.2, after: 0.1, by: "divergence" } },
		{ ...cut, first: "6f-7a", last: "6f-7a", part: "attention", reason: "no gain" },
	],
	heads: [{ tensor: "blk.2.attn_output.weight", by: "columns", factors: [1, 0.5] }],
	...{ validation: compared, heldOut: compared, added: { mean: 0.3, standardError: null }, seconds: { text: 1, rest: 2 } },
};
const ratio = { value: 1.3, interval: { low: 1.2, high: 1.4 } };
const speed = {
	measured: "2026-01-02T03:04:05.000Z",
	count: 3,
	range: { least: 2, most: 4 },
	ratios: [1, 2, 3, 4, 5, 6, 7, 8].map((blocks) => ({ blocks, ...ratio })),
};
const times = { context: 4096, measuredAt: 512, model: 0.02, attention: 0.001, feedForward: 0.002, attentionBytes: 0.3 };

const WINDOWS = { seed: 1, count: 2, length: 8 };
const PURPOSE = { name: "tokens", version: 1, phase: "drawing" };
/** A model that cannot draw text: tokens come from the file, or are refused. */
const noModel = new Proxy({ facts: { vocabulary: 100 } }, { get: (model, name) => model[name] ?? refuse() });

async function readWindows(bytes, folder) {
	const path = samplesPath(folder, WINDOWS, PURPOSE);
	mkdirSync(join(path, ".."), { recursive: true });
	writeFileSync(path, bytes);
	const { tokens } = await keptSamples({ model: noModel, folder }, WINDOWS, PURPOSE, {});
	if (tokens.length !== WINDOWS.count * WINDOWS.length) throw new Error(`${tokens.length} tokens`);
}

const REMOVED = [3, 6];
/** What `endedRun` gave, by folder. */
const ended = new Map();

/** A run that has written its output and was ended then. @returns {Promise<{ output: string, path: string, kept: object }>} */
async function endedRun(folder) {
	const runs = join(folder, "home", "runs", "model-0123456789ab");
	mkdirSync(runs, { recursive: true });
	const output = join(folder, "out.gguf");
	writeFileSync(output, "GGUF");
	const path = writtenPath(runs, output);
	const own = await OwnOutput.of("model.gguf", output, {});
	await own.keep(runs, output, REMOVED, { blocks: 10 });
	await own.leave([output]);
	const kept = JSON.parse(readFileSync(path, "utf8"));
	unlinkSync(path);
	return { output, path, kept };
}

/** The parts of a file that differ from folder to folder have these in their place. */
const STANDS = { command: "COMMAND", state: "STATE", report: "REPORT" };

async function readWritten(bytes, folder) {
	const { PRUNE_GGUF_HOME: before } = process.env;
	process.env.PRUNE_GGUF_HOME = join(folder, "home");
	try {
		if (!ended.has(folder)) ended.set(folder, await endedRun(folder));
		const { output, path, kept } = ended.get(folder);
		const filled = { [STANDS.command]: kept.command, [STANDS.state]: kept.state, [STANDS.report]: output };
		writeFileSync(
			path,
			bytes.toString().replace(new RegExp(Object.keys(filled).join("|"), "g"), (name) => filled[name]),
		);
		const own = await OwnOutput.of("model.gguf", output, {});
		if (!own.isThere) refuse();
		await own.hasPlan(join(folder, "plan.json"));
		await own.hasReport(output);
		own.made(REMOVED);
		if (statSync(output).size !== 4) throw new Error("the output was changed");
	} finally {
		if (before === undefined) delete process.env.PRUNE_GGUF_HOME;
		else process.env.PRUNE_GGUF_HOME = before;
	}
}

/** @returns {Record<string, import("./targets.mjs").Target>} @param {(bytes: Buffer, random: object, other: Buffer) => Buffer} damage */
export const cacheTargets = (damage) => ({
	healing: {
		seeds: async () => [healed, { values: [1.5, null, 2] }, { healTokens: 1024, seconds: 4 }, { healTokens: 1024 }].map(asText),
		damage,
		run: async (bytes) => readAs([readKeptHeal, valuesOf, readKeptTokens], bytes.toString()),
	},
	speeds: {
		seeds: async () => [speed, { ...speed, range: undefined }, { measured: speed.measured, ...times }].map(asText),
		damage,
		run: async (bytes) => readAs([readKeptSpeed, readKeptPartTimes], bytes.toString()),
	},
	windows: {
		seeds: async () => [asText({ tokens: Array.from({ length: 16 }, (_, i) => i), checked: true })],
		damage,
		run: readWindows,
	},
	written: {
		seeds: async () => {
			const kept = {
				command: STANDS.command,
				state: STANDS.state,
				removed: REMOVED,
				made: { output: { size: 4 }, losses: [1, 2, 3, 4, 5, 6, 7, 8] },
			};
			return [kept, { ...kept, reports: { [STANDS.report]: STANDS.state } }].map(asText);
		},
		damage,
		run: readWritten,
	},
});
