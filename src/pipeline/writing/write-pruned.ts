import type { FileHandle } from "node:fs/promises";
import type { JobOptions, MachineOptions, WrittenFile } from "../../api/index.js";
import {
	type BlockPlan,
	describeBlocks,
	type HeaderDifferences,
	keptProblem,
	proofText,
	removeBlocks,
} from "../../model/architectures/index.js";
import { originOf, stackWithout } from "../../game/parts.js";
import { VerificationError } from "../../errors.js";
import { formatBlocks } from "../../notation.js";
import { formatInteger } from "../../report/format.js";
import { checkAsRead, type GgufContent, type GgufFile, GgufFile as Gguf, writeGguf, writtenSize } from "../../model/gguf/index.js";
import { checkProvable } from "../preflight/model-header.js";
import { type HealedTensor, withHealed } from "../../model/fitting/tensors.js";
import { type MeasuredShape, measureMasked, measureOriginal, measureZeroed } from "./zeroed-oracle.js";
import type { Evaluation } from "../../model/runtime/evaluator.js";
import { machineSeen } from "../../model/runtime/load-model.js";
import { availableMemory } from "../../model/runtime/memory.js";
import { placementAsBefore } from "../../model/runtime/place.js";
import { onCpu, type Placement, placementText } from "../../model/runtime/placement.js";
import { packageVersion } from "../../model/runtime/paths.js";
import type { TokenWindows } from "../../model/runtime/windows.js";
import { writeAtomically } from "../../storage/atomic-file.js";
import type { Quantized } from "../../storage/plan-quantized.js";
import { Once } from "../session/once.js";
import { whileUnchanged } from "./unchanged.js";

/** Losses measured in memory through the layer view. */
export interface MeasuredWindows {
	windows: TokenWindows;
	/** Of each window. */
	losses: Float64Array;
}

/** What the written file must compute. */
export interface Expectation extends MeasuredWindows, MeasuredShape {
	/** A window beyond the sliding one, for architectures whose removals are proven on the user's file. */
	long?: MeasuredWindows | undefined;
	/** Where the blocks of the model ran. On the CPU every bit must agree; on a device a difference of rounding is allowed. */
	placement: Placement;
	/** Matrices that have other values than in the file: the losses are those with them. */
	healed?: readonly HealedTensor[] | undefined;
}

/** What writing reads of the options. */
export interface WritingOptions extends JobOptions, MachineOptions {
	overwrite?: boolean | undefined;
	allowUnknownArchitecture?: boolean | undefined;
	/** Called with the verified file before it gets its name, and with what will be said of it. @internal */
	onVerified?: ((temporary: string, made: { output: WrittenFile; quantized?: Quantized }) => Promise<void>) | undefined;
}

/** Nats a token by which a graphics device may differ: its kernels are chosen by shape. */
const deviceTolerance = 1e-3;

/** A model without some of its blocks, as it is to be written. */
export interface PrunedJob {
	/** Of the model with all its blocks. */
	readonly file: GgufFile;
	readonly removed: readonly number[];
	/** Of the file as it was measured. */
	readonly sha256: string;
	readonly expected: Expectation;
}

/** A pruned model that is ready to be written: what must be written, and what must be true of it. */
export interface PreparedFile {
	readonly content: GgufContent;
	write(handle: FileHandle): Promise<void>;
	/**
	 * @throws VerificationError where the written file is not what was measured
	 * @throws FileError where the model changed since its header was read
	 */
	check(path: string): Promise<Omit<WrittenFile, "path">>;
}

/**
 * Makes the content of a model without blocks, and the check of what is written. For architectures whose removals were never proven
 * the original with the output tensors of these blocks set to zero is measured first, beside the output.
 * @throws FileError where the file changed since it was measured, or cannot be read
 * @throws NoSpaceError, VerificationError, UnsupportedArchitectureError
 */
export async function preparePruned(job: PrunedJob, output: string, options: WritingOptions): Promise<PreparedFile> {
	const { file, removed, sha256, expected } = job;
	const allowed = { allowUnknown: options.allowUnknownArchitecture ?? false };
	const plan = describeBlocks(file, allowed);
	const pruned = removeBlocks(file, removed, { version: packageVersion, sourceSha256: sha256 }, allowed);
	const content = withHealed(pruned, file, expected.healed);
	const guarded = <T>(work: () => Promise<T>) => whileUnchanged(file, sha256, options, work);
	const measured = new Once<"CPU", Expectation>();
	const onProcessor = () => (isExact(expected) ? Promise.resolve(expected) : measured.get("CPU", () => expectedOnCpu(job, options)));
	const zeroed = plan.proof === "bits" ? undefined : await guarded(() => proofOf(job, { plan, output, onProcessor }, options));
	const signal = options.signal ? { signal: options.signal } : {};
	const onProgress = (done: number, total: number) => options.progress?.work({ phase: "writing the file", done, total, unit: "bytes" });
	return {
		content,
		write: (handle) => guarded(() => writeGguf(handle, content, { ...signal, onProgress })),
		check: (path) =>
			guarded(async () => {
				const found = await Gguf.read(path);
				checkHeader(file, removed, found, { changed: expected.healed?.map(({ name }) => name) });
				const verification = await verify(path, job, { plan, zeroed, onProcessor }, options);
				// Weights of another file that took the name would stand under this file's header: a few samples need not show it.
				await checkAsRead(job);
				return { ...sizesOf(found), verification };
			}),
	};
}

/**
 * Writes the model without blocks, loads what was written, and lets it appear under its name only if its header says of each block
 * what the original's says of the block kept, and it computes what was measured; for architectures whose removals were never proven,
 * only if it also computes, bit for bit on a CPU, what the original computes with the output tensors of these blocks set to zero.
 * @throws OutputExistsError, NoSpaceError, FileError, VerificationError, UnsupportedArchitectureError
 */
export async function writePruned(job: PrunedJob, output: string, options: WritingOptions): Promise<WrittenFile> {
	const prepared = await preparePruned(job, output, options);
	let written: Omit<WrittenFile, "path"> | undefined;
	await writeAtomically(
		output,
		{
			overwrite: options.overwrite ?? false,
			inputs: job.file.paths,
			expectedBytes: writtenSize(prepared.content),
			...(options.signal ? { signal: options.signal } : {}),
			verify: async (temporary) => {
				written = await prepared.check(temporary);
				await options.onVerified?.(temporary, { output: { path: output, ...written } });
			},
		},
		prepared.write,
	);
	return { path: output, ...written! };
}

/** What the layer view computes on the CPU, where what was measured on a device can be compared bit for bit. */
async function expectedOnCpu({ file, removed, expected }: PrunedJob, options: WritingOptions): Promise<Expectation> {
	const { threads, ubatch, healed, long, placement } = expected;
	const windows = setsOf(expected).map((set) => set.windows);
	const [own, beyond] = await measureMasked({ file, removed, healed }, { windows, threads, ubatch }, options);
	return { ...expected, losses: own!.losses, long: long && { ...long, losses: beyond!.losses }, placement: onCpu(placement.blocks) };
}

/** How a file is proven. */
interface Proof {
	readonly plan: BlockPlan;
	/** What it must compute on the CPU; measured when it is first asked for. */
	readonly onProcessor: () => Promise<Expectation>;
}

/** What the zeroed original computes on the CPU; it must be what the layer view computes there. */
async function proofOf(
	{ file, removed, expected }: PrunedJob,
	{ plan, output, onProcessor }: Proof & { readonly output: string },
	options: WritingOptions,
): Promise<Evaluation[]> {
	checkProvable(file.paths[0]!, plan, removed);
	const there = await onProcessor();
	const sets = setsOf(there);
	const { threads, ubatch, healed } = expected;
	const windows = sets.map((set) => set.windows);
	const zeroed = await measureZeroed({ file, removed, healed }, output, { windows, threads, ubatch }, options);
	const worst = worstOf(zeroed, sets);
	if (!isWithin(worst, there)) throw new VerificationError(notProven(plan, removed, worst));
	return zeroed;
}

async function verify(
	path: string,
	job: PrunedJob,
	{ plan, zeroed, onProcessor }: Proof & { readonly zeroed: readonly Evaluation[] | undefined },
	options: WritingOptions,
): Promise<string> {
	const asMeasured = await placementOfWritten(path, job.expected, keptBlocks(plan, job.removed, job.expected.placement.blocks));
	// In another place the file would round otherwise than what was measured, and by more than is allowed.
	const expected = asMeasured ? job.expected : await onProcessor();
	const placement = asMeasured ?? onCpu(job.expected.placement.blocks);
	const sets = setsOf(expected);
	const windows = sets.map((set) => set.windows);
	const { threads, ubatch } = expected;
	const how = { windows, threads, ubatch };
	const found = await measureOriginal(path, { ...how, placement }, "verifying the written file", options);
	if (!found.every(({ losses }) => losses.some(Number.isFinite))) {
		throw new VerificationError(
			"the written file gives no finite loss, and neither did the measurement in memory: nothing could be verified, and it was not kept. Remove fewer blocks.",
		);
	}
	const worst = worstOf(found, sets);
	if (!isWithin(worst, expected)) {
		throw new VerificationError(
			`the written file does not compute what was measured: its loss differs by up to ${worst} nats a token on ${windowCount(windows)} windows. ` +
				"It was not kept. This is a fault of prune-gguf: please report it with the model's name.",
		);
	}
	// What is compared with the zeroed original is computed as that was, on the CPU.
	const onCpuToo =
		zeroed && !isExact(expected)
			? await measureOriginal(path, { ...how, placement: undefined }, "verifying it on the CPU", options)
			: found;
	if (zeroed && !onCpuToo.every((one, i) => sameBits(one, zeroed[i]!))) {
		throw new VerificationError(
			`the written file does not compute what the original computes with the removed blocks' output tensors set to zero. ${proofText(plan)}; the file was not kept.`,
		);
	}
	const measured = measuredText(asMeasured, { expected, windows, worst });
	return zeroed ? `${measured}; its logits equal, bit for bit, those of the original with these blocks' outputs set to zero` : measured;
}

function measuredText(
	asMeasured: Placement | undefined,
	found: { readonly expected: Expectation; readonly windows: readonly TokenWindows[]; readonly worst: number },
): string {
	const tokens = formatInteger(found.windows.reduce((sum, { count, length }) => sum + count * (length - 1), 0));
	if (!asMeasured)
		return `llama.cpp computes bit for bit what the model without these blocks computes (${tokens} tokens, on the CPU: the device has no memory for the file now)`;
	if (isExact(found.expected)) return `llama.cpp computes bit for bit what was measured (${tokens} tokens)`;
	return `llama.cpp computes what was measured to within ${deviceTolerance.toExponential(0)} nats per token (at most ${found.worst.toExponential(1)} on ${tokens} tokens; ${placementText(asMeasured)})`;
}

/** What losses of a few short windows do not show: whether each kept block is said to be what it was. */
export function checkHeader(file: GgufFile, removed: readonly number[], written: GgufFile, differences: HeaderDifferences = {}): void {
	const problem = keptProblem(file, removed, written, differences);
	if (problem === undefined) return;
	throw new VerificationError(
		`the header of the written file does not say of its blocks what that of the original says of the blocks kept: ${problem}. ` +
			"It was not kept. This is a fault of prune-gguf: please report it with the model's name.",
	);
}

export function sizesOf({ size, tensors }: GgufFile): { size: number; parameters: number } {
	return { size, parameters: tensors.reduce((sum, { dims }) => sum + dims.reduce((product, dim) => product * dim, 1), 0) };
}

function setsOf({ windows, losses, long }: Expectation): MeasuredWindows[] {
	return [{ windows, losses }, ...(long ? [long] : [])];
}

function windowCount(windows: readonly TokenWindows[]): number {
	return windows.reduce((sum, { count }) => sum + count, 0);
}

function notProven(plan: BlockPlan, removed: readonly number[], worst: number): string {
	return (
		`removing blocks ${formatBlocks(removed)} is not proven: the layer view and the original with these blocks' output tensors set to zero ` +
		`differ by up to ${worst} nats a token. ${proofText(plan)}, and it does not hold for this file; no model was written.`
	);
}

const isExact = ({ placement }: Expectation): boolean => placement.devices.length === 0;

function isWithin(worst: number, expected: Expectation): boolean {
	return isExact(expected) ? worst === 0 : worst <= deviceTolerance;
}

/** Where the written file is verified: each block where it was measured; undefined if the devices have no memory for that now. */
async function placementOfWritten(path: string, expected: Expectation, kept: readonly number[]): Promise<Placement | undefined> {
	const { placement, windows, ubatch } = expected;
	const room = { seen: await machineSeen({}), host: availableMemory() };
	return placementAsBefore(await Gguf.read(path), { windows: 1, windowLength: windows.length, ubatch }, room, { before: placement, kept });
}

/** Blocks of the model by which the written file's are known, and its tail. */
export function keptBlocks({ blocks }: Pick<BlockPlan, "blocks">, removed: readonly number[], all: number): number[] {
	const tail = Array.from({ length: Math.max(0, all - blocks) }, (_, i) => blocks + i);
	return [...stackWithout(blocks, removed).map(originOf), ...tail];
}

function worstOf(found: readonly Evaluation[], expected: readonly MeasuredWindows[]): number {
	return Math.max(...expected.map(({ losses }, i) => largestDifference(found[i]!.losses, losses)));
}

/** Equal losses and equal logits. */
function sameBits(a: Evaluation, b: Evaluation): boolean {
	const digests = a.digests ?? [];
	return digests.length > 0 && digests.join() === b.digests?.join() && largestDifference(a.losses, b.losses) === 0;
}

/** Largest difference of two lists of losses; two that are not finite agree. */
function largestDifference(a: Float64Array, b: Float64Array): number {
	let worst = a.length === b.length ? 0 : Number.POSITIVE_INFINITY;
	a.forEach((value, i) => {
		const other = b[i]!;
		if (Object.is(value, other) || (!Number.isFinite(value) && !Number.isFinite(other))) return;
		const difference = Math.abs(value - other);
		worst = Math.max(worst, Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference);
	});
	return worst;
}
