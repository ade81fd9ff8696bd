// Tables for people, from what was measured: rows that are computed say so.
import { factsOfShape } from "./facts.mjs";
import { predict, scaledSpeeds } from "./predict.mjs";
import { published } from "./published.mjs";
import { duration, size } from "./units.mjs";
import { usual } from "./work.mjs";

const none = "Nothing is measured yet.";
/** Models of the last table, with the type of their weights. */
const rows = [
	["1b", "Q8_0", "1B (Llama 3.2)"],
	["3b", "Q8_0", "3B (Llama 3.2)"],
	["8b", "Q4_0", "8B (Llama 3.1)"],
	["70b", "Q4_0", "70B (Llama 3)"],
	["8x7b", "Q4_0", "47B, 13B active (Mixtral 8x7B)"],
];

const table = (head, lines) => [head, head.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

/**
 * Runs that came to their end, on a machine whose speeds are known. One that Ctrl+C had cut in two counts with both its parts; the second
 * one loads the model again.
 */
const whole = (results) => results.map(joined).filter(({ straight, speeds }) => straight?.code === 0 && speeds);

function joined(result) {
	const { straight, interrupted, resumed } = result;
	if (straight || !interrupted || !resumed) return result;
	const resident = Math.max(interrupted.peak.resident, resumed.peak.resident);
	const seconds = interrupted.seconds + resumed.seconds;
	return { ...result, model: `${result.model}, in two parts`, straight: { code: resumed.code, seconds, peak: { resident }, timings: {} } };
}

export const machineOf = ({ machine, device }) => device ?? `${machine.processor}, ${machine.logicalProcessors} logical processors`;

/** Runs that do not say it are from before half-block cuts were searched by default. */
const searchedBy = ({ granularity = "block" }) => granularity;

/** How a result was run, as far as that changes the prediction. A tenth of the memory is taken as used by others. */
const howOf = ({ speeds, asked, machine, device }) => ({
	available: 0.9 * machine.memoryGigabytes * 2 ** 30,
	...{ prompt: speeds.prompt, generation: speeds.generation, ...asked, granularity: searchedBy(asked) },
	gpu: device !== undefined,
});

/** Measured seconds as a multiple of the predicted ones. */
export const ratioOf = (result, correction = 1) =>
	result.straight.seconds / predict(result.facts, { ...howOf(result), correction }).seconds;

/** The middle of the ratios on each machine: what predictions are multiplied with there. */
export function correctionOf(results) {
	const ratios = results.map((result) => ratioOf(result)).sort((a, b) => a - b);
	const middle = ratios.length / 2;
	return ratios.length === 0 ? undefined : (ratios[Math.floor(middle - 0.5)] + ratios[Math.floor(middle)]) / 2;
}

const windowsOf = ({ windows = 5, windowLength = 128 }) => `${windows} of ${windowLength}`;

/** Predicted beside measured, run by run. */
export function comparisonTable(results) {
	const lines = whole(results).map((result) => {
		const { steps, seconds, memory } = predict(result.facts, howOf(result));
		const { straight, asked, speeds, model, date } = result;
		const per = (name) =>
			`${duration(steps[name] ?? 0)} / ${straight.timings?.[name] === undefined ? "-" : duration(straight.timings[name])}`;
		return [
			...[
				[model, ...(asked.effort ? [asked.effort] : []), ...(searchedBy(asked) === "block" ? ["whole blocks"] : [])].join(", "),
				asked.removed ?? "curve",
				windowsOf(asked),
				speeds.prompt,
				speeds.generation,
				per("search"),
				per("validation"),
			],
			`${duration(seconds)} / ${duration(straight.seconds)}`,
			`x ${(straight.seconds / seconds).toFixed(2)}`,
			`${size(memory.peak + memory.copies)} / ${size(straight.peak.resident)}`,
			`${machineOf(result)}, ${date}`,
		];
	});
	if (lines.length === 0) return none;
	const head = ["model", "removed", "windows", "prompt, tokens/s", "generation, tokens/s", "search", "final comparison", "in all", "error"];
	return `Each pair is predicted / measured.\n\n${table([...head, "memory", "machine"], lines)}`;
}

/** What Ctrl+C took, and what was left to do. */
export function stopTable(results) {
	const lines = results
		.filter(({ interrupted, resumed }) => interrupted?.endedIn !== undefined && resumed?.code === 0)
		.map(({ model, interrupted, resumed, asked, ...result }) => [
			...[model, windowsOf(asked), `${interrupted.interruptedAt.toFixed(0)} s`, `${interrupted.endedIn.toFixed(1)} s`],
			...[duration(resumed.seconds), machineOf(result)],
		]);
	if (lines.length === 0) return none;
	return table(["model", "windows", "Ctrl+C after", "ended within", "same command again", "machine"], lines);
}

/** A row for each size on each machine: measured where it was, else computed from the nearest size that was measured there. */
export function expectationTable(results) {
	const known = whole(results);
	const machines = [...new Set(known.map(machineOf))];
	const lines = machines.flatMap((machine) => {
		const here = known.filter((result) => machineOf(result) === machine);
		return rows.map(([shape, type, name]) => expectationRow(here, factsOfShape(shape, type), { name, type, machine }));
	});
	if (lines.length === 0) return none;
	lines.push(...published.flatMap(publishedRows));
	const head = ["model", "weights", "file", "removed", "prompt, tokens/s", "time", "memory", "machine", "how it is known"];
	return table(head, lines);
}

/** Rows of a graphics device whose speeds on one model were published: those whose file fits into its memory. */
function publishedRows({ device, bytes, shape, type, prompt, generation }) {
	const timed = factsOfShape(shape, type);
	const all = rows.map(([rowShape, rowType, name]) => ({ name, type: rowType, facts: factsOfShape(rowShape, rowType) }));
	return all
		.filter(({ facts }) => facts.bytes < 0.9 * bytes)
		.map((row) => {
			const removed = Math.round(row.facts.blocks / 4);
			const speeds = scaledSpeeds({ prompt, generation }, { facts: timed }, row.facts);
			const { seconds, memory } = predict(row.facts, { ...speeds, removed, gpu: true });
			const how = "computed from published speeds";
			return cellsOf({ ...row, removed, prompt: speeds.prompt, seconds, memory: memoryCell(memory), machine: device, how });
		});
}

/** With a copy of the weights, which is made only if there is memory for it. */
const memoryCell = ({ peak, copies }) => (copies > 0 ? `${size(peak)}, up to ${size(peak + copies)} if free` : size(peak));

const cellsOf = ({ name, type, facts, removed, prompt, seconds, memory, machine, how }) => [
	...[name, type, size(facts.bytes), `${removed} of ${facts.blocks}`, prompt < 10 ? prompt.toFixed(1) : Math.round(prompt)],
	...[duration(seconds), memory, machine, how],
];

const isAlike = (one, other) => one.weights === other.weights && one.blockBytes === other.blockBytes;

/** The shape as a row names it: who reads the table has never seen the file. A model of another shape has the name of its file. */
function shapeOf(facts) {
	const [, , name] = rows.find(([shape, type]) => isAlike(factsOfShape(shape, type), facts)) ?? [];
	return name === undefined ? facts.name : `the ${name.replace(/ \(.*$/, "")} shape`;
}

const interrupted = ({ interrupted: first }) => first !== undefined;

function expectationRow(here, facts, { name, type, machine }) {
	const removed = Math.round(facts.blocks / 4);
	const isDefault = ({ asked }) => {
		const { windows = usual.windows, windowLength = usual.windowLength, effort, removed: count } = asked;
		const usually = windows === usual.windows && windowLength === usual.windowLength && searchedBy(asked) === usual.granularity;
		return usually && effort === undefined && count !== undefined;
	};
	const same = here.find((result) => isAlike(result.facts, facts) && isDefault(result));
	const cells = (found) => cellsOf({ name, type, facts, machine, ...found });
	if (same) {
		const { asked, straight, speeds } = same;
		const measured = {
			seconds: straight.seconds,
			memory: size(straight.peak.resident),
			how: interrupted(same) ? "measured, in two parts" : "measured",
		};
		return cells({ removed: asked.removed, prompt: speeds.prompt, ...measured });
	}
	const distance = ({ facts: other }) => Math.abs(Math.log(other.activeBlockWeights / facts.activeBlockWeights));
	const nearest = [...here].sort((a, b) => distance(a) - distance(b))[0];
	const speeds = scaledSpeeds(nearest.speeds, nearest, facts);
	const { seconds, memory } = predict(facts, {
		...howOf(nearest),
		...usual,
		...speeds,
		removed,
		correction: correctionOf(here),
	});
	return cells({ removed, prompt: speeds.prompt, seconds, memory: memoryCell(memory), how: `computed from ${shapeOf(nearest.facts)}` });
}
