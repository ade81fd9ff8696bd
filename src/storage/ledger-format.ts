import { createHash } from "node:crypto";
import * as v from "valibot";
import { InvalidLedgerError } from "../errors.js";
import { Coalition, COALITION_KEY } from "../game/coalition.js";
import type { Measurement } from "../game/game.js";
import { ADVICE, checkVersion, formatOf, tryJson } from "./ledger-file.js";
import { shownText } from "./shown-text.js";

/** A setting that can change the bits of a loss (threads, ubatch shape, backend, ...). */
export type LedgerSetting = string | number | boolean | null;

/** What every measurement of a ledger has in common; the first line of the file. */
export interface LedgerHeader {
	/** SHA-256 (hex) over what identifies the game, see {@link ledgerKey}. */
	readonly key: string;
	/** Number of blocks: the length of every mask. */
	readonly players: number;
	/** Calibration windows: how many, and tokens in each. */
	readonly windows: { readonly count: number; readonly length: number };
	/** Settings that can change bits, as they were when the ledger was begun; a resumed run reads them back. */
	readonly settings: Readonly<Record<string, LedgerSetting>>;
	/** When the ledger was begun, ISO 8601. */
	readonly created: string;
}

/** What identifies a game on disk. */
export interface LedgerIdentity {
	/** What identifies the model, usually the SHA-256 of its file. */
	readonly model: string;
	/** SHA-256 over the calibration tokens. */
	readonly windows: string;
	/** Backend that computes the losses, for example "CPU". */
	readonly backend: string;
	/** Settings that can change bits. */
	readonly settings: Readonly<Record<string, LedgerSetting>>;
}

const FORMAT = "prune-gguf-ledger";
const VERSION = 1;
const HEADER_START = `{"format":"${FORMAT}"`;
const NEWLINE = 10;

const count = v.pipe(v.number(), v.integer(), v.minValue(1));
const headerSchema = v.object({
	format: v.literal(FORMAT),
	version: v.literal(VERSION),
	key: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
	players: count,
	windows: v.object({ count, length: count }),
	settings: v.record(v.string(), v.union([v.string(), v.number(), v.boolean(), v.null()])),
	created: v.string(),
});
const lineSchema = v.object({
	mask: v.pipe(v.string(), v.regex(COALITION_KEY)),
	losses: v.array(v.nullable(v.number())),
	figures: v.optional(v.record(v.string(), v.array(v.nullable(v.number())))),
	seconds: v.optional(v.number()),
});

/** SHA-256 (hex) of an identity; the order in which settings are named does not matter. */
export function ledgerKey(identity: LedgerIdentity): string {
	const settings = Object.entries(identity.settings).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
	const canonical = JSON.stringify([FORMAT, VERSION, identity.model, identity.windows, identity.backend, settings]);
	return createHash("sha256").update(canonical).digest("hex");
}

/** The header as the first line of a file. */
export function encodeHeader(header: LedgerHeader): string {
	const { key, players, windows, settings, created } = header;
	return `${JSON.stringify({ format: FORMAT, version: VERSION, key, players, windows, settings, created })}\n`;
}

/**
 * A measurement as a line of a file. JSON numbers round-trip doubles exactly; losses that are not finite become null.
 * @param seconds time that it took beyond the evaluations before it, where known
 */
export function encodeMeasurement(measurement: Measurement, seconds?: number): string {
	const time = seconds === undefined ? {} : { seconds: Math.round(1e4 * seconds) / 1e4 };
	const { coalition, losses, figures } = measurement;
	const more = figures && { figures: Object.fromEntries(Object.entries(figures).map(([name, values]) => [name, Array.from(values)])) };
	return `${JSON.stringify({ mask: coalition.key, losses: Array.from(losses), ...more, ...time })}\n`;
}

/**
 * A measurement as it would come back from disk: losses that are not finite become Infinity and -0 becomes 0,
 * so that a straight run and a resumed one hold the same bits.
 */
export function asStored({ coalition, losses, figures }: Measurement): Measurement {
	const stored = (values: Float64Array) => values.map((value) => (Number.isFinite(value) ? value + 0 : Number.POSITIVE_INFINITY));
	return { coalition, losses: stored(losses), ...(figures ? { figures: mapFigures(figures, stored) } : {}) };
}

function mapFigures<T>(figures: Readonly<Record<string, T>>, change: (values: T) => Float64Array): Record<string, Float64Array> {
	return Object.fromEntries(Object.entries(figures).map(([name, values]) => [name, change(values)]));
}

/** Content of a ledger file. */
export interface ParsedLedger {
	/** Undefined where the file is empty or its very first line is torn: nothing was measured yet. */
	readonly header: LedgerHeader | undefined;
	readonly measurements: readonly Measurement[];
	/** Seconds that the measurements took, oldest first, as far as known. */
	readonly seconds: readonly number[];
	/** Bytes that hold whole lines; what follows is a line torn by a crash, to be cut away. */
	readonly validBytes: number;
}

/**
 * Reads the bytes of a ledger. A torn last line (a run that was killed, a machine that lost power) is tolerated.
 * @throws InvalidLedgerError for any other damage, naming the line
 */
export function parseLedger(bytes: Uint8Array, path: string): ParsedLedger {
	const lines = splitLines(bytes);
	const first = lines[0];
	const nothing = { header: undefined, measurements: [], seconds: [], validBytes: 0 };
	if (!first || (!first.whole && isTornHeader(first.text))) return nothing;
	const header = parseHeader(first.text, path);
	const measurements: Measurement[] = [];
	const seconds: number[] = [];
	let validBytes = first.whole ? first.end : 0;
	for (const [index, line] of lines.entries()) {
		if (index === 0) continue;
		const value = line.whole ? tryJson(line.text) : undefined;
		if (value === undefined && index === lines.length - 1) break;
		const parsed = parseMeasurement(value, header, `${path}, line ${index + 1}`);
		measurements.push(parsed.measurement);
		if (parsed.seconds !== undefined) seconds.push(parsed.seconds);
		validBytes = line.end;
	}
	return first.whole ? { header, measurements, seconds, validBytes } : nothing;
}

/** The header of a ledger's first line. @throws InvalidLedgerError */
export function parseHeader(line: string, path: string): LedgerHeader {
	const value = tryJson(line);
	if (formatOf(value) !== FORMAT) throw new InvalidLedgerError(`${path}, line 1: this file is not a cache of prune-gguf. ${ADVICE}`);
	checkVersion(value, VERSION, path);
	const parsed = v.safeParse(headerSchema, value);
	if (!parsed.success) throw new InvalidLedgerError(`${path}, line 1: damaged header (${describe(parsed.issues[0])}). ${ADVICE}`);
	const { key, players, windows, settings, created } = parsed.output;
	return { key, players, windows, settings, created };
}

/** Characters of what is said of a fault: it may quote the file. */
const MAX_MESSAGE = 200;

function parseMeasurement(value: unknown, header: LedgerHeader, place: string): { measurement: Measurement; seconds: number | undefined } {
	const parsed = v.safeParse(lineSchema, value);
	if (!parsed.success) throw new InvalidLedgerError(`${place}: damaged measurement (${describe(parsed.issues[0])}). ${ADVICE}`);
	const { mask, losses, figures, seconds } = parsed.output;
	if (mask.length !== header.players) {
		throw new InvalidLedgerError(`${place}: a candidate of ${mask.length} blocks in a cache of ${header.players}. ${ADVICE}`);
	}
	if (losses.length !== header.windows.count) {
		throw new InvalidLedgerError(`${place}: ${losses.length} losses in a cache of ${header.windows.count} windows. ${ADVICE}`);
	}
	for (const [name, values] of Object.entries(figures ?? {})) {
		if (values.length !== losses.length)
			throw new InvalidLedgerError(`${place}: ${values.length} values of ${shownText(name)} beside ${losses.length} losses. ${ADVICE}`);
	}
	const numbers = (values: (number | null)[]) => Float64Array.from(values, (value) => value ?? Number.POSITIVE_INFINITY);
	const more = figures ? { figures: mapFigures(figures, numbers) } : {};
	return { measurement: { coalition: Coalition.parse(mask), losses: numbers(losses), ...more }, seconds };
}

function describe(issue: v.BaseIssue<unknown>): string {
	const path = v.getDotPath(issue as v.BaseIssue<unknown>);
	return shownText(path ? `${path}: ${issue.message}` : issue.message, MAX_MESSAGE);
}

function isTornHeader(text: string): boolean {
	return text.startsWith(HEADER_START) || HEADER_START.startsWith(text);
}

interface Line {
	readonly text: string;
	/** Offset of the byte after the line and its newline. */
	readonly end: number;
	/** Whether the newline is there: a line without one may be half written. */
	readonly whole: boolean;
}

function splitLines(bytes: Uint8Array): Line[] {
	const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	const lines: Line[] = [];
	for (let start = 0; start < buffer.length; ) {
		const newline = buffer.indexOf(NEWLINE, start);
		const stop = newline < 0 ? buffer.length : newline;
		const end = newline < 0 ? buffer.length : newline + 1;
		lines.push({ text: buffer.toString("utf8", start, stop), end, whole: newline >= 0 });
		start = end;
	}
	return lines;
}
