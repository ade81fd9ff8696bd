import * as v from "valibot";
import {
	alternatives,
	blockList,
	collapse,
	context,
	heal,
	interval,
	limits,
	loss,
	natural,
	number,
	positive,
	samples,
	says,
	speed,
	text,
	textCheck,
} from "./report-sections.js";

/** `format` of every report. */
export const REPORT_FORMAT = "prune-gguf-report";
/** Version that this program writes. */
export const REPORT_VERSION = 2;

const sha256 = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "expected a SHA-256: 64 lower-case hexadecimal digits"));
const setting = v.union([v.string(), v.number(), v.boolean(), v.null()]);
const settings = v.record(v.string(), v.union([setting, v.array(setting)]));
const option = v.union([setting, v.array(setting)]);
const options = v.record(v.string(), v.union([option, v.record(v.string(), v.union([option, v.record(v.string(), v.number())]))]));

/** How much quality was paid, by the loss added on the held-out split. */
export const trades = ["sensible", "costly", "damaged", "broken"] as const;

const verdict = v.strictObject({
	headline: says(text, "What was done, in one sentence."),
	trade: v.optional(
		says(
			v.picklist(trades),
			"`sensible`: at most 0.1 nats per token added. `costly`: less than ln 2, or sample texts that are newly wrong. `damaged`: ln 2 or more, so perplexity doubles. `broken`: no finite loss. Missing if nothing was chosen.",
		),
	),
	reason: says(text, "The verdict with its reason, in words."),
	advice: v.optional(says(v.array(text), "What to do instead, sentence by sentence; missing if the trade is sensible.")),
});

const block = v.strictObject({
	block: natural,
	state: says(
		v.picklist(["removed", "kept", "critical", "frozen", "attention", "feed-forward"]),
		"`critical`: its removal alone costs too much; `frozen`: never a candidate, by a rule of the architecture. `attention`, `feed-forward`: only that part is kept, by a half-block cut.",
	),
	reason: v.optional(says(text, "Why it is critical or frozen.")),
	importance: v.optional(says(number, "Higher is more needed; in the unit of the section.")),
	interval: v.optional(interval),
});

const figure = v.strictObject({
	name: says(
		text,
		"`loss`, `perplexity`, `kl`, `agreement`, `accuracy`, `normalizedAccuracy`, `goldLoss`, `blocks`, `parameters`, `bytes`; others may come.",
	),
	unit: v.picklist(["nats per token", "nats per question", "perplexity", "share", "count", "bytes"]),
	before: loss,
	after: loss,
	change: says(loss, "After - before; of perplexity, parameters and bytes after / before."),
	isRatio: says(v.boolean(), "Whether `change` is a ratio."),
	standardError: v.optional(says(number, "Standard error of the change, paired by window.")),
	interval: v.optional(interval),
});

const losses = { before: loss, after: loss, difference: loss, standardError: loss };

const quality = v.strictObject({
	text: says(text, "Where the text came from that the figures are measured on."),
	tokens: says(natural, "Tokens scored."),
	figures: v.array(figure),
	quantized: v.optional(
		says(
			v.strictObject({
				type: says(text, "Type of the file, as llama.cpp names it."),
				from: v.optional(says(text, "File whose weights were quantized, if that is not the original model.")),
			}),
			"If the written file is quantized: `figures` are those of the file as written; `splits` and `sources` say what the removal alone costs.",
		),
	),
	splits: says(
		v.array(v.strictObject({ split: text, ...losses })),
		"Losses of the removal on each split, nats per token: what was searched on, decided on, and left unseen.",
	),
	sources: v.optional(
		says(
			v.array(v.strictObject({ name: text, weight: number, ...losses })),
			"If there are several calibration texts: each, in the metric.",
		),
	),
});

const curve = v.strictObject({
	metric: says(v.picklist(["loss", "kl", "accuracy"]), "Metric that was minimized."),
	context: v.optional(says(positive, "Tokens of context that time and KV cache of the points are of.")),
	series: v.array(
		v.strictObject({
			method: says(text, "Who proposed the candidates."),
			split: says(
				v.picklist(["search", "validation"]),
				"Text that they are measured on. The final comparison decided on `validation`, and on more text like it if candidates were tied.",
			),
			points: v.array(
				v.strictObject({
					removed: blockList,
					loss: loss,
					added: says(loss, "Added to that of the original model, nats."),
					standardError: v.optional(says(number, "Standard error of the added loss, paired by window.")),
					interval: v.optional(interval),
					bytes: v.optional(says(natural, "Size of the file without these blocks.")),
					milliseconds: v.optional(says(number, "Per generated token at the context, before quantizing, derived from measured times.")),
					kvCache: v.optional(says(natural, "Bytes of keys and values at the context, in F16 with flash attention.")),
					chosen: v.optional(says(v.boolean(), "Whether this is the candidate that was chosen or suggested.")),
				}),
			),
		}),
	),
});

const interactions = v.array(
	v.strictObject({
		blocks: says(v.strictTuple([natural, natural]), "The two blocks; if blocks are removed together, the first of them."),
		units: v.optional(says(v.strictTuple([blockList, blockList]), "All blocks of both, if one of them goes with others.")),
		value: says(
			number,
			"What removing both costs beyond removing each alone, in log(1 + added nats). Above 0 the two are redundant; below 0 they need each other.",
		),
		standardError: v.optional(number),
	}),
);

const surrogate = v.strictObject({
	name: text,
	trainCandidates: natural,
	heldOutCandidates: natural,
	r2: says(loss, "Coefficient of determination on candidates that it did not see when it predicted them."),
	spearman: says(loss, "Rank correlation on the same candidates."),
	details: v.record(v.string(), loss),
	trusted: v.optional(says(v.boolean(), "Whether its proposals were used.")),
	forecasts: v.optional(
		says(
			v.array(v.strictObject({ removed: natural, forecast: number, low: number, high: number, measured: number })),
			"Candidates that it proposed: added nats per token as forecast with a 90 % interval, and as measured; `removed` counts blocks.",
		),
	),
});

const disagreement = v.strictObject({
	source: text,
	chosen: blockList,
	better: blockList,
	by: number,
	standardError: number,
	worseOverall: number,
});

const reproduce = v.strictObject({
	command: says(text, "With the settings that the run chose for the machine."),
	asked: says(v.optional(text), "The same without these settings: what was asked for. Missing if it is the same command."),
	seed: v.nullable(natural),
	options: says(options, "Options of `pruneGguf`, nested as there, that decide on the result."),
	granularity: says(
		v.optional(v.strictObject({ used: v.picklist(["block", "half-block", "attention"]), reason: text })),
		"Whether the search removed whole blocks only, half-block cuts too, or attention parts alone, and why. Missing if the blocks were named.",
	),
	calibration: v.array(
		v.strictObject({
			...{ split: text, source: text, sha256, windows: positive, length: positive },
			kinds: says(
				v.optional(v.array(v.strictObject({ kind: text, windows: positive }))),
				"If the text is self-generated: windows of each kind, such as `document`, `chat` and `news`. Missing if an earlier version drew it.",
			),
			drawn: says(
				v.optional(v.strictObject({ positions: positive, of: positive, standardError: v.optional(v.nullable(v.number())) })),
				"If the search scored drawn positions only: how many of how many, and the standard error of the original model's loss on them, nats per token.",
			),
		}),
	),
	versions: says(v.record(v.string(), text), "Versions of prune-gguf, llama.cpp and Node.js."),
	backend: text,
	machine: says(settings, "Settings of the machine that can change bits."),
	system: says(v.strictObject({ platform: text, processor: text, cores: natural }), "Where it ran."),
});

export const reportSchema = v.strictObject({
	format: v.literal(REPORT_FORMAT),
	version: v.literal(REPORT_VERSION),
	created: says(text, "ISO 8601."),
	verdict,
	model: v.strictObject({
		name: says(text, "File name, without folders."),
		sha256,
		architecture: text,
		blocks: positive,
		parameters: natural,
		bytes: natural,
	}),
	output: v.optional(
		says(
			v.strictObject({ name: text, parameters: natural, bytes: natural, verification: text }),
			"The file that was written; missing if none was.",
		),
	),
	removal: v.optional(
		says(
			v.strictObject({
				removed: blockList,
				kept: positive,
				architecture: v.optional(
					says(
						text,
						"Architecture of the pruned model in llama.cpp, if removing attention parts changes it: LoRA adapters of the original model do not load then.",
					),
				),
				method: says(text, "Who proposed the candidate."),
				finalComparison: v.optional(
					says(
						v.strictObject({ by: v.picklist(["metric", "divergence"]), further: v.array(v.strictObject({ sets: positive })) }),
						"What decided between candidates of the same size: the metric or the divergence from the original model, on the validation split and on so many further parts of its size. Missing if there were no two.",
					),
				),
				tied: v.optional(
					says(
						v.array(
							v.strictObject({
								removed: blockList,
								method: text,
								above: number,
								standardError: number,
								windows: v.optional(positive),
								by: v.optional(v.literal("divergence")),
							}),
						),
						"Candidates that tied with it: 0 is in the 95 % interval of the difference, paired by window, or they are ahead. `above` is how much higher their loss is, nats, on so many `windows` of the validation split and of further text like it. It is below 0 for one that is ahead there. The chosen one is better by all that was measured then, or is taken since a half-block cut is not better by more than the error. With `by`, it is how much more they diverge from the original model.",
					),
				),
			}),
			"Missing if nothing said how much to remove.",
		),
	),
	blocks: v.strictObject({
		estimator: v.optional(says(text, "How the importance of blocks was estimated.")),
		unit: v.optional(
			says(
				v.picklist(["nats", "value", "log-nats", "score"]),
				"Unit of importance. `nats`: per token that the removal alone adds. `value`: the share in v = PPL(original) / PPL(kept). `log-nats`: the share in log(1 + added nats). `score`: a baseline's own.",
			),
		),
		list: says(v.array(block), "Every block, in order."),
		shiftedPairs: v.optional(
			says(
				v.array(v.strictObject({ removed: blockList, added: number, interval: v.optional(interval) })),
				"With half-block cuts: the pairs of a feed-forward part and the attention part of the next block that were measured alone, in order. `added` is the loss that the removal alone adds on the search split, nats per token.",
			),
		),
	}),
	quality: v.optional(quality),
	curve: v.optional(curve),
	interactions: v.optional(interactions),
	surrogate: v.optional(surrogate),
	disagreements: says(
		v.array(disagreement),
		"Calibration texts on which another candidate is better, on the text of the final comparison.",
	),
	warnings: says(v.array(text), "What the run warned of."),
	notes: v.optional(says(v.array(text), "Remarks of the search, for those who check the run.")),
	speed: v.optional(speed),
	context: v.optional(
		says(context, "Time and KV cache at the context that the model is used at, if one was asked for or attention parts were removed."),
	),
	samples: v.optional(samples),
	textCheck: v.optional(says(textCheck, "What is wrong with the continuations of both models, counted.")),
	collapse: v.optional(collapse),
	heal: v.optional(heal),
	alternatives: v.optional(alternatives),
	limits: v.optional(limits),
	reproduce,
	timings: says(v.array(v.strictObject({ phase: text, seconds: number })), "Seconds by phase, in order."),
	seconds: says(number, "Seconds of the whole run."),
});

/**
 * All that a run has to say: what was removed, what that costs, how it was chosen and how to do it again. The terminal summary, the
 * page, the JSON file and the model card are all made from it. Losses are nats per token; null stands for what is not finite.
 */
export type Report = v.InferOutput<typeof reportSchema>;
/** Sections that other measurements than those of a search fill. */
export type ReportExtras = Partial<Pick<Report, "speed" | "samples" | "textCheck" | "collapse" | "alternatives" | "limits">>;
export type ReportFigure = NonNullable<Report["quality"]>["figures"][number];
export type ReportBlock = Report["blocks"]["list"][number];
export type ReportShiftedPair = NonNullable<Report["blocks"]["shiftedPairs"]>[number];
export type ReportCurve = NonNullable<Report["curve"]>;
export type ReportInteraction = NonNullable<Report["interactions"]>[number];
export type ReportSurrogate = NonNullable<Report["surrogate"]>;
export type ReportAlternatives = NonNullable<Report["alternatives"]>;
export type ReportHeal = NonNullable<Report["heal"]>;
export type ReportSpeed = NonNullable<Report["speed"]>;
export type ReportTextCheck = NonNullable<Report["textCheck"]>;
