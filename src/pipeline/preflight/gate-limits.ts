// The quality limits, checked before a model is loaded.
import { basename } from "node:path";
import { InvalidOptionError } from "../../errors.js";
import { findEqualFiles } from "../../storage/equal-files.js";
import { type QuestionFile, readQuestions } from "../../model/evaluation/questions.js";
import type { LimitSettings, SessionSettings } from "../../api/options/settings.js";

/** One limit. */
export interface GateLimit {
	readonly kind: "ratio" | "divergence" | "accuracy";
	/** As plans and messages name it. */
	readonly name: string;
	readonly limit: number;
	/** Questions of an accuracy, or `metric` for those that are searched by. */
	readonly questions?: QuestionFile | "metric";
}

/** Limits, the cheapest to measure first. */
export type GateRequest = readonly GateLimit[];

/** Fewest questions in a file: two to decide by, two to report. */
const fewest = 6;

/** Whether a limit is given. */
export function hasGate({ maxPplRatio, maxKl, minAccuracy }: LimitSettings): boolean {
	return maxPplRatio !== undefined || maxKl !== undefined || Object.keys(minAccuracy ?? {}).length > 0;
}

/**
 * Checks the limits, and reads the questions that they name.
 * @returns undefined where there is no limit
 * @throws InvalidOptionError for a limit out of range, and for a name that no file of questions has
 * @throws FileError, InvalidQuestionsError
 */
export async function readGate(options: LimitSettings & Pick<SessionSettings, "metric" | "questions">): Promise<GateRequest | undefined> {
	const { maxPplRatio, maxKl, minAccuracy = {}, limitQuestions = [], ignoreLimits } = options;
	if (maxPplRatio !== undefined && !(Number.isFinite(maxPplRatio) && maxPplRatio >= 1))
		throw new InvalidOptionError(`max-ppl-ratio must be at least 1, such as 1.2 for a fifth more perplexity, got ${maxPplRatio}`);
	if (maxKl !== undefined && !(Number.isFinite(maxKl) && maxKl > 0))
		throw new InvalidOptionError(`max-kl must be above 0 nats per token, such as 0.1, got ${maxKl}`);
	if (!hasGate(options)) {
		if (limitQuestions.length > 0)
			throw new InvalidOptionError("--limit-questions are read for --min-accuracy NAME=VALUE: give it, or leave them out");
		if (ignoreLimits) throw new InvalidOptionError("--ignore-limits without a limit: give --max-ppl-ratio, --max-kl or --min-accuracy");
		return undefined;
	}
	return [
		...(maxPplRatio === undefined ? [] : [{ kind: "ratio", name: "max-ppl-ratio", limit: maxPplRatio } as const]),
		...(maxKl === undefined ? [] : [{ kind: "divergence", name: "max-kl", limit: maxKl } as const]),
		...(await accuracyLimits(minAccuracy, limitQuestions, options)),
	];
}

async function accuracyLimits(
	minAccuracy: Readonly<Record<string, number>>,
	files: readonly string[],
	{ metric, questions }: Pick<SessionSettings, "metric" | "questions">,
): Promise<GateLimit[]> {
	const searched = metric === "accuracy" ? questions : undefined;
	const known = [...(searched === undefined ? [] : [searched]), ...files];
	const limits: GateLimit[] = [];
	const used = new Set<string>();
	for (const [name, limit] of Object.entries(minAccuracy)) {
		if (!(limit > 0 && limit <= 1))
			throw new InvalidOptionError(`min-accuracy ${name}: expected a share above 0 and up to 1, got ${limit}`);
		const path = fileNamed(name, known);
		if (used.has(path)) throw new InvalidOptionError(`min-accuracy names ${path} twice`);
		used.add(path);
		limits.push({
			kind: "accuracy",
			name: `min-accuracy ${name}`,
			limit,
			questions: path === searched ? "metric" : await gateFile(path),
		});
	}
	const idle = files.find((path) => !used.has(path));
	if (idle !== undefined)
		throw new InvalidOptionError(
			`no --min-accuracy names ${idle}: give --min-accuracy ${namesOf(idle).at(-1)}=VALUE, or leave the file out`,
		);
	// A copy would be a second limit on the same answers, or a limit on what the choice has seen.
	const equal = await findEqualFiles(known);
	if (equal) {
		const [first, second] = equal.at.map((at) => known[at]!);
		throw new InvalidOptionError(`the questions ${first} and ${second} have the same content: give only one of them`);
	}
	return limits;
}

async function gateFile(path: string): Promise<QuestionFile> {
	const file = await readQuestions(path);
	if (file.questions.length >= fewest) return file;
	throw new InvalidOptionError(`${path} holds ${file.questions.length} questions: a limit needs at least ${fewest}`);
}

/** A file's name, and the same without its endings. */
function namesOf(path: string): string[] {
	const name = basename(path);
	return [...new Set([path, name, name.replace(/\.gz$/i, ""), name.replace(/(\.(jsonl|json|txt|gz))+$/i, "")])];
}

function fileNamed(name: string, files: readonly string[]): string {
	const found = files.filter((path) => namesOf(path).includes(name));
	if (found.length === 1) return found[0]!;
	if (found.length > 1) throw new InvalidOptionError(`min-accuracy ${name} may mean ${found.join(" or ")}: give the file's path as NAME`);
	const all = files.map((path) => namesOf(path).at(-1)).join(", ");
	throw new InvalidOptionError(
		`min-accuracy ${name}: no file of questions has this name${all === "" ? "" : ` (there are ${all})`}; give it with --limit-questions FILE`,
	);
}
