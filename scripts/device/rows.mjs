// Rows of the table of `npm run test:device`: what was asked, whether it is as it must be, and what was found.

/** @typedef {[what: string, ok: boolean | undefined, found: string]} Row */

/**
 * What a program that failed says of the reason: the last line that names an error, or the last one.
 * @param {string} said its standard error
 * @returns {string}
 */
export function reasonOf(said) {
	const lines = said.split("\n").map((line) => line.trim());
	const meant = lines.filter((line) => line !== "" && !/^at |^Node\.js v|^[{}^~]+$/.test(line));
	return meant.findLast((line) => /^(?:\w*Error\b|error:)/.test(line)) ?? meant.at(-1) ?? "it wrote nothing";
}

/**
 * The device beside the CPU, as measure.mjs found them. Whatever failed, the other figures are shown.
 * @param {string} name of the model
 * @param {object} there
 * @param {object} cpu
 * @param {{ loss: number }} tolerance of the gate
 * @returns {Row[]}
 */
export function comparedRows(name, there, cpu, tolerance) {
	const error = there.error ?? cpu.error;
	if (error !== undefined) return [[name, false, error]];
	if (!there.onDevice || cpu.onDevice)
		return [[name, false, `the device was not compared with the CPU: ${there.placement}; ${cpu.placement}`]];
	// JSON has no other numbers than finite ones: they are null.
	const finite = [...there.losses, ...cpu.losses].every((value) => Number.isFinite(value));
	const loss = finite ? Math.max(...there.losses.map((value, i) => Math.abs(value - cpu.losses[i]))) : Number.NaN;
	const { parity } = there;
	const said = parity?.error ?? parity?.text ?? "not compared";
	const far = finite ? `${loss.toExponential(1)} nats in loss on 10 windows` : `losses that are not finite: ${there.losses.join(", ")}`;
	const megabytes = (value) => `${(value / 1e6).toFixed(1)} MB`;
	const seconds = (value) => `${value.toFixed(2)} s`;
	return [
		[`parity with the CPU, ${name}`, parity?.text !== undefined && loss <= tolerance.loss, `${there.placement}: ${said}; ${far}`],
		[
			`greedy step, ${name}`,
			finite,
			`${there.candidates} candidates: ${seconds(there.step)}; CPU ${seconds(cpu.step)} (${(cpu.step / there.step).toFixed(2)} times)`,
		],
		[
			`over the bus, ${name}`,
			finite,
			`${megabytes(there.bytes)} for each candidate of the step, ${megabytes(there.logitBytes)} of them logits`,
		],
	];
}

/**
 * The default job. On the CPU it shows nothing of a device.
 * @param {{ status: number | null, stdout: string, stderr: string }} ended
 * @param {number} seconds
 * @returns {[boolean, string]}
 */
export function jobVerdict({ status, stdout, stderr }, seconds) {
	if (status !== 0) return [false, `exit code ${status}: ${reasonOf(stderr)}`];
	const { plan, output } = JSON.parse(stdout);
	return [plan.backend !== "CPU", `6 of ${plan.model.blocks} blocks in ${seconds} s on ${plan.backend}; ${output.verification}`];
}
