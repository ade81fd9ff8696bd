// Speed that is measured again only while it is not clear. Pure: what measures is handed in.
import type { SpeedFigures } from "../../model/runtime/addon.js";
import type { SpeedRatio } from "../../storage/plan-speed.js";
import { ratioOf } from "./figures.js";

/** Half the width of an interval that is narrow, as a share of the ratio. */
const narrow = 0.05;

/** Whether the interval says all that anyone asks of a speed-up. */
export function isNarrow({ value, interval }: SpeedRatio): boolean {
	return interval !== undefined && (interval.high - interval.low) / 2 <= narrow * value;
}

/**
 * Measures two sides once, and again while the interval of one of their ratios is wide. All repetitions count.
 * @param most times at most
 */
export async function untilNarrow(measure: (round: number) => Promise<SpeedFigures[]>, most: number): Promise<SpeedFigures[]> {
	let found = await measure(0);
	for (let round = 1; round < most && !isClear(found); round++) {
		const again = await measure(round);
		found = found.map((side, i) => pooled(side, again[i]!));
	}
	return found;
}

function isClear([before, after]: readonly SpeedFigures[]): boolean {
	if (!before || !after) return true;
	return (["promptSeconds", "generationSeconds"] as const).every((name) => isNarrow(ratioOf(before[name], after[name])));
}

function pooled(one: SpeedFigures, other: SpeedFigures): SpeedFigures {
	const all = (name: "promptSeconds" | "generationSeconds") => Float64Array.from([...one[name], ...other[name]]);
	return { ...one, promptSeconds: all("promptSeconds"), generationSeconds: all("generationSeconds") };
}
