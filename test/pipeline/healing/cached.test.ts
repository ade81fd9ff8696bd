import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ProgressEvent, PruneOptions } from "../../../src/api/index.js";
import { applyPlan } from "../../../src/jobs/apply.js";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { readKeptValues } from "../../../src/storage/plan-heal.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";
import { thorough } from "../../helpers/slow.js";

const { out, newHome, home } = ownHomes();
const run = { ...small, windows: 6, windowLength: 64, heal: { tokens: 1024, type: "F16" } } satisfies PruneOptions;
const options = { ...run, search: { method: "leave-one-out", granularity: "block" }, removeBlocks: 2 } satisfies PruneOptions;

const runFolder = () => join(home(), "runs", readdirSync(join(home(), "runs"))[0]!);
const keptFiles = (folder: string) => readdirSync(folder).filter((name) => name.endsWith(".heal.json"));

/** Sets that were compared, by the files that keep what they were compared by, with the time of writing. */
function comparedIn(folder: string): Map<string, number> {
	const files = keptFiles(folder).filter((name) => readKeptValues(readFileSync(join(folder, name), "utf8")) !== undefined);
	return new Map(files.map((name) => [name, statSync(join(folder, name)).mtimeMs]));
}

/** Events of each phase that a run shows. */
function watched(stop?: { phase: string; done: number }) {
	const counts = new Map<string, number>();
	const abort = new AbortController();
	const onProgress = ({ phase, done }: ProgressEvent) => {
		counts.set(phase, (counts.get(phase) ?? 0) + 1);
		if (phase === stop?.phase && done >= stop.done) abort.abort(new Error("enough"));
	};
	return { counts, options: { onProgress, signal: abort.signal } };
}

describe("a run that was stopped while it healed", () => {
	it.runIf(thorough)("continues with the sets that it has compared and healed, to the same file", { timeout: 300_000 }, async () => {
		newHome();
		const whole = out();
		const all = watched();
		const { plan } = await pruneGguf(fixturePath, whole, { ...options, ...all.options });
		expect(all.counts.has("healing finalists")).toBe(true);
		const raced = [...comparedIn(runFolder()).keys()];
		expect(raced.length).toBeGreaterThan(3);
		expect(plan!.removed).toHaveLength(2);
		expect(plan!.timings["healed final comparison"]).toBeGreaterThan(0);

		newHome();
		const first = watched({ phase: "healing finalists", done: 16 });
		await expect(pruneGguf(fixturePath, out(), { ...options, ...first.options })).rejects.toThrow("enough");
		const before = comparedIn(runFolder());
		expect(before.size).toBeGreaterThan(0);
		expect(before.size).toBeLessThan(raced.length);
		const second = watched();
		const resumed = out();
		const again = await pruneGguf(fixturePath, resumed, { ...options, ...second.options });
		// Those that were compared are not compared again; the one that was stopped is.
		const after = comparedIn(runFolder());
		expect([...after.keys()].sort()).toEqual([...raced].sort());
		for (const [name, written] of before) expect(after.get(name)).toBe(written);
		const { seconds, ...section } = again.plan!.heal!;
		expect(section).toEqual({ ...plan!.heal!, seconds: undefined });
		expect(readFileSync(resumed).equals(readFileSync(whole))).toBe(true);

		const third = watched();
		const once = out();
		const known = await pruneGguf(fixturePath, once, { ...options, ...third.options });
		expect(third.counts.has("healing finalists")).toBe(false);
		expect(third.counts.has("generating text for healing")).toBe(false);
		expect(known.plan!.heal).toEqual(again.plan!.heal);
		expect(readFileSync(once).equals(readFileSync(whole))).toBe(true);

		// An incomplete figure is computed again.
		const folder = runFolder();
		for (const file of comparedIn(folder).keys()) writeFileSync(join(folder, file), "{");
		const anew = watched();
		await pruneGguf(fixturePath, out(), { ...options, ...anew.options });
		expect(anew.counts.has("healing finalists")).toBe(true);
		expect([...comparedIn(folder).keys()].sort()).toEqual([...raced].sort());
	});

	it.runIf(thorough)("is healed again if cached matrices do not come out the same", async () => {
		// With maps only, which its plan repeats, byte for byte.
		const large = {
			...run,
			windows: 10,
			windowLength: 128,
			heal: { ...run.heal, tokens: 2048, kind: "map" },
			remove: [3, 6, 7],
		} satisfies PruneOptions;
		const output = out();
		const heal = async (to: string) => (await pruneGguf(fixturePath, to, large)).plan!;
		const { heal: first, options: asked } = await heal(output);
		expect(first!.applied).toBe(true);
		expect(asked).toMatchObject({ heal: { kind: "map" } });
		expect(new Set(first!.cuts.flatMap(({ recipe }) => recipe?.kind ?? []))).toEqual(new Set(["map"]));
		const again = out();
		await applyPlan(fixturePath, again, { plan: `${output}.plan.json`, threads: 2 });
		expect(readFileSync(again).equals(readFileSync(output))).toBe(true);

		expect((await heal(out())).heal!.seconds).toEqual(first!.seconds);
		const folder = runFolder();
		const [file] = keptFiles(folder);
		const kept = JSON.parse(readFileSync(join(folder, file!), "utf8"));
		for (const cut of kept.cuts) if (cut.sha256) cut.sha256 = "0".repeat(64);
		writeFileSync(join(folder, file!), JSON.stringify(kept));
		const { seconds, ...section } = (await heal(out())).heal!;
		expect(section).toEqual({ ...first, seconds: undefined });
		expect(seconds).not.toEqual(first!.seconds);
	});

	it.runIf(thorough)("is healed again with other options", async () => {
		const heal = async (more: PruneOptions) => (await pruneGguf(fixturePath, out(), { ...run, remove: [3, 6], ...more })).plan!.heal!;
		const kindsOf = ({ cuts }: Awaited<ReturnType<typeof heal>>) => new Set(cuts.flatMap(({ recipe }) => recipe?.kind ?? []));
		for (const healKind of ["map", "refit"] as const)
			expect(kindsOf(await heal({ heal: { ...run.heal, kind: healKind } }))).toEqual(new Set([healKind]));
		expect((await heal({ heal: { ...run.heal, type: "Q8_0" } })).type).toBe("Q8_0");
	});
});
