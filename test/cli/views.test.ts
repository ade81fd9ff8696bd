import { describe, expect, it } from "vitest";
import type { Plan, PruneResult, RunFolder } from "../../src/cli/api.js";
import { summaryText } from "../../src/report/summary.js";
import { madeUpReport } from "../helpers/report.js";
import { rankText } from "../../src/cli/rank-views.js";
import { speedResultText } from "../../src/cli/speed-views.js";
import { applyText, cleanText, evaluateText, inspectText, pruneText, questionsText, runsText } from "../../src/cli/views.js";

const model = { path: "m.gguf", name: "m.gguf", architecture: "llama", blocks: 4, size: 4e6, parameters: 2e6 };
const output = { path: "o.gguf", size: 3e6, parameters: 1.5e6, verification: "same losses, bit for bit" };
const plan = {
	model: { name: "m.gguf", sha256: "", architecture: "llama", blocks: 4 },
	removed: [2],
	kept: 3,
	method: "greedy",
} as unknown as Plan;

const plain = { metric: "loss", disagreements: [] } as const;

describe("pruneText", () => {
	it("shows the summary with the paths and the command", () => {
		const report = madeUpReport();
		const paths = { planPath: "o.plan.json", reportPath: "o.html", modelCardPath: "README.md" };
		const result = { ...{ model, plan, output, report, curve: [] }, ...paths, ...plain, commands: ["llama-cli -m o.gguf"], seconds: 61 };
		const places = { output: "o.gguf", plan: "o.plan.json", report: "o.html", card: "README.md", seconds: 61 };
		const text = pruneText(result, {});
		expect(text).toBe(summaryText(report, { ...places, command: "Run it: llama-cli -m o.gguf" }, {}));
		expect(text).toContain("\nFile: o.gguf (85.1 MB)\n");
		expect(text).toContain("\nReport: o.html\nModel card: README.md\n");
		expect(text).toMatch(/\nRun it: llama-cli -m o\.gguf\n$/);
	});

	it("says how to write the model of a plan", () => {
		const { output: _, ...report } = madeUpReport();
		const commands = ["prune-gguf apply m.gguf OUTPUT.gguf --plan o.plan.json"];
		const text = pruneText({ model, plan, planPath: "o.plan.json", report, curve: [], ...plain, commands, seconds: 1 }, {});
		expect(text).toContain("\nNo model was written. The plan is o.plan.json\n");
		expect(text).toMatch(/\nWrite it: prune-gguf apply m\.gguf OUTPUT\.gguf --plan o\.plan\.json\n$/);
	});

	it("names the blocks where there is no report", () => {
		const commands = ["llama-cli -m o.gguf"];
		const text = pruneText({ model, plan, planPath: "o.plan.json", output, curve: [], ...plain, commands, seconds: 1 }, {});
		expect(text).toBe(
			"Removed 1 of 4 blocks: 2.\nFile: o.gguf (3.0 MB)\nVerified: same losses, bit for bit\nPlan: o.plan.json\nTime: 1.0 s\nRun it: llama-cli -m o.gguf\n",
		);
	});

	it("shows the curve of another metric", () => {
		const curve = [
			{ removed: [], loss: 0, added: 0, figures: { loss: 2, agreement: 1 } },
			{ removed: [1], loss: 0.2, added: 0.2, figures: { loss: 2.1, agreement: 0.85 } },
		];
		const kl = pruneText({ model, curve, metric: "kl", disagreements: [], commands: [], seconds: 1 }, {});
		expect(kl).toMatch(/^ +blocks +KL \(nats\) +change +same top token +which/m);
		expect(kl).toMatch(/^ +1 +0\.200 +\+0\.200 +85 % +1$/m);
	});

	it("says that a dry run wrote nothing", () => {
		const steps = [
			{ name: "Preparing text", seconds: 2 },
			{ name: "Searching", seconds: 80 },
			{ name: "Writing and verifying", seconds: 8 },
		] as const;
		const estimate = { evaluations: 200, known: 0, tokens: 256_000, seconds: 90, steps };
		const shown = (more: Partial<PruneResult["estimate"]> = {}) =>
			pruneText({ model, curve: [], ...plain, estimate: { ...estimate, ...more }, commands: [], seconds: 1 }, {});
		expect(shown()).toBe(
			`This run would take about 1 min 30 s:
  Preparing text         2.0 s
  Searching              1 min 20 s
  Writing and verifying  8.0 s
It would measure up to 200 candidates, in all about 256.0 k tokens.
Dry run: no model, plan or report was written.
Time of the dry run: 1.0 s
`,
		);
		const prompt = "As long as the original model takes to read a prompt of about 89.0 k tokens.";
		expect(shown({ promptTokens: 89_012.3 })).toContain(`\n${prompt}\nIt would measure`);
		expect(shown({ leftOut: ["samples", "speed"] })).toContain("\n--max-time leaves out: samples, speed.\nDry run: ");
		expect(shown({ known: 1200 })).toContain("\n1,200 more are known from earlier runs.\n");
		expect(shown({ evaluations: 0, known: 1 })).toMatch(
			/\nIt would measure no new candidate, in all .*\n1 more is known from earlier runs\.\n/,
		);
		const unknown = shown({ steps: [...steps, { name: "Measuring" }] });
		expect(unknown).toContain("take about 1 min 30 s, and what cannot be estimated:\n");
		expect(unknown).toContain("\n  Measuring              not known\n");
	});

	it("shows the curve, what is sensible and the commands where nothing says how much", () => {
		const suggestion = { removed: [7], reason: "It costs little." };
		const curve = [
			{ removed: [], loss: 2, added: 0 },
			{ removed: [7], loss: 2.05, added: 0.05 },
		];
		const commands = ["prune-gguf m.gguf m-minus-1.gguf --remove 7"];
		const text = pruneText({ model, curve, ...plain, suggestion, commands, seconds: 1 }, { width: 80 });
		expect(text).toMatch(/^What removing blocks costs, measured on the validation split:\n/);
		expect(text).toMatch(/^> +1 +7\.768 +x 1\.05 +7$/m);
		// The report knows the sizes of the files.
		const points = curve.map((point) => ({ ...point, bytes: point.removed.length === 0 ? 2.7e6 : 2.5e6 }));
		const report = {
			curve: { metric: "loss", series: [{ method: "auto", split: "validation", points }] },
		} as unknown as PruneResult["report"];
		const sized = pruneText({ model, curve, ...plain, suggestion, report, commands, seconds: 1 }, { width: 80 });
		expect(sized).toMatch(/^ +blocks +perplexity +change +file size +which$/m);
		expect(sized).toMatch(/^> +1 +7\.768 +x 1\.05 +2\.5 MB +7$/m);
		expect(text).toContain("\nSensible: remove block 7. It costs little.\n");
		expect(text).toContain("\nNo model was written.\nTime: 1.0 s\n\nNext:\n  prune-gguf m.gguf m-minus-1.gguf --remove 7\n");
	});

	it("may find it sensible to remove nothing", () => {
		const suggestion = { removed: [], reason: "Every block is needed." };
		const curve = [{ removed: [], loss: 2, added: 0 }];
		const text = pruneText({ model, curve, ...plain, suggestion, commands: [], seconds: 1 }, {});
		expect(text).toContain("Sensible: remove nothing. Every block is needed.\n");
		expect(text).toMatch(/^> +0 +7\.389 +none$/m);
		expect(text).not.toContain("Next");
	});
});

describe("the other commands", () => {
	it("apply says what the quantized file costs", () => {
		const figure = (mean: number) => ({ mean, standardError: 0.01 });
		const figures = { loss: figure(2.31), added: figure(0.31), divergence: figure(0.4), agreement: figure(0.75) };
		const quantized = { type: "Q4_K_M", from: { name: "f16.gguf", sha256: "" }, bytes: 1e6, ...figures };
		const text = applyText(
			{ model, removed: [2], output, quantized, commands: ["llama-cli -m o.gguf", "prune-gguf evaluate o.gguf"], seconds: 1 } as Parameters<
				typeof applyText
			>[0],
			{},
		);
		expect(text).toContain(
			"Quantized to Q4_K_M from the weights of f16.gguf. The written file adds 0.310 ±\n0.010 nats per token, KL 0.400 ± 0.010, 75 % same top token.\n",
		);
		expect(text).toMatch(/\nMeasure its quality on your text: prune-gguf evaluate o\.gguf\nRun it: llama-cli -m o\.gguf\n$/);
	});

	it("rank lists every block in order, frozen ones too", () => {
		const importance = [
			{ block: 3, value: 0.2, unit: "nats" as const },
			{ block: 1, value: 0.1, unit: "nats" as const },
		];
		const frozen = [{ block: 0, reason: "critical" }];
		const granularity = { used: "block", reason: "as given" } as const;
		const whole = { model, granularity, metric: "loss" as const, loss: 2, evaluations: 5, seconds: 3, cut: 1 };
		const nothing = { critical: [], cuts: [], verdicts: [], unseen: [{ block: 2 }], interactions: [] };
		const text = rankText({ ...whole, ...nothing, method: "leave-one-out", estimator: "leave-one-out", importance, frozen }, {});
		expect(text).not.toMatch(/certainty|redundant/i);
		expect(text).toContain("Importance of blocks 0 to 3 by leave-one-out; loss of the original model 2.000\n");
		expect([...text.matchAll(/^ +(\d)( |$)/gm)].map((match) => match[1])).toEqual(["0", "1", "2", "3"]);
		expect(text).toMatch(/^ +0 +critical$/m);
		expect(text).toMatch(/^ +2 +never measured$/m);
		expect(text).toMatch(/^block +nats added +note$/m);
		const pair = (a: number, b: number, value: number) => ({ blocks: [a, b] as const, value });
		const told = rankText(
			{
				...{ ...whole, method: "auto" as const, estimator: "posterior-window", importance, frozen: [] },
				critical: [{ block: 0, reason: "dear" }],
				unseen: [],
				cuts: [],
				verdicts: [
					{ block: 1, chance: 1, verdict: "low" },
					{ block: 2, chance: 0.5, verdict: "undecided" },
					{ block: 3, chance: 0, verdict: "high" },
				],
				interactions: [{ ...pair(1, 2, 0.4), units: [[1], [2, 3]] }, pair(1, 3, 0.1), pair(2, 3, -0.05)],
			},
			{},
		);
		expect(told).toContain("blocks 0 to 3 by auto (posterior-window); ");
		expect(told).toMatch(/^ +0 +critical$/m);
		expect(told).toMatch(/^ +1 .* low$/m);
		expect(told).toMatch(/^ +3 .* high$/m);
		expect(told).toContain("low: among the 1 least important blocks, with 95 % certainty.");
		const verdict = (block: number, word: "low" | "high") => ({ block, chance: word === "low" ? 1 : 0, verdict: word });
		const cuts = [
			{ cut: 1, verdicts: [verdict(1, "low"), verdict(3, "high")] },
			{ cut: 2, verdicts: [verdict(1, "low"), verdict(3, "low")] },
		];
		const several = { ...whole, ...nothing, method: "auto" as const, estimator: "posterior-window", importance, frozen, cut: 2 };
		const columns = rankText({ ...several, cuts, verdicts: cuts[1]!.verdicts }, {});
		expect(columns).toMatch(/^block +nats added +-n 1 +-n 2 +note$/m);
		expect(columns).toMatch(/^ +1 .* low +low$/m);
		expect(columns).toMatch(/^ +3 .* high +low$/m);
		expect(columns).toContain("low: among as many least important blocks as the column's -n says, with 95 % certainty.");
		expect(told).toContain("Redundant blocks: 1 and 2-3 (+0.400); 1 and 3 (+0.100)\nBlocks that need each other: 2 and 3 (-0.050)\n");
	});

	it("rank shows half-block cuts between the blocks", () => {
		const importance = [0, 1, 2, 3].map((block) => ({ block, value: 0.4 - 0.1 * block, unit: "nats" as const }));
		const pair = (position: number, added: number) => ({ removed: [position], added, standardError: 0.01 });
		const cuts = [{ cut: 1, verdicts: [{ block: 3, chance: 1, verdict: "low" as const }] }];
		const text = rankText(
			{
				...{ model, metric: "loss", loss: 2, evaluations: 8, seconds: 3, method: "leave-one-out", estimator: "leave-one-out" },
				granularity: { used: "half-block", reason: "as given" },
				...{ importance, shiftedPairs: [pair(0.5, 0.25), pair(1.5, 0.05), pair(2.5, 0.5)] },
				...{ frozen: [], critical: [], cut: 1, cuts, verdicts: cuts[0]!.verdicts, unseen: [], interactions: [] },
			},
			{},
		);
		expect(text).toContain("Importance of blocks 0 to 3 and of half-block cuts by leave-one-out; loss of the original model 2.000\n");
		expect([...text.matchAll(/^ *(\d(?:f-\da)?) +\+/gm)].map((match) => match[1])).toEqual(["0", "0f-1a", "1", "1f-2a", "2", "2f-3a", "3"]);
		expect(text).toMatch(/^ *1f-2a +\+0\.0500 ± 0\.0100/m);
		expect(text).toContain("Least important: 1f-2a (+0.050); 3 (+0.100); 2 (+0.200); 0f-1a (+0.250); 1 (+0.300); 0 (+0.400)\n");
		expect(text).toContain("0f-1a is a half-block cut: from the feed-forward part of block 0 to the attention part of block 1.");
		expect(text).toContain("The others are undecided. Half-block cuts are not judged.\n");
	});

	it("evaluate shows llama-perplexity's digits", () => {
		const result = {
			...{ model: "m.gguf", text: "t.txt", preset: "llama-perplexity" as const, windowLength: 512, removed: [1, 2] },
			...{ perplexity: 33.38375, perplexityError: 0.234567, loss: 3.508, tokens: 25_600, windows: 100, seconds: 5 },
		};
		const text = evaluateText(result, {});
		expect(text).toMatch(/^perplexity +33\.383[78] ± 0\.23457$/m);
		expect(text).toMatch(/^removed +1-2 \(in memory, no file written\)$/m);
		expect(text).toMatch(/^scored +25,600 tokens in 100 windows of 512$/m);
		expect(text).not.toContain("against");
	});

	it("evaluate shows how far a model is from a reference", () => {
		const figure = (mean: number) => ({ mean, standardError: 0.01, low: mean - 0.02, high: mean + 0.02 });
		const result = {
			...{ model: "m.gguf", text: "t.txt", preset: "full" as const, windowLength: 512, removed: [1] },
			...{ perplexity: 40, perplexityError: 0.2, loss: 3.7, tokens: 25_600, windows: 100, seconds: 5 },
			against: {
				...{ model: "m.gguf", perplexity: 33, perplexityError: 0.1, loss: 3.5 },
				...{ divergence: figure(0.25), agreement: figure(0.75), difference: figure(0.2), ratio: figure(1.22) },
			},
		};
		const text = evaluateText(result, {});
		expect(text).toMatch(/^against +the original model$/m);
		expect(text).toMatch(/^ +KL divergence +0\.25000 ± 0\.01000 nats per token \(95 % 0\.23000 to 0\.27000\)$/m);
		expect(text).toMatch(/^ +same top token +75\.00 ± 1\.00 % \(95 % 73\.00 to 77\.00\)$/m);
		expect(text).toMatch(/^ +loss difference +\+0\.20000 ± 0\.01000 nats per token/m);
		expect(text).toMatch(/^ +perplexity ratio +x 1\.2200 ± 0\.0100/m);
		expect(evaluateText({ ...result, against: { ...result.against, model: "o.gguf" } }, {})).toMatch(/^against +o\.gguf$/m);
	});

	it("evaluate shows accuracies, and what changes beside another model", () => {
		const accuracy = (correct: number) => ({ value: correct / 200, correct, standardError: 0.0349 });
		const report = { accuracy: accuracy(84), normalizedAccuracy: accuracy(90), goldLoss: 1.05 };
		const difference = { value: -0.04, standardError: 0.0213, gained: 5, lost: 13, pValue: 0.0963 };
		const result = {
			...{ model: "m.gguf", questions: "q.jsonl", format: "jsonl" as const, normalization: "characters" as const },
			...{ removed: [3, 6], count: 200, ...report, truncated: 2, tokens: 9000, answers: [], seconds: 5 },
			against: { model: "m.gguf", ...report, difference, normalizedDifference: { ...difference, pValue: 1e-5 } },
		};
		const text = questionsText(result, {});
		expect(text).toMatch(/^accuracy +42\.00 ± 3\.49 % \(84 correct\)$/m);
		expect(text).toMatch(/^accuracy by characters +45\.00 ± 3\.49 % \(90 correct\)$/m);
		expect(text).toMatch(/^against +the original model$/m);
		expect(text).toMatch(/^ {2}accuracy +42\.00 .*; change -4\.00 ± 2\.13 % \(5 gained, 13 lost; McNemar p 0\.096\)$/m);
		expect(text).toMatch(/McNemar p < 0\.001\)$/m);
		expect(text).toMatch(/^shortened +2 choices/m);
		expect(questionsText({ ...result, against: undefined }, {})).not.toContain("McNemar");
	});

	it("speed says what changed, or that it cannot be measured here", () => {
		const spread = (median: number) => ({ median, low: median - 1, high: median + 1 });
		const side = (generation: number) => ({
			...{ prompt: spread(200), generation: spread(generation) },
			...{ memory: 2e9, weights: 1e9, compute: 5e8, kvCache: 5e8, file: 1e9 },
		});
		const speed = {
			...{ before: side(40), after: side(50), context: 4096, promptTokens: 512, generatedTokens: 64, repetitions: 5, threads: 2 },
			...{ backend: "CPU", through: "mask" },
			ratio: {
				prompt: { value: 1.01, interval: { low: 0.98, high: 1.04 } },
				generation: { value: 1.25, interval: { low: 1.21, high: 1.29 } },
			},
		};
		const result = { model, removed: [1, 2], speed, seconds: 20 } as unknown as Parameters<typeof speedResultText>[0];
		const text = speedResultText(result, {});
		expect(text).toContain("Generation is 1.25 times as fast; reading a prompt: no difference that can be measured here.\n");
		expect(text).toMatch(/^ +original +pruned +change \(95 % interval\)$/m);
		expect(text).toMatch(/^prompt \(tokens\/s\) .* not measurable here \(0\.98 to 1\.04\)$/m);
		expect(text).toMatch(/^generation \(tokens\/s\) .* x 1\.25 \(1\.21 to 1\.29\)$/m);
		expect(text).toContain("CPU, 2 threads; memory for 4,096 tokens of context.\n");
	});

	it("inspect says what can go, and why nothing can", () => {
		const base = {
			...model,
			files: ["m.gguf"],
			maxRemovable: 3,
			proof: "bits" as const,
			halfBlockCuts: { allowed: true },
			attentionParts: { allowed: true },
			frozen: [{ block: 0, reason: "it reads the input" }],
			types: { F32: 1, Q8_0: 9 },
		};
		const text = inspectText({ ...base, support: "exact" }, {});
		expect(text).toMatch(/^removable +up to 3 of 4 blocks$/m);
		expect(text).toMatch(/^tensors +9 Q8_0, 1 F32$/m);
		expect(text).toMatch(/^block 0 +cannot be removed: it reads the input$/m);
		expect(text).toMatch(/^half-block cuts +possible$/m);
		expect(text).toMatch(/^attention alone +possible$/m);
		expect(inspectText({ ...base, support: "exact", withoutAttention: [1, 2] }, {})).toMatch(/^without attention +blocks 1-2$/m);
		const parallel = { allowed: false, reason: "one norm feeds both parts" };
		expect(inspectText({ ...base, halfBlockCuts: parallel, support: "exact" }, {})).toMatch(
			/^half-block cuts +not possible: one norm feeds both parts$/m,
		);
		expect(text).not.toContain("groups");
		const units = [[0, 1, 2, 3], [4, 5, 6, 7], [8]];
		expect(inspectText({ ...base, units, support: "exact" }, {})).toMatch(/^removed in groups +0-3, 4-7, 8$/m);
		expect(inspectText({ ...base, support: "exact", proof: "source" }, {})).toMatch(/^removable +up to 3 of 4 blocks; .*only if.*proven/m);
		expect(inspectText({ ...base, support: "refused", reason: "its blocks are looped" }, {})).toMatch(
			/^removable +none: its blocks are looped$/m,
		);
	});

	it("apply tells what was removed and proven, what was not measured, and how to run the file", () => {
		const measure = "prune-gguf evaluate o.gguf --text FILE --against m.gguf";
		const applied = { model, removed: [2], output, seconds: 2 };
		const text = applyText({ ...applied, commands: ["llama-cli -m o.gguf", measure] }, {});
		expect(text.split("\n").slice(-4)).toEqual([
			"Time: 2.0 s",
			`This command measured no quality: ${measure}`,
			"Run it: llama-cli -m o.gguf",
			"",
		]);
		expect(applyText({ ...applied, commands: ["llama-cli -m o.gguf"] }, {})).not.toContain("not measured");
		expect(text).toMatch(
			/^Removed 1 of 4 blocks: 2\.\n[\s\S]*\nfile size +4\.0 MB +3\.0 MB +-25\.0 %\n\nFile: o\.gguf \(3\.0 MB\)\nVerified: same losses, bit for bit\n/,
		);
	});

	it("runs lists ledgers and plans, and what was deleted", () => {
		const lastUsed = new Date(0);
		const ledger = {
			path: "/c/x.ledger.jsonl",
			size: 2000,
			lastUsed,
			candidates: 1234,
			players: 4,
			windows: { count: 1, length: 8 },
			inUse: false,
		};
		const folder: RunFolder = {
			path: "/c",
			model: "m-0123",
			size: 2100,
			candidates: 1234,
			lastUsed,
			ledgers: [ledger, { ...ledger, inUse: true }, { ...ledger, damage: "torn" }],
			evaluations: [{ path: "/c/y.evaluation.ledger.jsonl", size: 50, lastUsed, measured: 12, parts: 40, unit: "windows", inUse: false }],
			plans: [{ path: "/c/a.plan.json", size: 100, lastUsed }],
			partials: [{ path: "/c/.a.partial-1-0", pid: 1, size: 300, inUse: false, modified: new Date(0) }],
			leftovers: [{ path: "/c/z.windows.json", size: 400, lastUsed }],
		};
		const text = runsText([folder], new Date(86_400_000), {});
		expect(text).toMatch(/^m-0123 +search results +1,234 +2\.0 kB +1 day ago +\/c\/x\.ledger\.jsonl$/m);
		expect(text).toMatch(/^m-0123 +evaluation +12\/40 +50 B +1 day ago +\/c\/y\.evaluation\.ledger\.jsonl$/m);
		expect(text).toMatch(/^m-0123 +in use +/m);
		expect(text).toMatch(/^m-0123 +damaged +2\.0 kB/m);
		expect(text).toMatch(/^m-0123 +plan +100 B/m);
		expect(text).toMatch(/^m-0123 +leftover +400 B +1 day ago +\/c\/z\.windows\.json$/m);
		expect(text).toMatch(/^m-0123 +unfinished +300 B +\/c\/\.a\.partial-1-0$/m);
		expect(runsText([], new Date(), {})).toBe("The cache is empty.\n");
		expect(cleanText({ deleted: ["/c/a"], freed: 100, inUse: ["/c/b"] })).toBe(
			"deleted /c/a\n1 file deleted, 100 B freed\nkept, because a running process uses it: /c/b\n",
		);
	});
});
