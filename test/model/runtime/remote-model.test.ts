import { describe, expect, it, vi } from "vitest";
import { FileError } from "../../../src/errors.js";
import type { MaskFigures, NativeModel, SweepStats } from "../../../src/model/runtime/addon.js";
import { type AddonProcess, Held, ProcessEnded, type RemoteCall, type RemoteToken } from "../../../src/model/runtime/remote.js";
import { endedError, RemoteModel, type RemoteParts } from "../../../src/model/runtime/remote-model.js";
import { placed } from "../../helpers/fake-devices.js";

const stats: SweepStats = { blocksDone: 0, blocksSaved: 0, tokensDone: 0 };
const figuresOf = (mask: number): MaskFigures => ({ losses: Float64Array.of(mask) });
type OnMask = (mask: number, figures: MaskFigures, stats: SweepStats) => void;

/**
 * A process that hands over the figures of every mask, and ends before it answers as often as is said: the order that no fault of a driver
 * can be timed to give.
 */
class EndingProcess {
	readonly batches: number[] = [];
	#ends: number;

	constructor(ends: number) {
		this.#ends = ends;
	}

	async ready(): Promise<void> {}

	post(): void {}

	keep(mark: unknown): Held {
		return new Held((mark as { $held: number }).$held, 1);
	}

	async call({ method, args }: RemoteCall): Promise<unknown> {
		if (method === "NativeModel.load") return { $held: 1 };
		if (method === "facts") return { blocks: 2 };
		const [masks, , options, , onMask] = args as [Uint8Array, unknown, { keepReference: boolean }, unknown, OnMask];
		const count = masks.length / 2;
		this.batches.push(count);
		for (let mask = 0; mask < count; mask++) onMask(mask, figuresOf(masks[2 * mask]!), stats);
		if (this.#ends-- > 0) throw new ProcessEnded("SIGABRT", ["the driver ends it"]);
		return { stats, ...(options.keepReference ? { reference: { $held: 2 } } : {}) };
	}
}

const token = () => ({ cancelled: false }) as RemoteToken;

function modelIn(process: EndingProcess, { onRestart, checkFile = async () => {} }: Partial<RemoteParts> = {}): RemoteModel {
	return new RemoteModel({
		...{ process: process as unknown as AddonProcess, newToken: token, vocabulary: {} as NativeModel, path: "m.gguf" },
		...{ options: { gpuLayers: 1, mmap: true }, where: "FAKE0", placement: placed(12, { FAKE0: 12 }) },
		...{ onEnd: () => {}, onRestart, checkFile },
	});
}

async function measured(ends: number, keepReference: boolean) {
	const process = new EndingProcess(ends);
	const events: string[] = [];
	const model = modelIn(process, { onRestart: ({ message }) => void events.push(message) });
	await model.load(token(), () => {});
	const masks = keepReference ? Uint8Array.of(7, 1) : Uint8Array.of(5, 1, 6, 1);
	const told: [number, number][] = [];
	const onMask: OnMask = (mask, { losses }) => void told.push([mask, losses[0]!]);
	const options = { keepReference } as Parameters<NativeModel["evaluate"]>[2];
	const result = await model.evaluate(masks, Int32Array.of(1, 2), options, token(), onMask);
	return { result, told, events, batches: process.batches };
}

describe("a process that ends after its figures and before its answer", () => {
	it("makes distributions of the same mask again, whose figures are handed over once", async () => {
		const { result, told, events, batches } = await measured(1, true);
		expect(batches).toEqual([1, 1]);
		expect(told).toEqual([[0, 7]]);
		expect(result.reference).toBeInstanceOf(Held);
		expect(events).toEqual([expect.stringContaining("and 1 candidate of this batch measured again")]);
	});

	it("again and again is an error", async () => {
		await expect(measured(9, true)).rejects.toThrow(/2 times at the same place/);
	});

	it("measures no finished candidate again", async () => {
		const { told, batches } = await measured(1, false);
		expect(batches).toEqual([2, 0]);
		expect(told).toEqual([
			[0, 5],
			[1, 6],
		]);
	});
});

describe("a driver that fails", () => {
	const cuda = (why: string, statement: string) => [
		`CUDA error: ${why}`,
		"  current device: 0, in function alloc at ggml/src/ggml-cuda/ggml-cuda.cu:517",
		`  ${statement}`,
		"ggml/src/ggml-cuda/ggml-cuda.cu:108: CUDA error",
	];

	it.each<[string, string[], string, RegExp]>([
		[
			"memory",
			cuda("out of memory", "cuMemCreate(&handle, reserve_size, &prop, 0)"),
			"CUDA error: out of memory",
			/a smaller number of --gpu-layers/,
		],
		[
			"the build",
			cuda("no kernel image is available for execution on the device", "cudaGetLastError()"),
			"no kernel image is available",
			/build for this card \(prune-gguf build --backend cuda\)/,
		],
		[
			"the driver",
			cuda("an illegal memory access was encountered", "cudaStreamSynchronize(x)"),
			"illegal memory access",
			/another version of the driver/,
		],
		[
			"a lost device",
			["terminate called", "  what():  vk::Queue::submit: ErrorDeviceLost", "at 1", "at 2"],
			"ErrorDeviceLost",
			/version of the driver/,
		],
	])("is told by its reason, with what helps against it: %s", (_, log, said, advice) => {
		const { message } = endedError("X0", "while the model was loaded", new ProcessEnded("SIGABRT", log));
		expect(message).toContain(said);
		expect(message).toMatch(advice);
	});

	it("is not told by memory that llama.cpp does without", () => {
		const pinned = "failed to allocate 1024.00 MiB of pinned memory: out of memory";
		const { message } = endedError("X0", "while it measured", new ProcessEnded("SIGSEGV", [pinned, "at 1", "at 2"]));
		expect(message).toContain("at 1; at 2");
		expect(message).toMatch(/another version of the driver/);
	});

	it("without a reason is told by its last lines", () => {
		expect(new ProcessEnded("SIGABRT", ["a", "b", "c"]).message).toBe("SIGABRT: b; c");
	});
});

describe("a model that is loaded again in a new process", () => {
	it("is not taken from a file that has its name since", async () => {
		const changed = new FileError("m.gguf changed since its header was read");
		const process = new EndingProcess(0);
		const call = vi.spyOn(process, "call");
		const model = modelIn(process, { checkFile: () => Promise.reject(changed) });
		await model.load(token(), () => {});
		const rules = { leadingCounts: [], outputs: [], feedForward: [], empty: [] };
		model.setViewRules(rules);
		await expect(model.restore()).rejects.toBe(changed);
		expect(call.mock.calls.map(([{ method }]) => method)).toEqual(["NativeModel.load", "facts", "NativeModel.load"]);
	});
});
