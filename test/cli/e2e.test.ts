import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { type ChildSetup, fixturePath, mainPath, runNode } from "../helpers/fixture.js";
import { firstOf, thorough } from "../helpers/slow.js";
import { tempFolder } from "../helpers/temp-folder.js";

// The command line as users run it: compiled, in a separate process, on the project's own model.

const folder = tempFolder();
const home = join(folder, "home");
const small = ["--windows", "3", "--window-length", "32"];
beforeAll(() => {
	expect(existsSync(mainPath), "dist/ is not there: run `npm run build`").toBe(true);
});
const run = (args: readonly string[], setup: ChildSetup = {}) =>
	runNode([mainPath, ...args], { ...setup, env: { PRUNE_GGUF_HOME: home, NO_COLOR: "1", ...setup.env } });
const at = (name: string) => join(folder, name);

describe("exit codes and streams", () => {
	it("0 with data on standard output", async () => {
		for (const args of [["--help"], ["--version"], ["rank", "--help"], ["inspect", fixturePath]]) {
			const { code, stdout, stderr } = await run(args);
			expect([code, stderr], args.join(" ")).toEqual([0, ""]);
			expect(stdout.length).toBeGreaterThan(20);
		}
	});

	it("1 if something fails, 2 if it is called wrongly; nothing on standard output", async () => {
		writeFileSync(at("text.gguf"), "no model");
		writeFileSync(at("exists.gguf"), "mine");
		const cases: [number, string[], RegExp][] = [
			[1, [at("nowhere.gguf")], /nowhere\.gguf/],
			[1, [at("text.gguf")], /GGUF/],
			[1, [fixturePath, at("exists.gguf"), "--remove", "3"], /--overwrite/],
			[1, ["evaluate", fixturePath, "--text", at("nowhere.txt")], /nowhere\.txt/],
			[1, ["apply", fixturePath, at("a.gguf"), "--plan", at("nowhere.json")], /nowhere\.json/],
			[2, [], /prune-gguf model\.gguf small\.gguf -n 4/],
			[2, ["speed"], /speed: the model is missing: prune-gguf speed <model>/],
			[2, [fixturePath, at("a.gguf"), "--remove-blocks", "many"], /--remove-blocks.*"many"/],
			[2, [fixturePath, at("a.gguf"), "--remove-blocks", "12", ...small], /at most 11/],
			[2, [fixturePath, at("a.gguf"), "--remove", "3", "--remove-blocks", "1"], /exclude each other/],
			[2, [fixturePath, at("a.gguf")], /a\.gguf cannot be written without an amount: .*--remove-blocks 4/],
			[2, ["apply", fixturePath, at("a.gguf")], /--plan FILE or --remove LIST/],
		];
		for (const [expected, args, message] of cases) {
			const { code, stdout, stderr } = await run(args);
			expect([code, stdout], `${args.join(" ")}\n${stderr}`).toEqual([expected, ""]);
			expect(stderr).toMatch(message);
			expect(stderr).not.toContain("    at ");
		}
		expect(readFileSync(at("exists.gguf"), "utf8")).toBe("mine");
	});

	it("suggests what may have been meant", async () => {
		const option = await run([fixturePath, "--remove-block", "3"]);
		expect(option.code).toBe(2);
		expect(option.stderr).toContain("did you mean --remove-blocks?");
		const command = await run(["rnak", fixturePath]);
		expect(command.code).toBe(2);
		expect(command.stderr).toMatch(/rank/);
		const alone = await run(["inspct"]);
		expect(alone.code).toBe(2);
		expect(alone.stderr).toContain("Did you mean inspect?");
	});

	it("--json gives one document, errors included", async () => {
		const text = at("prose.txt");
		writeFileSync(text, "It was a dark and stormy night; the rain fell in torrents. ".repeat(40));
		const other = at("other.txt");
		writeFileSync(other, "One, two, three, four, five, six, seven, eight, nine, ten; and then again from the start. ".repeat(40));
		const questions = at("questions.jsonl");
		const question = { query: "The night was dark and", choices: ["stormy.", "very green."], gold: 0 };
		writeFileSync(questions, `${JSON.stringify(question)}\n`.repeat(8));
		const cases: [string[], Record<string, unknown>][] = [
			[["inspect", fixturePath], { blocks: 12, support: "exact" }],
			[["evaluate", fixturePath, "--text", text, "--window-length", "64"], { windowLength: 64, preset: "llama-perplexity" }],
			[[fixturePath, "--remove", "6", "--dry-run", ...small], { curve: [] }],
			[[fixturePath, at("json.gguf"), "--remove", "6", ...small], { planPath: at("json.gguf.plan.json") }],
			[["apply", fixturePath, at("json2.gguf"), "--plan", at("json.gguf.plan.json")], { removed: "6" }],
			[["rank", fixturePath, ...small], { estimator: "leave-one-out" }],
			[
				["evaluate", fixturePath, "--questions", questions, "--remove", "6", "--max-questions", "7"],
				{ count: 7, removed: "6", format: "jsonl" },
			],
			[["frontier", fixturePath, "--max-blocks", "1", "--types", "Q4_0", ...small], { computeAxis: "blocks", sourceQuantized: true }],
			[[fixturePath, at("q.gguf"), "--remove", "6", "--quantize", "Q4_0", ...small], { planPath: at("q.gguf.plan.json") }],
			[[fixturePath, "--remove", "6", "--metric", "accuracy", "--questions", questions, ...small], { metric: "accuracy" }],
			[[fixturePath, "--remove", "6", "--metric", "kl", "--calibration", `${text}=2`, other, ...small], { metric: "kl" }],
		];
		for (const [args, expected] of firstOf(7, cases)) {
			const { code, stdout, stderr } = await run([...args, "--json"]);
			expect(code, stderr).toBe(0);
			expect(JSON.parse(stdout)).toMatchObject(expected);
		}
		expect(readFileSync(at("json2.gguf")).equals(readFileSync(at("json.gguf")))).toBe(true);
		const failed = await run([at("nowhere.gguf"), "--json"]);
		expect(failed.code).toBe(1);
		expect(JSON.parse(failed.stdout)).toMatchObject({ error: { code: "FILE_ERROR" } });
		const wrong = await run([fixturePath, "--nonsense", "--json"]);
		expect(wrong.code).toBe(2);
		expect(JSON.parse(wrong.stdout)).toMatchObject({ error: { code: "INVALID_OPTION" } });
	});

	it("--quiet keeps standard error empty", async () => {
		const { code, stderr, stdout } = await run(["rank", fixturePath, ...small, "--quiet"]);
		expect([code, stderr]).toEqual([0, ""]);
		expect(stdout).toContain("11");
	});
});

it.runIf(thorough)("the curve's own commands can be pasted, and write the model", async () => {
	const cwd = at("pasted");
	mkdirSync(cwd);
	const curve = await run([fixturePath, ...small, "--json"], { cwd });
	expect(curve.code, curve.stderr).toBe(0);
	expect(readdirSync(cwd)).toEqual([]);
	const [command] = (JSON.parse(curve.stdout) as { commands: string[] }).commands;
	const args = command!.split(" ").slice(1);
	const written = await run(args, { cwd });
	expect(written.code, written.stderr).toBe(0);
	expect(written.stderr).not.toMatch(/Searching +\d+\/\d/);
	const ends = ["", ".plan.json", ".report.html", ".report.json"];
	expect(readdirSync(cwd).sort()).toEqual(ends.map((end) => `${args[1]}${end}`).sort());
});

describe("compare", () => {
	const args = ["compare", fixturePath, ...small, "--methods", "greedy,random,last", "--max-evaluations", "50", "--remove-blocks", "2,3"];

	it("prints a table of each size and the costs, within 100 columns", async () => {
		const text = at("eval.txt");
		writeFileSync(text, "The captain looked for the white whale, and said nothing to any man. ".repeat(60));
		const { code, stdout, stderr } = await run([...args, "--eval", text, "--eval-windows", "3", "--eval-window-length", "40"]);
		expect(code, stderr).toBe(0);
		expect(stdout).toMatch(/^2 of 12 blocks removed$/m);
		expect(stdout).toMatch(/^3 of 12 blocks removed$/m);
		expect(stdout).toMatch(/^ +last +\+\d\.\d{3} ± \d\.\d{3} +9-10$/m);
		expect(stdout).toMatch(/of at most 50 evaluations of 3 x 32 tokens/);
		expect(stdout).toMatch(/^last +3 +288 +\d+ /m);
		expect(stdout).toMatch(/^eval\.txt +3 x 40 +\d\.\d{3}$/m);
		for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
		expect(stderr).toMatch(/2, 3 removed by 3 methods; each measures up to 50 candidates/);
	});

	it("gives one document, the same in a file, from what is known", async () => {
		const { code, stdout, stderr } = await run([...args, "--json", "--save-result", at("compare.json")]);
		expect(code, stderr).toBe(0);
		const result = JSON.parse(stdout);
		expect(result).toMatchObject({ budget: { evaluations: 50, tokens: 4800 }, sizes: [{ removed: 2 }, { removed: 3 }] });
		expect(JSON.parse(readFileSync(at("compare.json"), "utf8"))).toEqual(result);
		expect(stderr).toMatch(/candidates are cached/);
		const refused = await run([...args, "--save-result", at("compare.json")]);
		expect([refused.code, refused.stdout]).toEqual([1, ""]);
		expect(refused.stderr).toMatch(/--overwrite/);
	});
});

describe("interruption", () => {
	const sweep = ["rank", fixturePath, "--method", "paper", "--max-evaluations", "3000", "--seed", "11"];

	it("Ctrl+C in a sweep ends within a second with 130 and says how to continue; the same command continues", async () => {
		let sent = 0;
		const interrupted = await run(sweep, {
			onOutput: (child, _stdout, stderr) => {
				if (sent === 0 && /Measuring blocks {2}([7-9]|\d\d+)\//.test(stderr)) {
					sent = performance.now();
					child.kill("SIGINT");
				}
			},
		});
		const took = performance.now() - sent;
		expect(sent, interrupted.stderr).toBeGreaterThan(0);
		expect(interrupted).toMatchObject({ code: 130, signal: null, stdout: "" });
		// It runs beside other tests; test/model/runtime/cancelling.test.ts demands less time, alone.
		expect(took).toBeLessThan(3000);
		expect(interrupted.stderr).toContain("run the same command again");

		const [run1] = JSON.parse((await run(["runs", "--json"])).stdout) as { candidates: number }[];
		expect(run1!.candidates).toBeGreaterThan(5);
		let resumed = false;
		const again = await run([...sweep, "--json"], {
			onOutput: (child, _stdout, stderr) => {
				if (!resumed && /\d+ candidates are cached/.test(stderr)) {
					resumed = true;
					setTimeout(() => child.kill("SIGINT"), 300);
				}
			},
		});
		expect(resumed, again.stderr).toBe(true);
		expect(again.code).toBe(130);
		expect(JSON.parse(again.stdout)).toEqual({ error: { code: "INTERRUPTED", message: "interrupted" } });
	});

	it.runIf(thorough)("a terminal that is closed stops a run as Ctrl+C does, though nobody reads what it says", async () => {
		const child = spawn(process.execPath, [mainPath, ...sweep], {
			env: { ...process.env, PRUNE_GGUF_HOME: at("hangup-home"), NO_COLOR: "1" },
			stdio: ["ignore", "ignore", "pipe"],
		});
		let stderr = "";
		child.stderr.setEncoding("utf8").on("data", (text: string) => {
			stderr += text;
			if (child.stderr.destroyed || !/Measuring blocks {2}([7-9]|\d\d+)\//.test(stderr)) return;
			child.stderr.destroy();
			child.kill("SIGHUP");
			child.kill("SIGHUP");
		});
		expect(await once(child, "exit"), stderr).toEqual([130, null]);
	});

	it.runIf(thorough)("a killed process leaves no lock that stops the next, and nothing under the output's name", async () => {
		const cwd = at("killed");
		mkdirSync(cwd);
		const args = [fixturePath, "out.gguf", "--remove", "3,7", "--windows", "12", "--window-length", "128"];
		let seen = false;
		const killed = await run(args, {
			cwd,
			onStart: (child) => {
				// The partial file exists from the first byte until the pruned model was verified.
				const timer = setInterval(() => {
					seen = readdirSync(cwd).some((name) => name.includes(".partial-"));
					if (seen) child.kill("SIGKILL");
					if (seen || existsSync(join(cwd, "out.gguf"))) clearInterval(timer);
				}, 1);
				timer.unref();
			},
		});
		expect(seen).toBe(true);
		expect(killed.signal).toBe("SIGKILL");
		expect(existsSync(join(cwd, "out.gguf"))).toBe(false);
		expect(existsSync(join(cwd, "out.gguf.plan.json"))).toBe(false);
		const next = await run(args, { cwd });
		expect(next.code, next.stderr).toBe(0);
		expect(existsSync(join(cwd, "out.gguf"))).toBe(true);
	});

	it.runIf(thorough).each([
		["own weights", []],
		["quantized", ["--quantize", "Q4_0"]],
	])("a process killed between the model and its report: the same command finishes, another is refused (%s)", async (name, more) => {
		const cwd = at(`unfinished ${name}`);
		mkdirSync(cwd);
		const env = { PRUNE_GGUF_HOME: join(cwd, "home") };
		const args = [fixturePath, "out.gguf", "--remove", "3,7", ...small, "--no-speed", "--no-samples", ...more];
		const output = join(cwd, "out.gguf");
		const killed = await run(args, {
			cwd,
			env,
			onStart: (child) => {
				const timer = setInterval(() => {
					if (!existsSync(output)) return;
					child.kill("SIGKILL");
					clearInterval(timer);
				}, 1);
				timer.unref();
			},
		});
		expect(killed.signal).toBe("SIGKILL");
		expect(readdirSync(cwd)).not.toContain("out.gguf.report.html");
		const written = statSync(output, { bigint: true });

		const other = await run([...args, "--seed", "5"], { cwd, env });
		expect([other.code, other.stderr]).toEqual([1, expect.stringContaining("--overwrite")]);
		const moved = join(cwd, "moved.gguf");
		renameSync(output, moved);
		copyFileSync(moved, output);
		const copied = await run(args, { cwd, env });
		expect([copied.code, copied.stderr]).toEqual([1, expect.stringContaining("--overwrite")]);
		renameSync(moved, output);

		const finished = await run([...args, "--json"], { cwd, env });
		expect(finished.code, finished.stderr).toBe(0);
		expect(finished.stderr).toContain("an earlier run of this command wrote and verified it");
		const result = JSON.parse(finished.stdout) as { plan: { removed: string; quantized?: { type: string } }; output: { size: number } };
		expect(result.plan.removed).toBe("3, 7");
		expect(result.plan.quantized?.type).toBe(more[1]);
		expect(result.output.size).toBe(Number(written.size));
		// What the killed run left unfinished stays for five minutes.
		const finishedFiles = readdirSync(cwd).filter((file) => !file.includes(".partial-"));
		expect(finishedFiles.sort()).toEqual(["home", ...["", ".plan.json", ".report.html", ".report.json"].map((end) => `out.gguf${end}`)]);
		expect(statSync(output, { bigint: true })).toMatchObject({ ino: written.ino, mtimeNs: written.mtimeNs });

		const again = await run(args, { cwd, env });
		expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("--overwrite")]);
	});
});

it("runs lists the cache and deletes it", async () => {
	const env = { PRUNE_GGUF_HOME: at("other-home") };
	expect(JSON.parse((await run(["runs", "--json"], { env })).stdout)).toEqual([]);
	await run([fixturePath, "--remove", "6", ...small], { env });
	const [kept] = JSON.parse((await run(["runs", "list", "--json"], { env })).stdout) as {
		model: string;
		candidates: number;
		plans: unknown[];
	}[];
	expect(kept).toMatchObject({ model: expect.stringMatching(/^fixture-12l-/) });
	expect(kept!.candidates).toBeGreaterThan(3);
	expect(kept!.plans.length).toBe(1);
	expect((await run(["runs"], { env })).stdout).toContain("fixture-12l");
	expect((await run(["runs", "clean"], { env })).code).toBe(2);
	const cleaned = JSON.parse((await run(["runs", "clean", "--all", "--json"], { env })).stdout) as { freed: number };
	expect(cleaned.freed).toBeGreaterThan(100);
	expect(JSON.parse((await run(["runs", "--json"], { env })).stdout)).toEqual([]);
});
