import { readFileSync } from "node:fs";
import { beforeEach, expect, it, vi } from "vitest";
import { knownHere } from "../../../src/model/runtime/binary/probed.js";
import { System } from "../../../src/model/runtime/binary/system.js";
import { outdatedPart } from "../../../src/model/runtime/build-anew.js";
import * as child from "../../../src/model/runtime/child.js";
import { findAddon } from "../../../src/model/runtime/load-addon.js";
import { canDamage, type Damage, damaged, placeBinary } from "../../helpers/binaries.js";
import { ownHomes } from "../../helpers/home.js";

// What of an earlier build a new one makes again.

vi.mock("../../../src/model/runtime/child.js", async (original) => {
	const real = await original<typeof child>();
	return { ...real, runChild: vi.fn(real.runChild) };
});

const { fresh } = ownHomes();
const addon = findAddon()!;
const system = new System();
beforeEach(() => knownHere.clear());

const partOf = (bytes: Uint8Array, facts: Parameters<typeof placeBinary>[2] = {}) =>
	outdatedPart(placeBinary(fresh("build"), bytes, facts), { system });

it("is nothing of one that works, of an older one, and where there is none", async () => {
	expect(await partOf(readFileSync(addon))).toBe("nothing");
	expect(await partOf(readFileSync(addon), undefined)).toBe("nothing");
	expect(await partOf(readFileSync(addon), { packageVersion: "0.0.1" })).toBe("nothing");
	expect(await outdatedPart(fresh("build"), { system })).toBe("nothing");
});

it.runIf(system.cpu.flags)("is everything of one for another processor, also of an older one", async () => {
	const needs = ["no-such-feature"];
	expect(await partOf(readFileSync(addon), { needs })).toBe("all");
	expect(await partOf(readFileSync(addon), { needs, packageVersion: "0.0.1" })).toBe("all");
});

it.runIf(canDamage).each<[Damage, string]>([
	["with an illegal instruction", "all"],
	["of another C library", "all"],
	["with a library that is missing", "nothing"],
	["with a write outside its memory", "nothing"],
	["cut short", "file"],
])("of one %s is: %s", async (damage, part) => {
	expect(await partOf(damaged(addon, damage))).toBe(part);
});

it("is nothing if the system ended the process that tried it", async () => {
	vi.mocked(child.runChild).mockImplementationOnce(async ({ onLine }) => {
		onLine("begun");
		return { done: false, cause: "SIGKILL", log: [] };
	});
	expect(await partOf(readFileSync(addon))).toBe("nothing");
});
