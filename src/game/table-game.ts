import { Coalition } from "./coalition.js";
import type { Game, BatchOptions, Measurement } from "./game.js";

/** A game read from a table of measured coalitions; a coalition outside the table is not allowed. */
export class TableGame implements Game {
	readonly players: number;
	readonly frozen: ReadonlyMap<number, string>;
	readonly #table = new Map<string, Measurement>();
	readonly #asked = new Set<string>();

	/** @throws RangeError for an empty table, or coalitions or windows of different length */
	constructor(measurements: Iterable<Measurement>, frozen: ReadonlyMap<number, string> = new Map()) {
		let first: Measurement | undefined;
		for (const measurement of measurements) {
			first ??= measurement;
			if (measurement.coalition.players !== first.coalition.players || measurement.losses.length !== first.losses.length) {
				throw new RangeError(
					`a table holds one game: expected ${first.coalition.players} blocks and ${first.losses.length} windows, ` +
						`got ${measurement.coalition.players} and ${measurement.losses.length} (${measurement.coalition})`,
				);
			}
			this.#table.set(measurement.coalition.key, measurement);
		}
		if (!first) throw new RangeError("a table needs at least one measured coalition");
		this.players = first.coalition.players;
		this.frozen = frozen;
	}

	/**
	 * Reads JSON Lines, one coalition per line: `{"mask": "1011", "nll": mean, "seq": [loss of each window]}`; `nll` alone is one window.
	 * @throws RangeError that names the line for anything else
	 */
	static parse(text: string): TableGame {
		const measurements: Measurement[] = [];
		for (const [index, line] of text.split("\n").entries()) {
			if (line.trim() !== "") measurements.push(parseLine(line, index + 1));
		}
		return new TableGame(measurements);
	}

	/** Number of coalitions in the table. */
	get size(): number {
		return this.#table.size;
	}

	/** Number of distinct coalitions measured so far. */
	get evaluated(): number {
		return this.#asked.size;
	}

	/** Every measured coalition, in the order of the table. */
	all(): Measurement[] {
		return [...this.#table.values()];
	}

	allows(coalition: Coalition): boolean {
		for (const block of this.frozen.keys()) if (!coalition.has(block)) return false;
		return this.#table.has(coalition.key);
	}

	/** @throws RangeError for a coalition outside the table */
	async measure(coalitions: readonly Coalition[], options: BatchOptions = {}): Promise<Measurement[]> {
		options.signal?.throwIfAborted();
		return coalitions.map((coalition) => {
			const measurement = this.#table.get(coalition.key);
			if (!measurement) throw new RangeError(`coalition ${coalition} is not in the table; ask allows() first`);
			this.#asked.add(coalition.key);
			return measurement;
		});
	}
}

function parseLine(line: string, number: number): Measurement {
	const expected = `line ${number}: expected {"mask": "101...", "nll": number, "seq": [numbers]}`;
	let record: { mask?: unknown; nll?: unknown; seq?: unknown };
	try {
		record = JSON.parse(line);
	} catch (cause) {
		throw new RangeError(`${expected}, got no JSON`, { cause });
	}
	const losses = record?.seq ?? [record?.nll];
	if (
		typeof record?.mask !== "string" ||
		!Array.isArray(losses) ||
		losses.length === 0 ||
		!losses.every((loss) => typeof loss === "number")
	) {
		throw new RangeError(`${expected}, got ${line.slice(0, 80)}`);
	}
	return { coalition: Coalition.parse(record.mask), losses: Float64Array.from(losses as number[]) };
}
