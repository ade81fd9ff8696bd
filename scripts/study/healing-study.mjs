// What healing.mjs measures, row by row.
import { mkdir } from "node:fs/promises";
import { basename } from "node:path";
import { codeHash, commit } from "./healing-code.mjs";
import { bytesOf, windowsOf } from "./healing-measures.mjs";
import { fitted, maskOf, methods, raceOf, tuned } from "./healing-methods.mjs";
import { figures, round } from "./healing-rows.mjs";
import { load } from "./lib.mjs";

const { calibrationOf } = await load("pipeline/session/calibration-windows.js");
const { comparedText } = await load("pipeline/healing/reference-text.js");
const { healTextOf, healWindows } = await load("pipeline/healing/text.js");
const { restore } = await load("model/fitting/standing.js");
const { shiftedRuns } = await load("model/fitting/neighbors.js");
const { tuningFigure } = await load("model/fitting/tuning.js");
const { lower, pairedDifference } = await load("pipeline/session/paired-figures.js");
const { formatBlocks } = await load("notation.js");
const { llamaPin } = await load("model/runtime/paths.js");
const { firstWindows, hashWindows } = await load("model/runtime/windows.js");
const { meanAndError } = await load("game/statistics.js");

/** Tokens to fit to in a search, as in the product's race (heal-race.ts). */
const raceTokens = 6400;

const since = (started) => round((Date.now() - started) / 1000, 2);

export class Study {
	#setting;
	#code = codeHash();
	#commit = commit();
	#splits;
	#unpruned;
	#compared;

	/**
	 * @param setting model, evaluator, sha256, seed, windows (judged, of each text), judgedBy (names of the texts, where
	 *   they are not the usual ones), mostSets (that a search heals), rows, texts,
	 *   questions, questionFiles (by key), folder (of drawn text, this study's own: its seconds are true), say
	 */
	constructor(setting) {
		this.#setting = setting;
	}

	/** Draws the splits that choose and decide; measures the unpruned model. */
	async open() {
		const { model, folder, seed } = this.#setting;
		await mkdir(folder, { recursive: true });
		const { splits, seconds } = await this.#timed(
			["splits"],
			async () => (await calibrationOf(model, folder, { seed, by: "study" }, {})).splits,
			({ search, validation }) => [search, validation],
		);
		this.#splits = { ...splits, seconds };
		this.#unpruned = await this.measured([], "unhealed");
	}

	/** Text to fit to. @param source "own", or a file */
	async fitOf(source, tokens) {
		const { model, folder, seed } = this.#setting;
		const text = healTextOf(model, tokens, seed);
		const draw = () =>
			source === "own" ? healWindows(model, folder, text, {}) : windowsOf(model, source, Math.ceil(tokens / text.length), text.length);
		const { splits: windows, seconds } = await this.#timed(["text", basename(source), tokens], draw, (drawn) => [drawn]);
		return { source: basename(source), tokens: windows.tokens.length, seconds, sha256: hashWindows(windows).slice(0, 12), windows };
	}

	/** Draws text, or reads what an earlier run of the study drew, with the seconds that it took then. */
	async #timed(what, draw, windowsIn) {
		const { rows, sha256, seed, say } = this.#setting;
		const started = Date.now();
		const splits = await draw();
		const seconds = since(started);
		const hash = windowsIn(splits).map(hashWindows).join();
		const key = [...what, sha256.slice(0, 12), seed, hash].join("|");
		const known = rows.get(key) ?? rows.put({ key, kind: "text", seconds });
		say(`${what.join(" ")}: ${known.seconds} s`);
		return { splits, seconds: known.seconds };
	}

	/** A row of the table: read, with any missing parts measured. */
	async measured(removed, method, fit, type) {
		const { rows, questionFiles, say, texts, questions } = this.#setting;
		const { common, key } = this.#keyOf("row", removed, method, fit, type);
		const known = rows.get(key);
		const missing = [...questionFiles].filter(([name]) => !known?.questions?.[name]);
		if (known && missing.length === 0) return known;
		if (!known?.texts) await texts.prepare();
		const row = await this.#healed(removed, method, fit, type, async (made) => {
			const answers = { ...known?.questions };
			for (const [name, file] of missing) answers[name] = await questions.measure(file, removed);
			const judged = known?.texts ?? (await texts.measure(removed));
			return { key, kind: "row", ...common, ...made, texts: judged, questions: answers };
		});
		// The time counts the parts of the first run, even if questions came later.
		if (known) row.seconds = known.seconds;
		if (this.#unpruned) row.added = figures(row, this.#unpruned);
		rows.put(row);
		const kept = fit && !row.validation.applied ? ", not kept" : "";
		say(
			`${[formatBlocks(removed), method, type, fit?.tokens].filter((x) => x !== undefined).join(" ")}: ${row.added?.mean.mean ?? "-"}${kept} (${row.seconds?.fit ?? 0} s)`,
		);
		return row;
	}

	/** The original model depends on no code of healing, and on no type. */
	#keyOf(kind, removed, method, fit, type) {
		const { model, sha256, seed, windows, judgedBy } = this.#setting;
		const code = fitted(method) ? this.#code : llamaPin.commit.slice(0, 12);
		const heals = fitted(method) ? { type, fit: { source: fit.source, tokens: fit.tokens, sha256: fit.sha256 } } : {};
		const common = {
			model: basename(model.path),
			sha256: sha256.slice(0, 12),
			seed,
			windows,
			code,
			commit: this.#commit,
			removed,
			method,
			...heals,
		};
		const judged = kind === "row" ? [windows, ...judgedBy] : [];
		const key = [kind, common.sha256, seed, ...judged, code, removed.join(), method, type ?? "-", fit?.sha256 ?? "-"].join("|");
		return { common, key };
	}

	/** Runs `use` with the set healed, and restores the file's own values. */
	async #healed(removed, method, fit, type, use) {
		const { model, evaluator, sha256, folder } = this.#setting;
		const { search: tuning, validation: check, seconds: splits } = this.#splits;
		const started = Date.now();
		const before = await this.#validation(removed);
		const { tensors, cuts, validation } = await methods[method]({
			...{ model, evaluator, removed, tuning, validation: check, type, folder, fit: fit?.windows },
		});
		try {
			const word = validation ?? verdict(before, fitted(method) && tensors.length > 0 ? await this.#validation(removed) : before);
			const tokens = { fit: fit?.tokens, choose: tuned(method) ? tuning.tokens.length : 0, check: check.tokens.length };
			const seconds = { text: fit?.seconds, splits, fit: since(started) };
			const bytes = bytesOf(model, sha256, removed, tensors);
			return await use({ bytes, validation: word, ...(fit ? { tokens, seconds, cuts } : {}) });
		} finally {
			await restore(model, tensors);
		}
	}

	async #validation(removed) {
		const { model, evaluator } = this.#setting;
		const [{ losses }] = await evaluator.evaluate([maskOf(model, removed)], this.#splits.validation);
		return losses;
	}

	/**
	 * The set of a size that a method heals best: from the given ones to neighbors, as long as that helps; healed or not. It compares by the
	 * divergence from the original model on the validation split, as the product's race does.
	 */
	async searched(starts, method, fit, type) {
		const { model, evaluator, seed, rows, mostSets, say } = this.#setting;
		const race = raceOf(method);
		const few = fitted(race) ? { ...fit, windows: firstWindows(fit.windows, Math.ceil(raceTokens / fit.windows.length)) } : undefined;
		if (few) Object.assign(few, { tokens: few.windows.tokens.length, sha256: hashWindows(few.windows).slice(0, 12) });
		const tried = new Map();
		const divergenceOf = async (removed) => {
			const { common, key } = this.#keyOf("raced", removed, race, few, fitted(race) ? type : undefined);
			if (!rows.get(key)) {
				this.#compared ??= (await comparedText(evaluator, this.#splits.validation, { seed }, {})) ?? this.#splits.validation;
				const started = Date.now();
				const figure = () => tuningFigure(evaluator, maskOf(model, removed), this.#compared);
				const figures = [await figure(), fitted(race) ? await this.#healed(removed, race, few, type, figure) : Number.NaN];
				const divergence = round(Math.min(...figures.filter(Number.isFinite), Number.POSITIVE_INFINITY));
				rows.put({ key, kind: "raced", ...common, divergence, seconds: since(started) });
			}
			tried.set(removed.join(), rows.get(key));
			return rows.get(key).divergence ?? Number.POSITIVE_INFINITY;
		};
		let best = starts[0];
		const better = async (candidates) => {
			let found = false;
			for (const set of candidates) {
				if (tried.size >= mostSets && !tried.has(set.join())) break;
				if ((await divergenceOf(set)) < (await divergenceOf(best))) [best, found] = [set, true];
			}
			return found;
		};
		const allowed = (set) => model.blocks.check(set) === undefined && model.blocks.unwritable(set) === undefined;
		await better(starts);
		while (await better(shiftedRuns(best, model.facts.blocks).filter(allowed)));
		say(`best for ${[method, type].filter((x) => x !== undefined).join(" ")}: ${formatBlocks(best)}, ${tried.size} sets tried`);
		const { common, key } = this.#keyOf("best", best, race, few, type);
		const figuresOfSearch = {
			...{ tried: tried.size, divergence: await divergenceOf(best) },
			seconds: [...tried.values()].reduce((sum, { seconds }) => sum + seconds, 0),
		};
		rows.put({ ...common, key: `${key}|${method}|${starts.join(";")}`, kind: "best", method, type, code: this.#code, ...figuresOfSearch });
		return best;
	}
}

function verdict(before, after) {
	const { mean, standardError } = pairedDifference({ losses: before }, { losses: after });
	const meanOf = (losses) => round(meanAndError(losses).mean);
	return {
		...{ before: meanOf(before), after: meanOf(after) },
		...{ difference: round(mean ?? Number.NaN), standardError: round(standardError ?? Number.NaN) },
		applied: lower({ mean, standardError }, before.length) === "second",
	};
}
