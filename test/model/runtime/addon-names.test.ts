import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import { findAddon } from "../../../src/model/runtime/load-addon.js";
import { interfaceMembers } from "../../helpers/imports.js";

// TypeScript trusts src/model/runtime/addon.ts, which the C++ compiler does not read. Names that differ would be undefined at run time.
const source = readFileSync(new URL("../../../src/model/runtime/addon.ts", import.meta.url), "utf8");
const path = findAddon();

type Named = { prototype: object } & Record<string, unknown>;
const methodsOf = (type: Named) =>
	Object.getOwnPropertyNames(type.prototype)
		.filter((name) => name !== "constructor")
		.sort();

describe.skipIf(path === undefined)("the addon that was built", () => {
	const addon = createRequire(import.meta.url)(path ?? "") as Record<string, Named>;

	it("exports the names of the interface Addon", () => {
		expect(Object.keys(addon).sort()).toEqual(interfaceMembers(source, "Addon")?.sort());
	});

	it.each(["NativeModel", "CancelToken"])("gives %s the methods of its interface", (name) => {
		const expected = interfaceMembers(source, name)?.sort();
		expect(expected?.length).toBeGreaterThan(0);
		expect(methodsOf(addon[name]!)).toEqual(expected);
	});

	it("loads models by the one static method that the interface has", () => {
		const statics = Object.getOwnPropertyNames(addon.NativeModel).filter(
			(name) => !["length", "name", "prototype", "arguments", "caller"].includes(name),
		);
		expect(statics).toEqual(["load"]);
	});
});
