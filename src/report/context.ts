import { amountsOf } from "../notation.js";
import { type FigureText, percentChange } from "./figures.js";
import { formatBytes, formatInteger, formatSignificant } from "./format.js";
import type { Report } from "./report-data.js";

// What a removal saves at the context that the model is used at, the same in the terminal, on the page and in the model card.

type Context = NonNullable<Report["context"]>;
type Seen = NonNullable<Context["seen"]>;

/** Time per generated token, if it was derived, and the KV cache, if the figures of the speed do not hold it for the same context. */
export function contextRows({ context, speed, quality }: Pick<Report, "context" | "speed" | "quality">): FigureText[] {
	if (!context) return [];
	const { milliseconds, kvCache, times } = context;
	const extrapolated =
		times && isExtrapolated({ ...context, ...times }) ? `, extrapolated from ${formatInteger(Math.round(times.measuredAt))} tokens` : "";
	// Times are those of the original's weights, beside figures of the file as written.
	const unquantized = quality?.quantized ? ", before quantizing" : "";
	const at = `at ${formatInteger(context.context)}`;
	const known = speed?.context === context.context && speed.figures.some(({ name }) => name === "kvCache");
	return [
		...(milliseconds
			? [
					{
						...{
							title: `ms per token ${at}${unquantized}`,
							before: formatSignificant(milliseconds.before),
							after: formatSignificant(milliseconds.after),
						},
						...{
							change: `x ${(milliseconds.before / milliseconds.after).toFixed(2)} as fast, derived${extrapolated}`,
							interval: "",
						},
					},
				]
			: []),
		...(known
			? []
			: [
					{
						...{ title: `KV cache ${at}`, before: formatBytes(kvCache.before), after: formatBytes(kvCache.after) },
						...{ change: `${percentChange(kvCache.after / Math.max(1, kvCache.before))} (F16, flash attention)`, interval: "" },
					},
				]),
	];
}

/** Whether a time was measured at clearly fewer tokens than the context has. */
export const isExtrapolated = ({ context, measuredAt }: { readonly context: number; readonly measuredAt: number }): boolean =>
	measuredAt < 0.9 * context;

/** Times of one type of weights. */
interface TimesOfType {
	readonly name: string;
	readonly context: number;
	readonly measuredAt: number;
}

/** What to know of times in several types of weights. @param types the model's own first */
export function timesNotes(types: readonly TimesOfType[]): string[] {
	const far = types.filter(isExtrapolated).map(({ name, measuredAt }) => `${name} from ${formatInteger(Math.round(measuredAt))}`);
	const [own, ...others] = types;
	return [
		...(own && far.length > 0
			? [`Times at ${formatInteger(own.context)} tokens of context are extrapolated in a straight line: ${far.join(", ")} tokens.`]
			: []),
		...(own && others.length > 0
			? [
					`Times of ${others.map(({ name }) => name).join(", ")} were measured at another moment than those of the original weights (${own.name}), not in turns with them. How exact a speed-up of one type over another is, is not known.`,
				]
			: []),
	];
}

/** Which positions of a split count. */
export const positionsText = ({ scoreFrom }: Pick<Seen, "scoreFrom">): string => `positions from ${formatInteger(scoreFrom)} on`;

/** What a frontier's figures are of. @param timed whether times are known */
export function frontierNote({ context, seen }: { readonly context: number; readonly seen?: Seen | undefined }, timed: boolean): string {
	const what = timed ? "Time and KV cache are those" : "The KV cache is that";
	const losses = seen
		? ` Losses on the validation and held-out splits are of ${positionsText(seen)} of windows of ${formatInteger(seen.windowLength)} tokens.`
		: "";
	return `${what} at a context of ${formatInteger(context)} tokens.${losses}`;
}

/** How these figures came about, and what the search saw. */
export function contextNotes({ context, removal, reproduce }: Pick<Report, "context" | "removal" | "reproduce">): string[] {
	if (!context) return [];
	const { times, seen, kvCache } = context;
	const alone = amountsOf(removal?.removed ?? []).attentions > 0;
	const shown = reproduce.calibration.find(({ split }) => split === "heldOut")?.length ?? Number.POSITIVE_INFINITY;
	const far =
		times && isExtrapolated({ ...context, ...times })
			? `, at ${formatInteger(Math.round(times.measuredAt))} tokens. What grows with the context is extrapolated from there in a straight line, by a factor of ${formatSignificant(context.context / times.measuredAt)}`
			: "";
	return [
		...(times
			? [
					`Time per token is derived from measured times of the original model with all and with half of its blocks${far}. ` +
						`An attention part takes ${formatSignificant(1000 * times.attention)} ms there, a feed-forward part ${formatSignificant(1000 * times.feedForward)} ms. ` +
						"prune-gguf speed measures two files.",
				]
			: []),
		...(kvCache.after < kvCache.before
			? [
					`The KV cache is counted in F16.${alone ? " Without flash attention, llama.cpp keeps the values of blocks without attention too, so about half of what attention parts save is lost." : ""}`,
				]
			: []),
		...(seen
			? [
					`The search saw ${seen.windows} windows of ${formatInteger(seen.windowLength)} tokens and scored their ${positionsText(seen)}. Figures of the held-out split are of all positions of windows of this length.`,
				]
			: []),
		...(alone && !seen && shown < context.context
			? [
					`Losses are of all positions of windows of ${formatInteger(shown)} tokens. Attention matters more later in a text: --window-length sees more of the context.`,
				]
			: []),
	];
}
