// Processes that measure, each with one addon.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/**
 * Starts compare-child.mjs. The first answer is "ready".
 * @param {string} addon path of the file
 * @param {object} job see compare-child.mjs
 * @param {object} [program] `execPath` and `execArgv` of another Node.js
 * @returns {{ next(): Promise<unknown>, ask(work: string): Promise<{ seconds: number, losses: number[] }>, end(): void }}
 */
export function startMeasuring(addon, job, program = {}) {
	const child = fork(fileURLToPath(new URL("compare-child.mjs", import.meta.url)), [JSON.stringify(job)], {
		env: { ...process.env, PRUNE_GGUF_ADDON: addon },
		...program,
	});
	const answers = [];
	let waiting;
	const give = (answer) => (waiting ? waiting(answer) : answers.push(answer));
	child.on("message", (message) => give({ message }));
	child.on("error", ({ message }) => give({ problem: `${addon}: ${message}` }));
	child.on("exit", (code, signal) => give({ problem: `${addon} ended with ${signal ?? code}` }));
	const next = () =>
		new Promise((done, fail) => {
			const settle = ({ message, problem }) => (problem ? fail(new Error(problem)) : done(message));
			if (answers.length > 0) return settle(answers.shift());
			waiting = (answer) => {
				waiting = undefined;
				settle(answer);
			};
		});
	return {
		next,
		ask(work) {
			child.send(work);
			return next();
		},
		end: () => child.send("end"),
	};
}
