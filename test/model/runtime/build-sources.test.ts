import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nativeSources } from "../../../src/model/runtime/binary/sources.js";
import { compileAddon } from "../../../src/model/runtime/build.js";
import { hasSources } from "../../../src/model/runtime/build-sources.js";
import { FakeBuild } from "../../helpers/fake-build.js";

// What a build compiles must belong to the program. With programs that stand for cmake and compilers.

let fake: FakeBuild;
const before = process.env.PATH;
beforeEach(() => {
	fake = new FakeBuild();
	Object.assign(process.env, fake.env());
});
afterEach(() => {
	Object.assign(process.env, { PATH: before, FAKE_CMAKE: "{}" });
	rmSync(fake.root, { recursive: true, force: true, maxRetries: 5 });
});

describe("the sources of llama.cpp are there", () => {
	const vendor = () => join(fake.places.root, "vendor");
	const stamp = (text: string) => writeFileSync(join(vendor(), "llama.cpp", ".pin"), text);
	const pin = JSON.stringify({ version: "v1", commit: "abc" });
	beforeEach(() => writeFileSync(join(vendor(), "llama.cpp.json"), pin));

	it("in a package, and in a clone that fetched those of the pin", async () => {
		expect(await hasSources(fake.places.root)).toBe(true);
		stamp(createHash("sha256").update(pin).digest("hex"));
		expect(await hasSources(fake.places.root)).toBe(true);
	});

	it("not if they are of another version, or away", async () => {
		stamp("of another version");
		expect(await hasSources(fake.places.root)).toBe(false);
		if (process.platform !== "win32")
			await expect(compileAddon({ backend: "cpu", places: fake.places })).rejects.toThrow(/^git is needed to build/);
		rmSync(join(vendor(), "llama.cpp"), { recursive: true });
		expect(await hasSources(fake.places.root)).toBe(false);
	});
});

it.skipIf(process.platform === "win32")(
	"sources that are not those of the program are refused: no run would take what they give",
	async () => {
		const source = join(fake.places.root, "native", "a.cpp");
		mkdirSync(join(source, ".."));
		writeFileSync(source, "one");
		const places = { ...fake.places, sources: nativeSources(fake.places.root) };
		const build = () => compileAddon({ backend: "cpu", places });
		// What npm leaves out of a package.
		for (const name of ["a.cpp.orig", ".DS_Store", ".gitignore", ".a.cpp.swp", "._a.cpp", "a.cpp~"])
			writeFileSync(join(source, "..", name), "");
		await build();
		writeFileSync(source, "two");
		await expect(build()).rejects.toThrow(/package is damaged.* install the same package file again\.$/);
		writeFileSync(join(fake.places.root, "tsconfig.json"), "{}");
		await expect(build()).rejects.toThrow(/^native\/ changed since .*Run npm run build first\.$/);
		expect(fake.log().filter((line) => line === "build")).toHaveLength(1);
		expect(readFileSync(fake.addon, "utf8")).toBe("whole addon");
	},
);
