import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { compileAddon } from "../../../src/model/runtime/build.js";
import { checkBuildSpace, placeAddon } from "../../../src/model/runtime/build-folder.js";
import { FakeBuild } from "../../helpers/fake-build.js";

// With programs that stand for cmake and compilers.

let fake: FakeBuild;
const before = process.env.PATH;
beforeEach(() => {
	fake = new FakeBuild();
});
afterEach(() => {
	Object.assign(process.env, { PATH: before, FAKE_CMAKE: "{}" });
	rmSync(fake.root, { recursive: true, force: true, maxRetries: 5 });
});

async function build(): Promise<void> {
	Object.assign(process.env, fake.env());
	await compileAddon({ backend: "cpu", places: fake.places });
}

describe("the folder of a build", () => {
	it("needs room on its disk for what is not there yet, and says how much and where", async () => {
		const usual = { backend: "cpu", referenceTools: false } as const;
		await expect(checkBuildSpace(fake.root, { ...usual, free: 20e6 })).rejects.toThrow(
			`building needs 40 MB in ${fake.root}, and its disk has 20 MB free. Make space`,
		);
		await checkBuildSpace(fake.root, { ...usual, free: 60e6 });
		await expect(checkBuildSpace(fake.root, { ...usual, backend: "cuda", free: 60e6 })).rejects.toThrow("building needs 1000 MB");
		await expect(checkBuildSpace(fake.root, { ...usual, referenceTools: true, free: 200e6 })).rejects.toThrow("building needs 430 MB");
		await checkBuildSpace(fake.places.root, usual);
	});

	it("counts what is there for the addon or for the reference tools, and never for both", async () => {
		const neededWith = (referenceTools: boolean) =>
			checkBuildSpace(fake.root, { backend: "cpu", referenceTools, free: 0 }).then(
				() => 0,
				(error: Error) => Number(/needs (\d+) MB/.exec(error.message)?.[1]),
			);
		const put = (place: string, bytes: number) => {
			mkdirSync(join(fake.root, place), { recursive: true });
			writeFileSync(join(fake.root, place, "x"), Buffer.alloc(bytes));
		};
		put("llama.cpp/common", 150e6);
		expect(await neededWith(false)).toBe(40);
		expect(await neededWith(true)).toBe(280);
		put("llama.cpp/src", 60e6);
		expect(await neededWith(false)).toBe(0);
		expect(await neededWith(true)).toBe(240);
	});

	it.skipIf(process.platform === "win32")("is closed to others in the cache, and begun anew if it was not", async () => {
		const home = process.env.PRUNE_GGUF_HOME;
		const mask = process.umask(0o002);
		try {
			chmodSync(fake.root, 0o755);
			process.env.PRUNE_GGUF_HOME = fake.root;
			await build();
			expect(statSync(fake.folder).mode & 0o777).toBe(0o700);
			expect([fake.addon, join(fake.addon, "..")].map((path) => statSync(path).mode & 0o022)).toEqual([0, 0]);
			for (const path of [fake.folder, fake.places.builds]) chmodSync(path, 0o777);
			writeFileSync(join(fake.folder, "planted"), "");
			await build();
			expect(statSync(fake.folder).mode & 0o777).toBe(0o700);
			expect(statSync(fake.places.builds).mode & 0o022).toBe(0);
			expect(existsSync(join(fake.folder, "planted"))).toBe(false);
			expect(readFileSync(fake.addon, "utf8")).toBe("whole addon");
		} finally {
			process.umask(mask);
			process.env.PRUNE_GGUF_HOME = home;
		}
	});

	it("leaves an addon of the same bytes untouched, and replaces another in one step", async () => {
		const [linked, addon] = [join(fake.root, "linked"), join(fake.root, "Release", "addon")];
		writeFileSync(linked, "one");
		await placeAddon(linked, addon);
		const old = new Date(2020, 1, 1);
		utimesSync(addon, old, old);
		await placeAddon(linked, addon);
		expect(readdirSync(join(fake.root, "Release"))).toEqual(["addon"]);
		expect(statSync(addon).mtimeMs).toBe(old.getTime());
		writeFileSync(linked, "two");
		await placeAddon(linked, addon);
		expect(readFileSync(addon, "utf8")).toBe("two");
	});
});
