import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { InvalidPlanError } from "../../src/errors.js";
import { applyPlan } from "../../src/jobs/apply.js";
import { encodeEntry } from "../../src/model/gguf/index.js";
import { formatPlan, readPlan } from "../../src/storage/plan.js";
import { changedFixture, fixturePath } from "../helpers/fixture.js";
import { ownHomes } from "../helpers/home.js";

const { folder } = ownHomes();
const plain = fileURLToPath(new URL("../fixtures/version-1/plain.gguf.plan.json", import.meta.url));

describe("a plan of a stranger", () => {
	it.skipIf(process.platform === "win32")("cannot point anywhere: no text in it is opened, written to, or run", async () => {
		// Whoever opens a pipe without a writer waits.
		const pipe = join(folder, "pipe");
		execFileSync("mkfifo", [pipe]);
		const made = join(folder, "made");
		const plan = JSON.parse(formatPlan(await readPlan(plain)));
		for (const split of Object.values(plan.calibration)) (split as { source: string }).source = pipe;
		plan.model.name = pipe;
		plan.options = { calibration: [pipe], questions: pipe, output: made, limits: { questions: pipe } };
		plan.command = `touch ${made}; $(touch ${made})`;
		const path = join(folder, "hostile.plan.json");
		writeFileSync(path, JSON.stringify(plan));
		const output = join(folder, "out.gguf");
		await expect(applyPlan(fixturePath, output, { plan: path })).resolves.toBeDefined();
		expect(existsSync(made)).toBe(false);
		expect(existsSync(output)).toBe(true);
	});

	it("is refused for any model but its own, also for one that differs in a byte of metadata", async () => {
		const other = await changedFixture(join(folder, "fixture-12l.gguf"), (content) => ({
			...content,
			entries: content.entries.map((one) => (one.key === "general.name" ? encodeEntry(one.key, "string", "other") : one)),
		}));
		const output = join(folder, "other.gguf");
		const applied = applyPlan(other, output, { plan: plain });
		await expect(applied).rejects.toThrow(InvalidPlanError);
		await expect(applied).rejects.toThrow(/was made for .* with SHA-256 cee712.*--remove/);
		expect(existsSync(output)).toBe(false);
		const copy = join(folder, "copy.gguf");
		copyFileSync(fixturePath, copy);
		await expect(applyPlan(copy, output, { plan: plain })).resolves.toBeDefined();
		expect(readFileSync(output).length).toBeGreaterThan(1000);
	});
});
