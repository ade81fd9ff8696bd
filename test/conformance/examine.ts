import { spawn } from "node:child_process";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type BlockPlan, describeBlocks } from "../../src/model/architectures/index.js";
import { GgufFile } from "../../src/model/gguf/index.js";
import type { Job, Outcome, Print, Step } from "./job.js";
import { quantizeWithout } from "./quantize.js";
import { hasHalves, type RemovalSet, removalSets } from "./sets.js";
import {
	type EmptyFinding,
	emptyFindingOf,
	type Finding,
	findingOf,
	type QuantizeFinding,
	quantizeFindingOf,
	readersOf,
	withoutFolders,
} from "./verdict.js";

const CHILD = fileURLToPath(new URL("child.mjs", import.meta.url));

export interface ExamineOptions {
	/** Folder for temporary files; it is made, and removed afterwards. */
	folder: string;
	/** Sets to try. @default those of `removalSets` */
	sets?: (plan: BlockPlan) => RemovalSet[];
	/** The reference tool that also removes blocks, for comparison. */
	quantize?: string | undefined;
	/** The program with llama.cpp's reader of GGUF. @default only @huggingface/gguf reads written files */
	reader?: string | undefined;
	/** Tokens in a window. @default 128 */
	length?: number;
	/** @default 2 */
	windows?: number;
	/** Tokens that run through a block at once. @default 512 */
	ubatch?: number;
	/** Milliseconds for one child process. @default 180000 */
	timeout?: number;
	threads?: number;
	/** Whether layer views are measured; if not, written files are compared with zeroed originals alone. @default true */
	views?: boolean;
}

/** Results for one model. */
export interface Examined {
	architecture: string;
	blocks: number;
	support: BlockPlan["support"];
	reason?: string;
	/** Whether hidden states were resumed from in the batch. */
	resumed: boolean;
	resumeReason?: string;
	/** Whether logits were compared (otherwise the losses of all tokens). */
	logits: boolean;
	/** The unpruned model's loss; null if it is not finite, which proves nothing. */
	loss: number | null;
	/** Set if the unpruned model itself does not run. */
	broken?: string;
	findings: Finding[];
	/** Absent if no set is allowed, or some blocks must stay. */
	empty?: EmptyFinding;
	/** Number of written files in which a foreign reader found what it should, by reader. */
	readers: Record<string, number>;
	quantize: QuantizeFinding[];
}

/** Compares, for several sets of removed blocks, the zeroed original, the layer view and the written file, bit for bit. */
export async function examine(model: string, options: ExamineOptions): Promise<Examined> {
	await mkdir(options.folder, { recursive: true });
	try {
		const plan = describeBlocks(await GgufFile.read(model));
		const sets = (options.sets ?? ((one) => removalSets(one, 5)))(plan);
		const allowed = sets.filter(({ removed }) => plan.check(removed) === undefined);
		const whole = sets.filter(({ removed }) => !hasHalves(removed));
		const foreign = options.quantize ? await foreignFiles(options.quantize, model, whole, options.folder) : new Map();
		const views = options.views ?? true;
		const isView = ({ step }: Step) => ["resumes", "shared", "view", "empty"].includes(step);
		const steps = stepsOf(plan, sets, allowed, foreign).filter((step) => views || !isView(step));
		const job: Omit<Job, "done"> = {
			model,
			folder: options.folder,
			windows: options.windows ?? 2,
			length: options.length ?? 128,
			seed: 20_260_101,
			threads: options.threads ?? 2,
			ubatch: options.ubatch ?? 512,
			...(options.reader ? { reader: options.reader } : {}),
			allowed: allowed.map(({ removed }) => removed),
			steps,
		};
		const outcomes = await runAll(job, options.timeout ?? 900_000);
		return summary(plan, sets, outcomes, { foreign, views });
	} finally {
		await rm(options.folder, { recursive: true, force: true });
	}
}

const keyOf = (set: RemovalSet) => set.removed.join(",");

type Foreign = Map<string, { path: string } | { failed: string }>;

async function foreignFiles(tool: string, model: string, sets: readonly RemovalSet[], folder: string): Promise<Foreign> {
	const files: Foreign = new Map();
	for (const [i, set] of sets.entries())
		files.set(keyOf(set), await quantizeWithout(tool, model, set.removed, join(folder, `other-${i}.gguf`)));
	return files;
}

function stepsOf(plan: BlockPlan, sets: readonly RemovalSet[], allowed: readonly RemovalSet[], foreign: Foreign): Step[] {
	const steps: Step[] = [{ key: "original", step: "original" }];
	if (allowed.length > 0) steps.push({ key: "resumes", step: "resumes" }, { key: "shared", step: "shared" });
	for (const set of sets) {
		const removed = set.removed;
		if (allowed.includes(set)) {
			steps.push({ key: `view:${keyOf(set)}`, step: "view", removed }, { key: `written:${keyOf(set)}`, step: "written", removed });
		} else {
			steps.push({ key: `forced:${keyOf(set)}`, step: "forced", removed });
		}
		steps.push({ key: `oracle:${keyOf(set)}`, step: "oracle", removed });
		const other = foreign.get(keyOf(set));
		if (other && "path" in other) steps.push({ key: `foreign:${keyOf(set)}`, step: "foreign", path: other.path });
	}
	// If blocks are frozen the empty set never occurs, and measuring it would need the blocks that make them stay.
	if (allowed.length > 0 && plan.frozen.size === 0) {
		const removed = Array.from({ length: plan.blocks }, (_, i) => i);
		steps.push({ key: "empty", step: "empty" }, { key: "empty:oracle", step: "oracle", removed });
	}
	return steps;
}

/** Starts a new process for the rest of the steps whenever one has died. */
async function runAll(job: Omit<Job, "done">, timeout: number): Promise<Map<string, Outcome>> {
	const outcomes = new Map<string, Outcome>();
	while (outcomes.size < job.steps.length) {
		const before = outcomes.size;
		await runOnce({ ...job, done: [...outcomes.keys()] }, timeout, outcomes);
		const original = outcomes.get("original");
		// If a model is refused before it runs, written files still show what they do to llama.cpp.
		if (original && !("result" in original) && !("error" in original && original.error.code === "UNSUPPORTED_ARCHITECTURE")) break;
		if (outcomes.size === before) throw new Error(`the child process for ${job.model} got nowhere`);
	}
	return outcomes;
}

async function runOnce(job: Job, timeout: number, outcomes: Map<string, Outcome>): Promise<void> {
	const jobPath = join(job.folder, "job.json");
	await writeFile(jobPath, JSON.stringify(job));
	// The child may die itself, so it needs no trial in another process.
	const env = { ...process.env, PRUNE_GGUF_TRIAL: "1" };
	const child = spawn(process.execPath, [CHILD, jobPath], { env, stdio: ["ignore", "pipe", "pipe"], timeout, killSignal: "SIGKILL" });
	let out = "";
	let err = "";
	child.stdout.on("data", (data) => (out += data));
	child.stderr.on("data", (data) => (err += data));
	const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
		child.on("error", reject);
		child.on("close", (...end) => resolve(end));
	});
	let begun: string | undefined;
	for (const line of out.split("\n").filter(Boolean)) {
		const { begin, end, ...outcome } = JSON.parse(line) as { begin?: string; end?: string } & Outcome;
		begun = begin;
		if (end !== undefined) outcomes.set(end, outcome as Outcome);
	}
	if (begun !== undefined) outcomes.set(begun, { crash: `${signal ?? `exit code ${code}`}: ${lastWords(err)}` });
	else if (code !== 0) throw new Error(`the child process for ${job.model} failed outside a step: ${err.slice(-2000)}`);
}

/** The assertion that failed, or the last line. */
function lastWords(err: string): string {
	const lines = err.split("\n").filter((line) => line.trim() !== "");
	return withoutFolders((lines.find((line) => line.includes("GGML_ASSERT") || line.includes("GGML_ABORT")) ?? lines.at(-1) ?? "").trim());
}

interface Measured {
	readonly foreign: Foreign;
	readonly views: boolean;
}

type Outcomes = ReadonlyMap<string, Outcome>;

function summary(plan: BlockPlan, sets: readonly RemovalSet[], outcomes: Outcomes, { foreign, views }: Measured): Examined {
	const original = outcomes.get("original")!;
	const first = "result" in original ? (original.result as Print[])[0] : undefined;
	const resumes = outcomes.get("resumes");
	const { shared, reason } = resumes && "result" in resumes ? (resumes.result as { shared: boolean; reason?: string }) : { shared: false };
	const sharedOutcome = outcomes.get("shared");
	const allowed = sets.filter(({ removed }) => plan.check(removed) === undefined);
	const findings = sets.map((set) => {
		const key = keyOf(set);
		const at = allowed.indexOf(set);
		if (!views) {
			const files = {
				oracle: outcomes.get(`oracle:${key}`),
				written: outcomes.get(`written:${key}`),
				forced: outcomes.get(`forced:${key}`),
			};
			return findingOf(set, plan.check(set.removed), first?.bits, files, ["written"]);
		}
		const inBatch =
			at >= 0 && sharedOutcome && "result" in sharedOutcome
				? { result: (sharedOutcome.result as Print[])[at] }
				: at >= 0
					? sharedOutcome
					: undefined;
		return findingOf(set, plan.check(set.removed), first?.bits, {
			oracle: outcomes.get(`oracle:${key}`),
			view: outcomes.get(`view:${key}`),
			shared: inBatch,
			written: outcomes.get(`written:${key}`),
			forced: outcomes.get(`forced:${key}`),
		});
	});
	const empty = views ? emptyFindingOf(outcomes.get("empty"), outcomes.get("empty:oracle")) : undefined;
	return {
		architecture: plan.architecture,
		blocks: plan.blocks,
		support: plan.support,
		...(plan.reason ? { reason: plan.reason } : {}),
		resumed: shared,
		...(reason ? { resumeReason: reason } : {}),
		logits: first?.logits ?? false,
		loss: first?.loss ?? null,
		...(first ? {} : { broken: withoutFolders(JSON.stringify(original)) }),
		findings,
		...(empty ? { empty } : {}),
		readers: readersCount(allowed.map((set) => outcomes.get(`written:${keyOf(set)}`))),
		quantize: sets.flatMap((set) => {
			const other = foreign.get(keyOf(set));
			return other
				? [
						quantizeFindingOf(
							set,
							other,
							outcomes.get(`foreign:${keyOf(set)}`),
							outcomes.get(`oracle:${keyOf(set)}`),
							outcomes.get(`view:${keyOf(set)}`),
						),
					]
				: [];
		}),
	};
}

function readersCount(written: readonly (Outcome | undefined)[]): Record<string, number> {
	const counts: Record<string, number> = {};
	for (const outcome of written) {
		for (const [reader, faults] of Object.entries(readersOf(outcome))) if (faults.length === 0) counts[reader] = (counts[reader] ?? 0) + 1;
	}
	return counts;
}
