import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { makeReadOnly } from "../../helpers/read-only.js";

// Fetching the sources with programs that stand for npm, git and tar: nothing is downloaded.

const { fetchLlama } = (await import(new URL("../../../scripts/fetch-llama.mjs", import.meta.url).href)) as {
	fetchLlama(options: { root: string }): Promise<string>;
};

let folder: string;
let vendor: string;
const path = process.env.PATH;
const program = (name: string, text: string) => {
	writeFileSync(join(folder, "programs", name), `#!/bin/sh\n${text}\n`);
	chmodSync(join(folder, "programs", name), 0o755);
};
const npmSays = (...lines: string[]) =>
	program("npm", `[ "$1" = --version ] && exit 0\n${lines.map((line) => `echo "${line}" >&2`).join("\n")}\nexit 1`);
/** npm gives the package that is pinned. @returns text of the pin */
function packs(): string {
	const path = join(vendor, "llama.cpp.json");
	const integrity = `sha512-${createHash("sha512").update("tarball\n").digest("base64")}`;
	const pin = JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), integrity });
	writeFileSync(path, pin);
	program("npm", '[ "$1" = --version ] && exit 0\necho tarball > x.tgz\necho \'[{"filename":"x.tgz"}]\'');
	return pin;
}

beforeEach(() => {
	folder = mkdtempSync(join(tmpdir(), "prune-gguf-fetch-"));
	vendor = join(folder, "root", "vendor");
	mkdirSync(vendor, { recursive: true });
	mkdirSync(join(folder, "programs"));
	const pin = {
		version: "v1",
		commit: "abc",
		package: "some-package",
		packageVersion: "1.2.3",
		integrity: "sha512-x",
		bundle: "b",
		keep: [],
		drop: [],
	};
	writeFileSync(join(vendor, "llama.cpp.json"), JSON.stringify(pin));
	for (const name of ["npm", "git", "tar"]) program(name, "exit 0");
	process.env.PATH = join(folder, "programs");
});
afterEach(() => {
	process.env.PATH = path;
	rmSync(folder, { recursive: true, force: true });
});

const fetched = () => fetchLlama({ root: join(folder, "root") });

describe.skipIf(process.platform === "win32")("fetching the sources of llama.cpp", () => {
	it.each(["EAI_AGAIN", "ENOTFOUND", "ECONNREFUSED", "ETIMEDOUT"])("says that there is no network (%s)", async (code) => {
		npmSays(`npm error code ${code}`, "npm error syscall getaddrinfo");
		await expect(fetched()).rejects.toThrow(`npm's registry cannot be reached (${code}). Check the network`);
		expect(readdirSync(vendor)).toEqual(["llama.cpp.json"]);
	});

	it("says that the registry has no such package", async () => {
		npmSays("npm error code E404");
		await expect(fetched()).rejects.toThrow("npm's registry did not give some-package@1.2.3 (E404)");
	});

	it("says that the disk became full", async () => {
		npmSays("npm error code ENOSPC");
		await expect(fetched()).rejects.toThrow(/^the disk of .* is full\. Make space/);
	});

	it.each(["git", "npm", "tar"])("says that %s is missing, and how to install it", async (name) => {
		rmSync(join(folder, "programs", name));
		await expect(fetched()).rejects.toThrow(new RegExp(`^${name} is needed to download llama\\.cpp, but not found\\. Install with: `));
	});

	it("says so before the download if the sources cannot be written", async (context) => {
		const undo = makeReadOnly(vendor);
		if (!undo) return context.skip();
		try {
			await expect(fetched()).rejects.toThrow(/^the sources belong in .*vendor, which cannot be written/);
		} finally {
			undo();
		}
	});

	it("is not stopped by what a process of the same number left", async () => {
		npmSays("npm error code E404");
		mkdirSync(join(vendor, `llama.cpp.partial-${process.pid}`));
		await expect(fetched()).rejects.toThrow("E404");
	});

	it("deletes what a killed one left, and leaves what a living one works on", async () => {
		npmSays("npm error code E404");
		for (const name of ["llama.cpp.partial", "llama.cpp.partial-999999999", `llama.cpp.partial-${process.ppid}`])
			mkdirSync(join(vendor, name));
		await expect(fetched()).rejects.toThrow("E404");
		expect(readdirSync(vendor).sort()).toEqual(["llama.cpp.json", `llama.cpp.partial-${process.ppid}`]);
	});

	it("gives npm fixed words only: on Windows a shell reads them, and folders have the user's name", async () => {
		const words = join(folder, "words");
		program("npm", `[ "$1" = --version ] && exit 0\nprintf '%s\\n' "$@" > "${words}"\nexit 1`);
		mkdirSync(join(folder, "a & b"));
		vi.stubEnv("TMPDIR", join(folder, "a & b"));
		try {
			await expect(fetched()).rejects.toThrow();
			const given = readFileSync(words, "utf8").trim().split("\n");
			expect(given.slice(0, 2)).toEqual(["pack", "some-package@1.2.3"]);
			for (const word of given) expect(word).toMatch(/^[\w@.=-]+$/);
		} finally {
			vi.unstubAllEnvs();
		}
	});

	it("understands what tar and git say in a German system", async () => {
		packs();
		const says = 'if [ "$LC_ALL" = C ]; then echo "No space left on device"; else echo "Kein Platz"; fi >&2; exit 1';
		vi.stubEnv("LC_ALL", "de_DE.UTF-8");
		try {
			program("git", `[ "$1" = --version ] && exit 0\n${says}`);
			await expect(fetched()).rejects.toThrow(/^the disk of .* is full/);
			program("tar", `[ "$1" = --version ] && exit 0\n${says}`);
			await expect(fetched()).rejects.toThrow(/^the disk of .* is full/);
		} finally {
			vi.unstubAllEnvs();
		}
	});

	it("leaves sources alone that another process laid out meanwhile", async () => {
		const pin = packs();
		// The last program that runs: as it ends, the other process is done, and its compiler has a file open.
		const stamp = createHash("sha256").update(pin).digest("hex");
		const target = join(vendor, "llama.cpp");
		program(
			"git",
			`case "$*" in *rev-parse*) /bin/mkdir ${target}; printf %s ${stamp} > ${target}/.pin; echo > ${target}/open.h; echo abc;; esac`,
		);
		await expect(fetched()).resolves.toBe(target);
		expect(readdirSync(target).sort()).toEqual([".pin", "open.h"]);
		expect(readdirSync(vendor).sort()).toEqual(["llama.cpp", "llama.cpp.json"]);
	});
});
