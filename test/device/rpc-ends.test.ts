import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Coalition } from "../../src/game/coalition.js";
import { DeviceError } from "../../src/errors.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { Model } from "../../src/model/runtime/model.js";
import type { Evaluation } from "../../src/model/runtime/evaluator.js";
import { blocks, fixturePath, fixtureWindows } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";

// A server that ends in the middle of a sweep: npm run test:rpc names llama.cpp's program, and each test starts a server of its own.

interface Server {
	readonly endpoint: string;
	readonly port: number;
	kill(): Promise<void>;
}
const program = process.env.PRUNE_GGUF_TEST_RPC_SERVER;
const { startServer } = (await import(new URL("../../scripts/device/servers.mjs", import.meta.url).href)) as {
	startServer(program: string, port?: number): Promise<Server>;
};
const { out } = ownHomes();
const windows = fixtureWindows(4);
const masks = Array.from({ length: blocks }, (_, block) => Coalition.ofRemoved(blocks, [block]));
const bits = (found: readonly Evaluation[]) => found.map(({ losses, digests }) => [[...losses], digests]);

describe.skipIf(!program)("an RPC server that ends in the middle of a sweep", () => {
	let server: Server;
	const ended: Promise<void>[] = [];
	const restart = async () => {
		await Promise.all(ended);
		server = await startServer(program!, server.port);
	};
	beforeEach(async () => {
		server = await startServer(program!);
		ended.length = 0;
	});
	afterEach(() => server.kill());

	const load = (onRestart: (event: { message: string }) => void = () => {}) =>
		Model.load(fixturePath, { threads: 1, rpc: [server.endpoint], devices: ["RPC0"], onRestart });
	/** Measures all candidates, and ends the server after the third. @returns how often each was handed over */
	const evaluate = (model: Model, onThird: () => void) => {
		const times = new Map<number, number>();
		const onCandidate = (index: number) => {
			times.set(index, (times.get(index) ?? 0) + 1);
			if (times.size === 3) onThird();
		};
		return { times, found: model.createEvaluator().evaluate(masks, windows, { digest: true, onCandidate }) };
	};

	it("and is started again costs what was being computed, and no more", async () => {
		const events: string[] = [];
		await using model = await load(({ message }) => events.push(message));
		const straight = await model.createEvaluator().evaluate(masks, windows, { digest: true });
		const { times, found } = evaluate(model, () => {
			ended.push(server.kill());
			void restart();
		});
		expect(bits(await found)).toEqual(bits(straight));
		expect([...times.values()]).toEqual(masks.map(() => 1));
		expect(events).toHaveLength(1);
		expect(events[0]).toContain(server.endpoint);
		const again = Number(/it is started again, and (\d+) candidates? of this batch measured again$/.exec(events[0]!)?.[1]);
		expect(again).toBeGreaterThan(0);
		expect(again).toBeLessThanOrEqual(masks.length - 3);
	});

	it("and stays away is an error that names it; once it is back, the same model computes the same", async () => {
		await using model = await load();
		const straight = await model.createEvaluator().evaluate(masks, windows, { digest: true });
		const { times, found } = evaluate(model, () => ended.push(server.kill()));
		const error = await found.catch((reason: unknown) => reason);
		expect(error).toBeInstanceOf(DeviceError);
		expect((error as DeviceError).message).toMatch(
			/^the RPC server 127\.0\.0\.1:\d+ ended, or cannot be reached any more: .*start the server again, then the same command goes on\.$/,
		);
		expect((error as DeviceError).message).toContain(server.endpoint);
		expect(times.size).toBeLessThan(masks.length);
		await restart();
		expect(bits(await evaluate(model, () => {}).found)).toEqual(bits(straight));
	});

	it("between two jobs is told of, and used again once it is back; until then another server is", async () => {
		const measured = async () => {
			await using model = await load();
			return bits(await model.createEvaluator().evaluate(masks.slice(0, 2), windows, { digest: true }));
		};
		const straight = await measured();
		await server.kill();
		await expect(load()).rejects.toThrow(/--rpc 127\.0\.0\.1:\d+: no connection \(ECONNREFUSED\)\. Is ggml-rpc-server running there\?/);
		const { port } = server;
		server = await startServer(program!);
		expect(await measured()).toEqual(straight);
		await server.kill();
		server = await startServer(program!, port);
		expect(await measured()).toEqual(straight);
	});

	it("ends a run, which goes on from its cache when the server is back, and chooses what an undisturbed run chooses", async () => {
		const search = { method: "leave-one-out", workingWeights: "own" } as const;
		const notes: string[] = [];
		const options = { ...small, rpc: [server.endpoint], devices: ["RPC0"], removeBlocks: 3, search };
		let candidates = 0;
		const run = pruneGguf(fixturePath, out(), {
			...options,
			onProgress: ({ unit, done }) => {
				if (unit !== "candidates" || done < 4 || candidates++ > 0) return;
				ended.push(server.kill());
			},
		});
		await expect(run).rejects.toThrow(/the RPC server .* ended, or cannot be reached any more.*What was measured is in the cache/);
		await restart();
		const again = await pruneGguf(fixturePath, out(), { ...options, onLog: ({ message }) => void notes.push(message) });
		expect(notes).toContainEqual(expect.stringMatching(/^[1-9]\d* candidates are cached from an earlier run/));
		process.env.PRUNE_GGUF_HOME = `${process.env.PRUNE_GGUF_HOME}-straight`;
		const straight = await pruneGguf(fixturePath, out(), options);
		expect(again.plan!.removed).toEqual(straight.plan!.removed);
		expect(again.plan!.losses).toEqual(straight.plan!.losses);
	});
});
