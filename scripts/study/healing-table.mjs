// Markdown tables of the rows that healing.mjs keeps: node scripts/study/healing-table.mjs OUT.json
import { fileURLToPath } from "node:url";
import { accuracy } from "./healing-measures.mjs";
import { above, lossOf, Rows } from "./healing-rows.mjs";
import { load, table } from "./lib.mjs";

const { formatBlocks } = await load("notation.js");

const signed = ({ mean, standardError }) => `${mean < 0 ? "" : "+"}${mean.toFixed(3)} ± ${(standardError ?? Number.NaN).toFixed(3)}`;
const megabytes = (bytes) => (bytes / 1e6).toFixed(2);
/** Rows that fit in one table: of one model, judged on the same windows, healed by the same code. */
const groupOf = ({ model, sha256, windows, seed }) => [model, sha256, windows, seed].join("|");

/** All tables of these rows; those of older code are shown separately. */
export function tablesOf(rows) {
	const measured = rows.filter(({ kind }) => kind === "row");
	const groups = Map.groupBy?.(measured, groupOf) ?? grouped(measured, groupOf);
	return [...groups.values()].flatMap((group) => {
		const unpruned = group.find(({ removed }) => removed.length === 0);
		if (!unpruned) return [];
		const plain = group.filter(({ removed, fit }) => removed.length > 0 && !fit);
		const codes = [...new Set(group.filter(({ fit }) => fit).map(({ code }) => code))];
		return (codes.length > 0 ? codes : [undefined]).map((code) => {
			const rowsOfCode = group.filter((row) => row.fit && row.code === code);
			const best = rows.filter(
				(row) => row.kind === "best" && row.code === code && groupOf({ ...row, windows: unpruned.windows }) === groupOf(unpruned),
			);
			return new Tables(unpruned, plain, rowsOfCode, best).text(code);
		});
	});
}

function grouped(list, keyOf) {
	const groups = new Map();
	for (const one of list) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
	return groups;
}

class Tables {
	#unpruned;
	#plain;
	#fitted;
	#best;
	#texts;
	#asked;

	constructor(unpruned, plain, fitted, best) {
		this.#unpruned = unpruned;
		this.#plain = plain;
		this.#fitted = fitted;
		this.#best = best;
		this.#texts = Object.keys(unpruned.texts);
		this.#asked = Object.keys(unpruned.questions);
	}

	text(code) {
		const unpruned = this.#unpruned;
		const losses = this.#perText(unpruned, (_, loss) => `${loss.toFixed(4)} nats, perplexity ${Math.exp(loss).toFixed(2)}`);
		const answers = this.#asked.map((key) => `${key}: ${answered(unpruned.questions[key])}`);
		const compared = unpruned.texts[this.#texts[0]].compared ?? 0;
		return [
			`### ${unpruned.model}, ${unpruned.windows} windows of each text, code ${code ?? "-"}, commit ${this.#fitted.at(-1)?.commit ?? unpruned.commit}`,
			`Unpruned, ${megabytes(unpruned.bytes)} MB: ${this.#texts.map((name, i) => `${name} ${losses[i]}`).join("; ")}. ${answers.join(". ")}`,
			`Losses in nats per token above the unpruned model, ± one standard error, as fitted. "kept": with the validation split's word, for all methods alike, the unhealed model where it does not say that fitting helped. KL and agreement over the first ${compared} windows. Tokens: fitted to + those that chose between variants + those that decided whether to keep. Seconds: drawing these texts + fitting and deciding.`,
			this.#rows(),
			`The best set of each method by the validation split, as kept. Files are of equal size where "KiB beside ours" is 0: \`--type same\` makes them so.`,
			this.#atEqualBytes(),
			...(this.#best.length > 0 ? [this.#searches()] : []),
		].join("\n\n");
	}

	#perText(row, show) {
		return lossOf(row).texts.map((loss, i) => show(row.texts[this.#texts[i]], loss));
	}

	/** The row of the same set that replaces it if fitting is not known to help. */
	#kept(row) {
		return !row.fit || row.validation.applied ? row : (this.#unhealed(row) ?? row);
	}

	#unhealed({ removed }) {
		return this.#plain.find((one) => one.removed.join() === removed.join());
	}

	#rival(row) {
		return this.#fitted.find((one) => one.method === "ours" && one.removed.join() === row.removed.join() && sameFit(one, row));
	}

	#rows() {
		const order = (row) => `${String(row.removed.length).padStart(4, "0")} ${row.removed.join()}`;
		const all = [...this.#plain, ...this.#fitted].sort((a, b) => order(a).localeCompare(order(b)));
		const heads = ["removed", "method", "type", "tokens", "MB", ...this.#texts, "mean", "mean, kept", "kept above ours", "perplexity"];
		return table(
			[...heads, "KL", "top-1", "s", ...this.#asked],
			all.map((row) => this.#line(row)),
		);
	}

	#line(row) {
		const { fit, tokens, seconds, validation } = row;
		const added = above(row, this.#unpruned);
		const kept = this.#kept(row);
		const ours = this.#rival(row);
		const read = (show) => this.#texts.map((name) => show(row.texts[name]) ?? "-").join(" / ");
		return [
			formatBlocks(row.removed),
			row.method,
			fit ? row.type : "-",
			fit ? `${tokens.fit} ${fit.source} + ${tokens.choose} + ${tokens.check}` : "-",
			megabytes(row.bytes),
			...added.texts.map(signed),
			signed(added),
			fit ? (validation.applied ? "the same" : `not kept: ${signed(above(kept, this.#unpruned))}`) : "-",
			!ours || ours === row ? "-" : signed(above(kept, this.#kept(ours))),
			this.#perText(row, (_, loss) => Math.exp(loss).toFixed(2)).join(" / "),
			read(({ divergence }) => divergence?.toFixed(3)),
			read(({ agreement }) => agreement && `${(100 * agreement).toFixed(1)} %`),
			fit ? `${((seconds.text ?? 0) + (seconds.splits ?? 0)).toFixed(0)} + ${seconds.fit.toFixed(0)}` : "-",
			...this.#asked.map((key) => answered(row.questions[key], this.#unpruned.questions[key])),
		];
	}

	/** For each number of blocks, type and text the best set of each method, including the unhealed one. */
	#atEqualBytes() {
		const settings = grouped(this.#fitted, ({ removed, type, fit }) => [removed.length, type, fit.source, fit.tokens].join(" "));
		const lines = [...settings.values()].flatMap((rows) => {
			const size = rows[0].removed.length;
			const plain = this.#plain.filter(({ removed }) => removed.length === size);
			const methods = grouped([...plain, ...rows], ({ method }) => method);
			const best = [...methods.values()].map((list) => list.reduce((a, b) => (judgedLoss(b) < judgedLoss(a) ? b : a)));
			const ours = best.find(({ method }) => method === "ours");
			return best.map((row) => {
				const kept = this.#kept(row);
				const rival = ours && this.#kept(ours);
				return [
					size,
					rows[0].type,
					`${rows[0].fit.tokens} ${rows[0].fit.source}`,
					row.method + (kept === row ? "" : " (not kept)"),
					`${formatBlocks(row.removed)} of ${methods.get(row.method).length}`,
					megabytes(kept.bytes),
					rival ? ((kept.bytes - rival.bytes) / 1024).toFixed(0) : "-",
					lossOf(kept).mean.toFixed(4),
					signed(above(kept, this.#unpruned)),
					rival && row !== ours ? signed(above(kept, rival)) : "-",
				];
			});
		});
		const heads = ["blocks", "type", "text", "method", "best set, sets measured", "MB", "KiB beside ours", "loss, mean of the texts"];
		return table([...heads, "above unpruned", "above ours"], lines);
	}

	#searches() {
		const lines = this.#best.map((one) => [
			one.removed.length,
			one.method,
			one.type,
			formatBlocks(one.removed),
			one.divergence?.toFixed(3) ?? "-",
			one.tried,
			one.seconds.toFixed(0),
		]);
		return table(["blocks", "method", "type", "best set found", "divergence on the validation split", "sets tried", "s"], lines);
	}
}

const sameFit = (a, b) => a.fit && (!b.fit || (a.fit.sha256 === b.fit.sha256 && a.type === b.type));

/** Loss on the validation split, as kept. */
function judgedLoss({ validation }) {
	return (validation.applied ? validation.after : validation.before) ?? Number.POSITIVE_INFINITY;
}

/** Accuracy, by length too, and p of the difference from the unpruned model. */
function answered(own, unpruned) {
	if (!own) return "-";
	const plain = accuracy(own.right, unpruned?.right);
	const byLength = accuracy(own.rightNormalized, unpruned?.rightNormalized);
	const percent = ({ value, difference }) => `${(100 * value).toFixed(1)} %${difference ? ` (p ${difference.pValue.toPrecision(2)})` : ""}`;
	return `${percent(plain)}, by length ${percent(byLength)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
	for (const path of process.argv.slice(2)) process.stdout.write(`${tablesOf(new Rows(path).all()).join("\n\n")}\n`);
}
