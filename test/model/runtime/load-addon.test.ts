import { expect, it } from "vitest";
import { knownHere, probeKey, record, recordOf } from "../../../src/model/runtime/binary/probed.js";
import { System } from "../../../src/model/runtime/binary/system.js";
import { findAddon, loadAddon, loadedBinary } from "../../../src/model/runtime/load-addon.js";
import { ownHomes } from "../../helpers/home.js";

ownHomes();

it("a binary that did not answer in time is tried again, with more time, before none counts as usable", async () => {
	const path = findAddon()!;
	process.env.PRUNE_GGUF_ADDON = path;
	const key = (await probeKey(path, new System()))!;
	const late = { key, sha256: "0".repeat(64), passed: false, reason: "it did not answer", until: Date.now() + 60_000 };
	// It had as much time already.
	await record({ ...late, limit: 120_000 });
	await expect(loadAddon({ build: false })).rejects.toThrow(/it did not answer/);
	await record({ ...late, limit: 20_000 });
	await loadAddon({ build: false });
	expect(loadedBinary().path).toBe(path);
	knownHere.clear();
	expect(await recordOf(key)).toMatchObject({ passed: true });
});
