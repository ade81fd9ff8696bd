// What a line of progress says.
import { formatBytes, formatInteger } from "../report/format.js";
import type { ProgressEvent } from "./api.js";
import { printable } from "./printable.js";

/**
 * `[2/5] Searching  64/100 candidates, about 40 s (1 min in all)`.
 * @param since seconds since the event came
 * @param grown whether more is measured in the step than was planned when it began: the line says what
 */
export function progressText(event: ProgressEvent, since = 0, grown = false): string {
	const { step, steps, name } = event;
	const details = [amountText(event, grown), timeText(event, since)].filter((part) => part !== "").join(", ");
	const text = `${steps > 1 ? `[${step}/${steps}] ` : ""}${name}${details === "" ? "" : `  ${details}`}`;
	return printable(text).replaceAll(/[\t\n]/g, " ");
}

/** Candidates and questions say what is done, and what for beyond the plan; everything else is named. One candidate is no count. */
function amountText({ name, phase, done, total, unit }: ProgressEvent, grown: boolean): string {
	const named = phase === name ? "" : phase;
	if (total <= 0 || (unit === "candidates" && total <= 1)) return named;
	if (unit === "percent") return [named, ...(done > 0 ? [`${Math.floor((100 * done) / total)} %`] : [])].filter(Boolean).join(", ");
	if (unit === "bytes") return `${named}${named === "" ? "" : ", "}${formatBytes(done)} of ${formatBytes(total)}`;
	const count = `${formatInteger(done)}/${formatInteger(total)} ${unit}`;
	if (grown && named !== "") return `${count}, ${named}`;
	return unit === "tokens" && named !== "" ? `${named}, ${count}` : count;
}

function timeText({ step, steps, secondsLeft, secondsLeftInAll }: ProgressEvent, since: number): string {
	const here = leftText(secondsLeft, since);
	const all = leftText(secondsLeftInAll, since);
	if (all === "") return here === "" ? "" : `about ${here}`;
	if (step === steps) return `about ${all}`;
	return here === "" ? `about ${all} in all` : `about ${here} (${all} in all)`;
}

function leftText(seconds: number | undefined, since: number): string {
	return seconds === undefined || seconds <= since ? "" : roundedTime(seconds - since);
}

/** No more exact than an estimate is: `5 s`, `40 s`, `1 min 30 s`, `12 min`, `2 h 10 min`, `15 h`. */
export function roundedTime(seconds: number): string {
	const to = (step: number) => Math.max(step, Math.round(seconds / step) * step);
	if (to(5) < 60) return `${to(5)} s`;
	if (to(10) < 120) return inMinutes(to(10));
	if (to(60) < 3600) return inMinutes(to(60));
	return to(600) < 36_000 ? inHours(to(600)) : inHours(to(3600));
}

const inMinutes = (seconds: number) => `${Math.floor(seconds / 60)} min${seconds % 60 > 0 ? ` ${seconds % 60} s` : ""}`;
const inHours = (seconds: number) => `${Math.floor(seconds / 3600)} h${seconds % 3600 > 0 ? ` ${(seconds % 3600) / 60} min` : ""}`;

/** Letters that a terminal draws in two columns, and marks that take none. */
const wide =
	/[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u;
const empty = /\p{Mn}|\p{Me}|\p{Cf}/u;

/** The beginning of a text that fits into so many columns. */
export function cut(text: string, columns: number): string {
	let width = 0;
	let shown = "";
	for (const letter of text) {
		width += empty.test(letter) ? 0 : wide.test(letter) ? 2 : 1;
		if (width > columns) break;
		shown += letter;
	}
	return shown;
}
