import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ProgressEvent, PruneOptions } from "../../src/api.js";
import { pruneGguf } from "../../src/prune.js";
import { readKeptFigure } from "../../src/storage/plan-heal.js";
import { fixturePath } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";

const { out, newHome, home } = ownHomes();
const run = { ...small, windows: 6, windowLength: 64, heal: true, healTokens: 1024, healType: "F16" } satisfies PruneOptions;
const options = { ...run, method: "leave-one-out", removeBlocks: 2 } satisfies PruneOptions;

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
	it("goes on with the sets that it has compared, and with what it has healed, to the same file", { timeout: 300_000 }, async () => {
		newHome();
		const whole = out();
		const all = watched();
		const { plan } = await pruneGguf(fixturePath, whole, { ...options, ...all.options });
		const raced = all.counts.get("healing finalists")!;
		expect(raced).toBeGreaterThan(3);

		newHome();
		const first = watched({ phase: "healing finalists", done: 2 });
		await expect(pruneGguf(fixturePath, out(), { ...options, ...first.options })).rejects.toThrow("enough");
		const second = watched();
		const resumed = out();
		const again = await pruneGguf(fixturePath, resumed, { ...options, ...second.options });
		// The one that was stopped is compared again.
		expect(second.counts.get("healing finalists")).toBe(raced - 2);
		const { seconds, ...section } = again.plan!.heal!;
		expect(section).toEqual({ ...plan!.heal!, seconds: undefined });
		expect(readFileSync(resumed).equals(readFileSync(whole))).toBe(true);

		const third = watched();
		const once = out();
		const known = await pruneGguf(fixturePath, once, { ...options, ...third.options });
		expect(third.counts.has("healing finalists")).toBe(false);
		expect(third.counts.has("sampling text to heal with")).toBe(false);
		expect(known.plan!.heal).toEqual(again.plan!.heal);
		expect(readFileSync(once).equals(readFileSync(whole))).toBe(true);

		// What is torn, or does not come out as it did, is found anew.
		const folder = join(home(), "runs", readdirSync(join(home(), "runs"))[0]!);
		const files = readdirSync(folder).filter((name) => name.endsWith(".heal.json"));
		for (const file of files) {
			const text = readFileSync(join(folder, file), "utf8");
			writeFileSync(
				join(folder, file),
				readKeptFigure(text) === undefined ? text.replace(/"sha256":"[0-9a-f]{64}"/g, `"sha256":"${"0".repeat(64)}"`) : "{",
			);
		}
		const anew = watched();
		const other = out();
		await pruneGguf(fixturePath, other, { ...options, ...anew.options });
		expect(anew.counts.get("healing finalists")).toBe(raced);
		expect(readFileSync(other).equals(readFileSync(whole))).toBe(true);
	});

	it("is healed anew with other options", async () => {
		newHome();
		const heal = async (more: PruneOptions) => (await pruneGguf(fixturePath, out(), { ...run, remove: [3, 6], ...more })).plan!.heal!;
		const first = await heal({});
		expect(await heal({})).toEqual(first);
		const maps = await heal({ healKind: "map" });
		expect(maps.cuts.map(({ recipe }) => recipe?.kind ?? "map")).toEqual(["map", "map"]);
		expect((await heal({ healType: "Q8_0" })).type).toBe("Q8_0");
		expect((await heal({ seed: 4 })).fit.sha256).not.toBe(first.fit.sha256);
	});
});
