import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { ApplyOptions, LogEvent } from "../../src/api/index.js";
import type { Plan } from "../../src/storage/plan.js";
import { applyPlan } from "../../src/jobs/apply.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { chatFixture } from "../helpers/fixture.js";
import { tempFolder } from "../helpers/temp-folder.js";

// What a plan's self-generated text begins with, on a model that writes chats.

const folder = tempFolder();

it("a plan is measured on text that begins as the plan's, and a warning says if it does not", async () => {
	process.env.PRUNE_GGUF_HOME = join(folder, "home");
	const model = await chatFixture(join(folder, "chat.gguf"));
	const small = { windows: 2, windowLength: 60, threads: 1 };
	const { plan, planPath } = await pruneGguf(model, undefined, {
		...small,
		remove: [3],
		selfText: "chats",
		plan: join(folder, "chats.json"),
	});
	expect(plan!.options).toMatchObject({ selfText: "chats" });
	expect(plan!.calibration.heldOut!.kinds!.map(({ kind }) => kind)).toContain("chat");
	let count = 0;
	const warnings = async (change: (plan: Plan) => void, options: ApplyOptions = {}) => {
		const changed = JSON.parse(readFileSync(planPath!, "utf8")) as Plan;
		change(changed);
		const path = join(folder, `plan-${count}.json`);
		writeFileSync(path, JSON.stringify(changed));
		const found: string[] = [];
		const onLog = ({ level, message }: LogEvent) => level === "warning" && found.push(message);
		await applyPlan(model, join(folder, `out-${count++}.gguf`), {
			plan: path,
			limits: { maxPplRatio: 100 },
			threads: 1,
			onLog,
			...options,
		});
		return found.filter((message) => message.includes("the figures of the plan"));
	};
	expect(await warnings(() => undefined)).toEqual([]);
	// Plans of earlier versions do not say it, or have another name for it.
	const forget = ({ options, calibration }: Plan) => {
		Reflect.deleteProperty(options, "selfText");
		Reflect.deleteProperty(calibration.heldOut!, "kinds");
	};
	expect(await warnings(forget)).toEqual([]);
	expect(await warnings(({ options }) => Object.assign(options, { selfText: "plain" }))).toEqual([]);
	const other = await warnings(() => undefined, { selfText: "documents" });
	expect(other).toEqual([expect.stringContaining("leave out --self-text, --seed")]);
}, 120_000);
