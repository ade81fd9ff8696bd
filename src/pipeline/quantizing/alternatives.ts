// Pruning beside what it competes with: the original model, quantized to the same size.
import { stat } from "node:fs/promises";
import { basename } from "node:path";
import type { SourceShare } from "../../game/sources.js";
import type { HealedTensor } from "../../model/fitting/tensors.js";
import { figuresOf, lower, type Measured, finiteMean, pairedDifference } from "../session/paired-figures.js";
import type { ModelWeights } from "../writing/quantize-weights.js";
import { amountsOf, askedAmount } from "../../notation.js";
import { References } from "./reference-logits.js";
import { formatBytes, formatDifference } from "../../report/format.js";
import { damagingLoss } from "../../report/trade.js";
import { isQuantized, predictedBytes } from "../../model/runtime/file-types.js";
import type { FileType } from "../../model/runtime/quantize.js";
import type { TokenWindows } from "../../model/runtime/windows.js";
import type { MeanAndError, ModelFigures, QuantizedAlternative, QuantizedAlternatives } from "../../storage/plan-quantized.js";
import { Variant, type VariantSetting } from "./variants.js";
import { measuredOf, measureFile } from "../writing/write-quantized.js";
import type { ComparedSettings, LoadSettings, QuantizeSettings } from "../../api/options/settings.js";

/** Types that a user would take without an importance matrix; of those of one size the first is the better one. */
export const alternativeTypes: readonly FileType[] = [
	...(["BF16", "Q8_0", "Q6_K", "Q5_K_M", "Q5_K_S", "Q4_K_M", "Q4_K_S"] as const),
	...(["IQ4_NL", "IQ4_XS", "Q3_K_L", "Q3_K_M", "Q3_K_S", "IQ3_M", "Q2_K"] as const),
];

/** Files that differ by less than this share are of one size. */
const sameSize = 0.01;

/**
 * The types whose files come next to a size: the largest that is not above it, and the smallest that is, if it is smaller than the
 * model itself. By the header only.
 */
export function typesAround({ file }: Pick<ModelWeights, "file">, bytes: number): FileType[] {
	const sizes = alternativeTypes.map((type) => ({ type, size: predictedBytes(file, type) })).filter(({ size }) => size < file.size);
	const fits = (size: number) => size <= bytes * (1 + sameSize);
	const below = sizes
		.filter(({ size }) => fits(size))
		.reduce<(typeof sizes)[number] | undefined>((a, b) => (a && a.size >= b.size ? a : b), undefined);
	const above = sizes
		.filter(({ size }) => !fits(size))
		.reduce<(typeof sizes)[number] | undefined>((a, b) => (a && a.size <= b.size ? a : b), undefined);
	return [above, below].flatMap((found) => (found ? [found.type] : []));
}

/** A version that is smaller by more than this share is not of about the same size. */
const nearSize = 0.05;

/** What comparing with them reads. */
export type AlternativesSettings = ComparedSettings & VariantSetting<"heldOut">["options"] & Pick<QuantizeSettings, "quantize">;

/** What is compared. */
export interface AlternativesJob {
	/** The model that was pruned, and the original that `quantizeFrom` names. */
	readonly source: ModelWeights;
	readonly original?: ModelWeights | undefined;
	readonly removed: readonly number[];
	/** The quantized file where the pruned model was quantized; without it the pruned source counts. */
	readonly written?: string | undefined;
	/** Matrices that the pruned source was healed with, and what they were fitted to. */
	readonly healed?: { readonly key: string; readonly tensors: readonly HealedTensor[] } | undefined;
	readonly windows: TokenWindows;
	readonly sources?: readonly SourceShare[] | undefined;
	readonly folder: string;
	readonly settings: VariantSetting<"heldOut">["settings"];
}

/**
 * Quantizes the original model to about the size of the pruned one and measures both on the same windows, beside the original model: the
 * original where there is one. Copies are made in the run's folder and deleted; what is measured is kept, so that a run that is stopped
 * goes on.
 * @throws QuantizeError, NoSpaceError, NotEnoughMemoryError and the errors of loading and measuring
 */
export async function compareQuantized(job: AlternativesJob, options: AlternativesSettings): Promise<QuantizedAlternatives> {
	const { source, original, removed, sources, windows } = job;
	const whole = original ?? source;
	const named = { heldOut: windows };
	const references = new References(whole, named, options);
	const setting: VariantSetting<"heldOut"> = { folder: job.folder, windows: named, settings: job.settings, references, options };
	const own = await measureOwn(job, setting);
	const written = job.written === undefined ? undefined : await measureWritten(job.written, references, job, options);
	const [full, pruned] = [own.full, written ?? own.pruned!];
	const { bytes } = pruned;
	const items: QuantizedAlternative[] = [];
	for (const type of typesAround(whole, bytes)) {
		const variant = await measured(type, whole, setting, [[]]);
		const found = variant.masks[0]!;
		items.push({
			name: type,
			bytes: variant.bytes[0]!,
			...figuresOf(found, full, sources),
			againstPruned: pairedDifference(pruned, found, sources),
		});
	}
	items.sort((a, b) => b.bytes - a.bytes);
	const sourceQuantized = isQuantized(whole.file);
	const kind = job.healed ? "pruned and healed" : "pruned";
	const name = written && options.quantize ? `${kind}, ${options.quantize}` : kind;
	const prunedFigures = { name, bytes, ...figuresOf(pruned, full, sources) };
	return {
		reference: { name: basename(whole.path), sha256: whole.sha256, bytes: whole.file.size, loss: finiteMean(full.losses, sources) },
		sourceQuantized,
		pruned: prunedFigures,
		items,
		verdict: alternativesVerdict({
			removed,
			pruned: prunedFigures,
			items,
			sourceQuantized,
			windows: windows.count,
			blocks: source.blocks.blocks,
		}),
	};
}

async function measured(
	type: FileType | "own",
	weights: ModelWeights,
	setting: VariantSetting<"heldOut">,
	sets: readonly (readonly number[])[],
) {
	const variant = await Variant.open(type, weights, setting);
	try {
		return { masks: await variant.measure("heldOut", sets), bytes: sets.map((set) => variant.bytes(set)) };
	} finally {
		await variant.close();
	}
}

/**
 * The original model, which is the original where there is one, and the source without the blocks where no file of it was written: with
 * its healed matrices, where it has some.
 */
async function measureOwn(
	{ source, original, removed, written, healed }: AlternativesJob,
	setting: VariantSetting<"heldOut">,
): Promise<{ full: Measured; pruned?: Measured & { bytes: number } }> {
	const other = original && (await measured("own", original, setting, [[]])).masks[0]!;
	if (other && written !== undefined) return { full: other };
	const variant = await Variant.open("own", source, setting);
	try {
		const full = other ?? (await variant.measure("heldOut", [[]]))[0]!;
		if (written !== undefined) return { full };
		const [mask] = healed
			? await variant.measureHealed("heldOut", [removed], { key: healed.key, tensors: async () => healed.tensors })
			: await variant.measure("heldOut", [removed]);
		const types = new Map(healed?.tensors.map(({ name, type }) => [name, type]));
		return { full, pruned: { ...mask!, bytes: variant.bytes(removed, types) } };
	} finally {
		await variant.close();
	}
}

async function measureWritten(
	path: string,
	references: References<"heldOut">,
	{ settings, windows }: AlternativesJob,
	options: LoadSettings,
): Promise<Measured & { bytes: number }> {
	const reference = await references.of("heldOut");
	const evaluation = await measureFile(
		path,
		{ windows, reference, threads: Number(settings.threads) },
		"measuring the pruned file",
		options,
	);
	const { size } = await stat(path);
	return { ...measuredOf(evaluation), bytes: size };
}

interface Judged {
	readonly removed: readonly number[];
	readonly pruned: ModelFigures & { readonly bytes: number };
	readonly items: readonly QuantizedAlternative[];
	readonly sourceQuantized: boolean;
	/** Windows that the figures were taken over. */
	readonly windows: number;
	readonly blocks: number;
}

type Compared = Pick<Judged, "pruned" | "items" | "windows">;

/** Said where removing blocks damages the model, and nothing that was measured is better at its size. */
const bothPoor = "Both are poor at this size: choose a larger file";

/** What removing also saves, which no type of weights does. */
function alsoSaved(removed: readonly number[], all: number): string {
	const { blocks } = amountsOf(removed);
	if (blocks === 0) return " Removing attention parts also leaves a smaller KV cache.";
	return ` Removing blocks also leaves ${Math.round((100 * blocks) / all)} % fewer blocks to run, and a smaller KV cache.`;
}

/** Which is better at equal size or less, by the 95 % interval of the paired difference of the losses. What is damaged is not praised. */
export function alternativesVerdict({
	removed,
	pruned,
	items,
	sourceQuantized,
	windows,
	blocks,
}: Judged): QuantizedAlternatives["verdict"] {
	const cost = `Removing ${askedAmount(removed).words} (${formatBytes(pruned.bytes)}) adds ${added(pruned.added)} nats per token`;
	const share = alsoSaved(removed, blocks);
	const twice = sourceQuantized
		? " The input was quantized already, so these types are quantized twice, which flatters pruning: --quantize-from ORIGINAL compares fairly."
		: "";
	const equal = items.filter((item) => item.bytes <= pruned.bytes * (1 + sameSize)).sort((a, b) => order(a) - order(b));
	const [best] = equal;
	if (!best) return { better: "undecided", text: `${noneThatSmall({ pruned, items, windows }, cost)}${twice}` };
	const against = { against: best.name };
	const both = `${cost}; quantizing to ${best.name} (${formatBytes(best.bytes)}) adds ${added(best.added)}.`;
	const winner = lower(best.againstPruned, windows);
	const poor = isPoor(pruned);
	if (winner === "second") {
		const text = isPoor(best)
			? "Quantizing is better, but both are poor at this size: choose a larger file."
			: "Quantizing is the better way to this size.";
		return { better: "quantizing", ...against, text: `${both} ${text}${poor ? "" : share}${twice}` };
	}
	if (winner === "first") return { ...against, ...prunedWins({ pruned, items, windows }, best, { both, twice }) };
	const damaged = isPoor(best) ? bothPoor : "Pruning is poor at this size: choose a larger file";
	return { better: "undecided", ...against, text: `${both} The two are statistically tied.${poor ? ` ${damaged}.` : share}${twice}` };
}

/** The next larger version stands for those that were not tried. */
function noneThatSmall({ pruned, items, windows }: Compared, cost: string): string {
	const none = `${cost}. No quantization type that was tried is that small.`;
	const smallest = items.at(-1);
	if (!smallest) return isPoor(pruned) ? `${none} The model is damaged: choose a larger file.` : none;
	const more = Math.round(100 * (smallest.bytes / pruned.bytes - 1));
	const next = `${none} ${smallest.name} (${formatBytes(smallest.bytes)}, ${more} % larger) adds ${added(smallest.added)}`;
	if (lower(smallest.againstPruned, windows) === "second" && !isPoor(smallest)) return `${next}: quantize if that size will do.`;
	if (!isPoor(pruned)) return `${next}.`;
	return `${next}. ${isPoor(smallest) ? "Both are poor" : "Pruning is poor at this size"}: choose a larger file.`;
}

/** Pruning beats the largest version that is not larger; one that is much smaller says little about this size. */
function prunedWins(
	{ pruned, items, windows }: Compared,
	best: QuantizedAlternative,
	{ both, twice }: { readonly both: string; readonly twice: string },
): Pick<QuantizedAlternatives["verdict"], "better" | "text"> {
	const smaller = 1 - best.bytes / pruned.bytes;
	const better = isPoor(pruned) ? bothPoor : "Pruning is the better way to this size";
	if (smaller <= nearSize) return { better: "pruning", text: `${both} ${better}.${twice}` };
	const gap = `${both} That file is ${Math.round(100 * smaller)} % smaller than the pruned one`;
	const next = items.filter(({ bytes }) => bytes > pruned.bytes * (1 + sameSize)).at(-1);
	if (!next) return { better: "pruning", text: `${gap}, and no larger type was tried. ${better}.${twice}` };
	const larger = `The next larger type, ${next.name} (${formatBytes(next.bytes)}), adds ${added(next.added)}`;
	if (lower(next.againstPruned, windows) === "second") {
		const advice = isPoor(next) ? `less than pruning. ${bothPoor}` : "less than pruning: quantize if that size will do";
		return { better: "undecided", text: `${gap}. ${larger}, ${advice}.${twice}` };
	}
	return { better: "pruning", text: `${gap}. ${larger}. ${better}.${twice}` };
}

/** Whether so much is added that the model counts as damaged, or its loss is not finite. */
const isPoor = ({ added: { mean } }: Pick<ModelFigures, "added">) => mean === null || mean >= damagingLoss;
const added = ({ mean, standardError }: MeanAndError) => formatDifference(mean, standardError).replace(/^\+/, "");
const order = ({ loss }: ModelFigures) => loss.mean ?? Number.POSITIVE_INFINITY;
