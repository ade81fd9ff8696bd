import { afterEach, expect, it, vi } from "vitest";
import { DisposedError } from "../../../src/errors.js";
import { Model } from "../../../src/model/runtime/model.js";
import { Session } from "../../../src/pipeline/session/session.js";
import { fixturePath, fullSet, removing } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";
import { watching } from "../../helpers/progress.js";

ownHomes();
afterEach(() => {
	vi.restoreAllMocks();
});

it("a copy of the model that is still being made does not outlive its session", async () => {
	const options = { ...small, workingWeights: "F16" as const };
	const plan = { masks: 20, weights: "auto" } as const;
	const first = await Session.open(fixturePath, options, plan);
	await first.games.search.measure([fullSet], { phase: "begun" });
	await first.close();

	const loaded: Model[] = [];
	const load = Model.load;
	vi.spyOn(Model, "load").mockImplementation(async (...args) => {
		const model = await load(...args);
		loaded.push(model);
		return model;
	});
	let making = () => {};
	const begun = new Promise<void>((resolve) => (making = resolve));
	const progress = watching(({ phase }) => phase.includes("copy in memory") && making());
	const warnings: string[] = [];
	const onLog = ({ level, message }: { level: string; message: string }) => void (level === "warning" && warnings.push(message));
	const session = await Session.open(fixturePath, { ...options, progress, onLog }, plan);
	const measured = session.games.search.measure([removing(3)], { phase: "gone on with" }).catch((error: unknown) => error);
	await begun;
	await session.close();
	const outcome = await measured;
	for (const model of loaded) expect(() => model.tokenize("a")).toThrow(DisposedError);
	expect(outcome).toBeInstanceOf(DisposedError);
	expect(warnings).toEqual([]);
});

it("a session that is closed makes no copy any more, one whose search is closed does", async () => {
	const session = await Session.open(fixturePath, { ...small, workingWeights: "F16" }, { masks: 20, weights: "auto" });
	await session.games.search.measure([fullSet], { phase: "begun" });
	await session.closeSearch();
	const load = vi.spyOn(Model, "load");
	await session.games.search.measure([removing(3)], { phase: "gone on with" });
	expect(load).toHaveBeenCalledTimes(1);
	await session.close();
	await expect(session.games.search.measure([removing(4)], { phase: "too late" })).rejects.toThrow(DisposedError);
	expect(load).toHaveBeenCalledTimes(1);
});
