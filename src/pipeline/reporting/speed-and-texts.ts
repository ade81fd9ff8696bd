// The sections of a report on speed and on texts, from what was measured. Nothing is measured here.
import { type CollapseKind, type ContinuationPair, checkPairs, distinctShare, type Mark } from "../../model/evaluation/collapse.js";
import { sampledTemperature, writtenTokens } from "../../model/evaluation/continuations.js";
import type { Report, ReportSpeed, ReportTextCheck } from "../../report/report-data.js";
import { worseTexts } from "../../report/trade.js";
import type { PlanSpeed, SpeedSideFigures } from "../../storage/plan-speed.js";

/** What of a pair's speed a report shows; undefined where one model was measured alone. */
export function speedData(speed: PlanSpeed): ReportSpeed | undefined {
	const { before, after, ratio, context } = speed;
	if (!after || !ratio) return undefined;
	const rate = (name: "prompt" | "generation") => {
		const side = ({ [name]: { median, low, high } }: SpeedSideFigures) => ({ value: median, low, high });
		const { value, interval } = ratio[name];
		return {
			...{ name, unit: "tokens per second" as const, before: side(before), after: side(after), ratio: value },
			...(interval ? { interval } : {}),
		};
	};
	const size = (name: "memory" | "weights" | "compute" | "kvCache") => ({
		...{ name, unit: "bytes" as const, before: { value: before[name] }, after: { value: after[name] } },
		ratio: before[name] > 0 ? after[name] / before[name] : 1,
	});
	return {
		conditions: conditionsOf(speed),
		context,
		figures: [rate("prompt"), rate("generation"), ...(["memory", "weights", "compute", "kvCache"] as const).map(size)],
	};
}

function conditionsOf({ promptTokens, generatedTokens, repetitions, threads, backend, placement, through }: PlanSpeed): string {
	const how =
		through === "memory"
			? "the original model and the same model without these blocks, which are skipped in memory"
			: "the original file and the pruned model, both in memory";
	const count = (n: number, word: string) => `${n} ${word}${n === 1 ? "" : "s"}`;
	const where = placement ? ` (${[placement.before, ...(placement.after ? [placement.after] : [])].join("; ")})` : "";
	return `${backend}${where}, ${count(threads, "thread")}: ${how}, measured in turns, ${count(repetitions, "repetition")} after one for warming up. A repetition reads ${count(promptTokens, "prompt token")} at once, then generates ${generatedTokens}. Speeds are medians; the change is the median of the ratios of the repetitions.`;
}

const kindWords: Readonly<Record<CollapseKind, string>> = {
	loop: "get stuck in a loop",
	repetition: "repeat themselves",
	script: "change to another script",
	language: "change to another language",
	empty: "are empty",
};

/**
 * Texts side by side with their marks, what they add up to, and what is new; with a line to warn with, where something is.
 * @param shown whether a report page is written, which shows the texts
 */
export function textSections(
	pairs: readonly ContinuationPair[],
	shown: boolean,
): {
	samples: NonNullable<Report["samples"]>;
	textCheck: ReportTextCheck;
	collapse: NonNullable<Report["collapse"]>;
	warning: string | undefined;
} {
	const { kinds, marks, findings } = checkPairs(pairs);
	const texts = pairs.length;
	const names = (list: readonly Mark[]) => list.map(({ kind }) => kind);
	const rate = (kind: CollapseKind) => {
		const { before, after } = kinds.find((one) => one.kind === kind)!;
		return `${after} of ${texts} samples ${kindWords[kind]}, ${before} of the original model's`;
	};
	const distinct = (side: "before" | "after") => pairs.reduce((sum, pair) => sum + distinctShare(pair[side].tokens, 3), 0) / texts;
	const collapse = findings.map(({ kind, pair, detail }) => {
		const { prompt, mode, before, after } = pairs[pair]!;
		return { kind, prompt, before: before.text, after: after.text, message: `${mode}: ${detail}; ${rate(kind)}` };
	});
	const textCheck = {
		conditions: `Each model writes at most ${writtenTokens} tokens after each prompt: once greedily, and once sampled at temperature ${sampledTemperature} with the same seed. A change of language is only looked for if prompt and text have 60 letters or more.`,
		...{ texts, kinds, distinct: { before: distinct("before"), after: distinct("after") } },
	};
	const worse = worseTexts({ collapse, textCheck });
	const where = shown ? "the report shows them beside those of the original model" : "a report shows the texts: --report FILE";
	return {
		samples: pairs.map(({ prompt, mode, before, after }, i) => ({
			...{ prompt, mode, before: before.text, after: after.text },
			marks: { before: names(marks[i]!.before), after: names(marks[i]!.after) },
		})),
		textCheck,
		collapse,
		warning: worse === undefined ? undefined : `${worse}; ${where}`,
	};
}
