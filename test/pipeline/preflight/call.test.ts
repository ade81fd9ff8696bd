import { expect, it } from "vitest";
import { InvalidOptionError } from "../../../src/errors.js";
import {
	applyPlan,
	buildAddon,
	cleanRuns,
	compareMethods,
	evaluateModel,
	evaluateQuestions,
	findFrontier,
	inspectModel,
	measureSpeed,
	pruneGguf,
	rankBlocks,
} from "../../../src/index.js";
import { checkCall } from "../../../src/pipeline/preflight/call.js";
import { fixturePath } from "../../helpers/fixture.js";

/** What a program without types may call. */
type Job = (...given: unknown[]) => Promise<unknown>;

/** Every job, with what it takes before its options. */
const jobs = Object.entries({
	pruneGguf: [pruneGguf, [fixturePath, undefined]],
	rankBlocks: [rankBlocks, [fixturePath]],
	compareMethods: [compareMethods, [fixturePath]],
	findFrontier: [findFrontier, [fixturePath]],
	applyPlan: [applyPlan, [fixturePath, "out.gguf"]],
	evaluateModel: [evaluateModel, [fixturePath]],
	evaluateQuestions: [evaluateQuestions, [fixturePath]],
	measureSpeed: [measureSpeed, [fixturePath]],
	buildAddon: [buildAddon, []],
	cleanRuns: [cleanRuns, []],
} as unknown as Record<string, [Job, unknown[]]>).map(([name, [job, files]]) => ({ name, job, files }));
const needed: Readonly<Record<string, object>> = { evaluateModel: { text: "a.txt" }, evaluateQuestions: { questions: "q.jsonl" } };

it.each(jobs)("$name refuses options of a wrong kind, and names them", async ({ name, job, files }) => {
	const refused = (options: unknown) => expect(job(...files, options)).rejects;
	await refused({ ...needed[name], onProgress: true }).toThrow(new InvalidOptionError(`${name}: onProgress must be a function, got true`));
	await refused({ ...needed[name], onLog: [] }).toThrow(new InvalidOptionError(`${name}: onLog must be a function, got a list`));
	await refused({ ...needed[name], signal: new AbortController() }).toThrow(
		new InvalidOptionError(`${name}: signal must be an AbortSignal, got an AbortController: give its signal`),
	);
	await refused("fast").toThrow(new InvalidOptionError(`${name}: options must be an object, got "fast"`));
});

it.each(jobs.filter(({ files }) => files.length > 0))("$name refuses a model that is none", async ({ name, job, files: [, ...others] }) => {
	const message = new RegExp(`^${name}: (model|path) must be the path of a file, got undefined$`);
	await expect(job(undefined, ...others, needed[name] ?? {})).rejects.toThrow(message);
	await expect(job(undefined, ...others, needed[name] ?? {})).rejects.toThrow(InvalidOptionError);
});

it("what is needed and missing, or of another kind, is named", async () => {
	const untyped = (job: unknown) => job as Job;
	await expect(untyped(inspectModel)({})).rejects.toThrow("inspectModel: path must be the path of a file, got an object");
	await expect(untyped(evaluateModel)(fixturePath, {})).rejects.toThrow("evaluateModel: text must be the path of a file, got undefined");
	await expect(untyped(evaluateQuestions)(fixturePath, {})).rejects.toThrow("questions must be the path of a file, got undefined");
	await expect(untyped(applyPlan)(fixturePath, 3, { remove: [3] })).rejects.toThrow("applyPlan: output must be the path of a file, got 3");
	const prune = (options: object) => expect(untyped(pruneGguf)(fixturePath, undefined, options)).rejects;
	await prune({ overwrite: "yes" }).toThrow('pruneGguf: overwrite must be true or false, got "yes"');
	await prune({ report: true }).toThrow("pruneGguf: report must be a text, got true");
	await prune({ quantize: { from: new URL("file:///a") } }).toThrow("pruneGguf: quantize.from must be a text, got an URL");
});

it("what is right is taken, null for nothing among it", () => {
	const { signal } = new AbortController();
	const options = { signal, onProgress() {}, onLog: null, report: false, speed: true, plan: null, limits: { ignore: false } };
	expect(() => checkCall("prune", { model: "m.gguf" }, options)).not.toThrow();
});
