import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { measureResult, resultFile } from "../../../src/pipeline/reporting/measured-result.js";
import type { Session } from "../../../src/pipeline/session/session.js";

const folder = mkdtempSync(join(tmpdir(), "prune-gguf-result-"));
afterAll(() => rmSync(folder, { recursive: true }));

function counted() {
	const model = { path: "models/a b.gguf", file: { paths: [], states: [] } };
	const session = { closed: 0, metric: "loss", model, close: async () => void session.closed++ };
	return session;
}

const opened = (session: ReturnType<typeof counted>) => session as unknown as Session;

describe("a result that is measured", () => {
	it("is written as JSON where a file is named, and the session closed", async () => {
		const session = counted();
		const output = join(folder, "result.json");
		const file = await resultFile({ saveResult: output }, []);
		expect(await measureResult(opened(session), file, {}, async () => ({ cells: [1] }))).toEqual({ cells: [1] });
		expect(readFileSync(output, "utf8")).toBe('{\n\t"cells": [\n\t\t1\n\t]\n}\n');
		expect(session.closed).toBe(1);
	});

	it("is refused a name that is taken, or that of an input, before anything is measured", async () => {
		const taken = join(folder, "taken.json");
		writeFileSync(taken, "kept");
		await expect(resultFile({ saveResult: taken }, [])).rejects.toThrow(/overwrit/);
		await expect(resultFile({ saveResult: taken, overwrite: true }, [taken])).rejects.toThrow();
		expect(await resultFile({ saveResult: taken, overwrite: true }, [])).toMatchObject({ path: taken, overwrite: true });
		expect(await resultFile({}, [])).toMatchObject({ path: undefined, overwrite: false });
	});

	it("is not written where measuring fails, and the session is closed all the same", async () => {
		const session = counted();
		const output = join(folder, "failed.json");
		const fail = () => Promise.reject(new Error("no finite loss"));
		await expect(measureResult(opened(session), await resultFile({ saveResult: output }, []), {}, fail)).rejects.toThrow("no finite loss");
		expect(existsSync(output)).toBe(false);
		expect(session.closed).toBe(1);
	});

	it("leaves the best sets so far where it is interrupted", async () => {
		const session = counted();
		const controller = new AbortController();
		const notes: string[] = [];
		const options = { signal: controller.signal, onLog: ({ message }: { message: string }) => void notes.push(message) };
		const work = measureResult(opened(session), await resultFile({}, []), options, async ({ onStep }) => {
			onStep({ count: 2, removed: [3, 6], addedLoss: 0.1, tried: 1 });
			controller.abort();
			controller.signal.throwIfAborted();
		});
		await expect(work).rejects.toThrow();
		expect(notes.join("\n")).toMatch(/3, 6/);
		expect(notes.join("\n")).toContain("prune-gguf 'models/a b.gguf' 'a b-minus-2.gguf' --remove 3,6");
		expect(session.closed).toBe(1);
	});
});
