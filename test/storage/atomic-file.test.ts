import {
	chmodSync,
	chownSync,
	existsSync,
	linkSync,
	lstatSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	realpathSync,
	statSync,
	symlinkSync,
	unlinkSync,
	writeFileSync,
} from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { FileError, NoSpaceError, OutputExistsError, VerificationError } from "../../src/errors.js";
import { type AtomicWriteOptions, checkTarget, writeAtomically, writeTemporarily } from "../../src/storage/atomic-file.js";
import { giveRights } from "../../src/storage/rights.js";
import { listPartials } from "../../src/storage/partials.js";
import { makeReadOnly } from "../helpers/read-only.js";
import { tempFolder } from "../helpers/temp-folder.js";

const root = tempFolder();
let folder = "";
let target = "";
let number = 0;

beforeEach(() => {
	folder = join(root, `case-${number++}`);
	mkdirSync(folder);
	target = join(folder, "out.gguf");
});

const write = (text: string) => async (handle: FileHandle) => {
	await handle.writeFile(text);
	return text.length;
};
/** The write must fail in this way, with nothing left behind and the folder unchanged. */
const refuses = async (
	path: string,
	options: AtomicWriteOptions,
	type: new (m: string) => Error,
	message: RegExp,
	writer = write("new"),
) => {
	const before = readdirSync(folder);
	const attempt = writeAtomically(path, options, writer);
	await expect(attempt).rejects.toThrow(type);
	await expect(attempt).rejects.toThrow(message);
	expect(readdirSync(folder)).toEqual(before);
};
const unwanted = async (): Promise<never> => {
	throw new Error("must not be called");
};

describe("writeAtomically", () => {
	test("puts the file under its name and gives the writer's result", async () => {
		expect(await writeAtomically(target, {}, write("hello"))).toBe(5);
		expect(readFileSync(target, "utf8")).toBe("hello");
		expect(readdirSync(folder)).toEqual(["out.gguf"]);
	});

	test("shows nothing under the final name while it writes; the temporary file is beside it and recognizable", async () => {
		await writeAtomically(target, {}, async (handle, temp) => {
			await handle.writeFile("part");
			expect(existsSync(target)).toBe(false);
			expect(dirname(temp)).toBe(folder);
			expect(basename(temp)).toMatch(new RegExp(`^\\.out\\.gguf\\.partial-${process.pid}-[0-9a-f]{24}$`));
			expect(await listPartials(folder)).toMatchObject([{ path: temp, pid: process.pid, size: 4, inUse: true }]);
		});
		expect(await listPartials(folder)).toEqual([]);
	});

	test("takes names as long as the file system allows", async () => {
		for (const name of ["x".repeat(255), "é".repeat(127)]) {
			await writeAtomically(join(folder, name), {}, write("long"));
			expect(readFileSync(join(folder, name), "utf8")).toBe("long");
		}
	});

	test("verifies the finished file before it is renamed", async () => {
		const seen: string[] = [];
		const verify = async (temp: string) => {
			seen.push(readFileSync(temp, "utf8"));
			expect(existsSync(target)).toBe(false);
		};
		await writeAtomically(target, { verify }, write("checked"));
		expect(seen).toEqual(["checked"]);
		const failing = async () => {
			throw new VerificationError("differs");
		};
		await refuses(target, { overwrite: true, verify: failing }, VerificationError, /differs/);
		expect(readFileSync(target, "utf8")).toBe("checked");
	});

	test("leaves nothing when writing fails, and the error is the writer's", async () => {
		const error = new TypeError("the writer's own");
		const failing = async (handle: FileHandle) => {
			await handle.writeFile("half");
			throw error;
		};
		await expect(writeAtomically(target, {}, failing)).rejects.toBe(error);
		expect(readdirSync(folder)).toEqual([]);
	});

	test("leaves nothing when aborted, at any step", async () => {
		const reason = new Error("enough");
		await expect(writeAtomically(target, { signal: AbortSignal.abort(reason) }, unwanted)).rejects.toBe(reason);
		const during = new AbortController();
		const writer = async () => during.abort(reason);
		await expect(writeAtomically(target, { signal: during.signal, verify: unwanted }, writer)).rejects.toBe(reason);
		const checking = new AbortController();
		const verify = async () => checking.abort(reason);
		await expect(writeAtomically(target, { signal: checking.signal, verify }, write("x"))).rejects.toBe(reason);
		expect(readdirSync(folder)).toEqual([]);
	});
});

describe("an existing file", () => {
	test("is kept without overwrite, replaced with it", async () => {
		writeFileSync(target, "old");
		await refuses(target, {}, OutputExistsError, /exists: give another name, or allow overwriting \(--overwrite\)/, unwanted as never);
		expect(readFileSync(target, "utf8")).toBe("old");
		await writeAtomically(target, { overwrite: true }, write("new"));
		expect(readFileSync(target, "utf8")).toBe("new");
		expect(readdirSync(folder)).toEqual(["out.gguf"]);
	});

	test.skipIf(process.platform === "win32")("gives its rights to the one that replaces it, which nobody else reads before", async () => {
		const rightsOf = (path: string) => statSync(path).mode & 0o777;
		for (const mode of [0o600, 0o640, 0o444, 0o666]) {
			writeFileSync(target, "old");
			chmodSync(target, mode);
			const link = join(folder, `link-${mode}`);
			symlinkSync(target, link);
			for (const path of [target, link]) {
				await writeAtomically(
					path,
					{ overwrite: true, verify: async (temp) => expect(rightsOf(temp)).toBe(mode) },
					async (handle, temp) => {
						expect(rightsOf(temp)).toBe(0o600);
						await handle.writeFile("new");
					},
				);
				expect([rightsOf(target), readFileSync(target, "utf8")]).toEqual([mode, "new"]);
			}
			await writeTemporarily(
				target,
				{},
				async (handle) => handle.writeFile("x"),
				async (temp) => expect(rightsOf(temp)).toBe(0o600),
			);
			unlinkSync(target);
		}
		// A new file has the usual ones.
		writeFileSync(join(folder, "usual"), "");
		await writeAtomically(target, { overwrite: true }, write("new"));
		expect(rightsOf(target)).toBe(rightsOf(join(folder, "usual")));
	});

	test.runIf(process.getuid?.() === 0)("gives its owner and group, if this user may", async () => {
		writeFileSync(target, "old");
		chownSync(target, 12_345, 23_456);
		await writeAtomically(target, { overwrite: true }, write("new"));
		expect(statSync(target)).toMatchObject({ uid: 12_345, gid: 23_456 });
	});

	test.skipIf(process.platform === "win32")("gives another group no more than everyone had", async () => {
		const path = join(folder, "x");
		for (const [mode, given] of [
			[0o660, 0o600],
			[0o664, 0o644],
			[0o777, 0o777],
		] as const) {
			const handle = await open(path, "w");
			handle.chown = () => Promise.reject(new Error("EPERM"));
			await giveRights(handle, { mode, uid: 1, gid: 1 });
			await handle.close();
			expect(statSync(path).mode & 0o777).toBe(given);
		}
	});

	test("that appears while the output is written is kept", async () => {
		const writer = async () => writeFileSync(target, "someone else's");
		await expect(writeAtomically(target, {}, writer)).rejects.toThrow(OutputExistsError);
		expect(readFileSync(target, "utf8")).toBe("someone else's");
		expect(readdirSync(folder)).toEqual(["out.gguf"]);
	});

	test("is written through a link to it", async () => {
		const elsewhere = join(folder, "elsewhere");
		mkdirSync(elsewhere);
		writeFileSync(join(elsewhere, "real.gguf"), "old");
		symlinkSync(join(elsewhere, "real.gguf"), target);
		await expect(writeAtomically(target, {}, write("new"))).rejects.toThrow(OutputExistsError);
		await writeAtomically(target, { overwrite: true }, async (handle, temp) => {
			expect(dirname(temp)).toBe(realpathSync(elsewhere));
			await handle.writeFile("new");
		});
		expect(lstatSync(target).isSymbolicLink()).toBe(true);
		expect(readFileSync(join(elsewhere, "real.gguf"), "utf8")).toBe("new");
	});

	test("may be a link to nothing, which counts as existing", async () => {
		symlinkSync(join(folder, "nothing"), target);
		await refuses(target, {}, OutputExistsError, /exists/);
		await writeAtomically(target, { overwrite: true }, write("new"));
		expect(readFileSync(target, "utf8")).toBe("new");
		expect(readFileSync(join(folder, "nothing"), "utf8")).toBe("new");
		expect(lstatSync(target).isSymbolicLink()).toBe(true);
	});

	test("may be a link to a link to nothing, from folder to folder", async () => {
		for (const name of ["a", "b"]) mkdirSync(join(folder, name));
		symlinkSync(join("..", "a", "real.gguf"), join(folder, "b", "link.gguf"));
		symlinkSync(join(folder, "b"), join(folder, "c"));
		symlinkSync(join("c", "link.gguf"), target);
		await writeAtomically(target, { overwrite: true }, write("new"));
		expect(readdirSync(join(folder, "a"))).toEqual(["real.gguf"]);
		expect(lstatSync(target).isSymbolicLink()).toBe(true);
	});

	test("may be a link into a folder that is not there, which is refused", async () => {
		symlinkSync(join(folder, "unmounted", "real.gguf"), target);
		const message = /out\.gguf is a link to .*unmounted.real\.gguf, and there is no folder .*unmounted: create it, or delete the link/;
		await refuses(target, { overwrite: true }, FileError, message, unwanted as never);
		expect(lstatSync(target).isSymbolicLink()).toBe(true);
	});
});

describe("an input is never replaced", () => {
	let input = "";
	beforeEach(() => {
		input = join(folder, "model.gguf");
		writeFileSync(input, "model");
	});
	const options = () => ({ overwrite: true, inputs: [join(folder, "absent"), input] });
	const kept = async (path: string) => {
		await refuses(path, options(), OutputExistsError, /is the input .*model\.gguf: an input is never overwritten/, unwanted as never);
		expect(readFileSync(input, "utf8")).toBe("model");
	};

	test("by its own name, nor by another way to write it", async () => {
		await kept(input);
		await kept(join(folder, ".", "..", basename(folder), "model.gguf"));
	});

	test("by a symbolic link, a hard link, or a linked folder", async () => {
		symlinkSync(input, target);
		await kept(target);
		unlinkSync(target);
		linkSync(input, target);
		await kept(target);
		const linked = `${folder}-linked`;
		symlinkSync(folder, linked);
		await kept(join(linked, "model.gguf"));
	});

	test("where the input itself is given by a link", async () => {
		symlinkSync(input, join(folder, "link.gguf"));
		await refuses(input, { overwrite: true, inputs: [join(folder, "link.gguf")] }, OutputExistsError, /never overwritten/);
	});
});

describe("a place that cannot take the file", () => {
	test("is refused before anything is written", async () => {
		const early = unwanted as never;
		await refuses(join(folder, "missing", "out.gguf"), {}, FileError, /there is no folder .*missing, create it first/, early);
		writeFileSync(join(folder, "plain"), "");
		await refuses(join(folder, "plain", "out.gguf"), {}, FileError, /plain is not a folder/, early);
		await refuses(folder, { overwrite: true }, FileError, /is a folder: give the name of a file/, early);
		await refuses(`${target}/`, {}, FileError, /give the name of a file/, early);
		await refuses("", {}, FileError, /give the name of a file/, early);
		await refuses("/dev/null", { overwrite: true }, FileError, /not a regular file/, early);
	});

	test("has too little space, known before or noticed while writing", async () => {
		const expectedBytes = Number.MAX_SAFE_INTEGER;
		await refuses(target, { expectedBytes }, NoSpaceError, /needs 9007199254\.7 MB but .* has [\d.]+ MB free/, unwanted as never);
		await writeAtomically(target, { expectedBytes: 3 }, write("fit"));
		const full = async () => {
			throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", syscall: "write" });
		};
		await refuses(join(folder, "other"), {}, NoSpaceError, /the disk is full/, full as never);
	});

	test("does not hide that an input could not be read", async () => {
		const error = Object.assign(new Error("EIO: i/o error, read"), { code: "EIO", syscall: "read" });
		const failing = async () => {
			throw error;
		};
		await expect(writeAtomically(target, {}, failing)).rejects.toBe(error);
	});
});

describe("checkTarget", () => {
	test("notices beforehand that a folder cannot be written, whoever asks, and names it", async (context) => {
		const closed = join(folder, "closed");
		mkdirSync(closed);
		symlinkSync(join(closed, "real.gguf"), target);
		const undo = makeReadOnly(closed);
		context.skip(!undo, "a read-only file system cannot be mounted here");
		try {
			const reason =
				/closed.+(is on a read-only file system|no permission to write in)|(is on a read-only file system|no permission to write in).+closed/;
			for (const path of [join(closed, "out.gguf"), target]) {
				await expect(checkTarget(path, { overwrite: true })).rejects.toThrow(FileError);
				await expect(checkTarget(path, { overwrite: true })).rejects.toThrow(reason);
			}
		} finally {
			undo?.();
		}
	});

	test("leaves nothing, and what is there as it is", async () => {
		writeFileSync(target, "old");
		await checkTarget(target, { overwrite: true, expectedBytes: 3 });
		await checkTarget(join(folder, "other.gguf"), {});
		expect(readdirSync(folder)).toEqual(["out.gguf"]);
		expect(readFileSync(target, "utf8")).toBe("old");
	});
});

describe("writeTemporarily", () => {
	test("shows the file to its user, and deletes it whatever happens", async () => {
		const read = async (temp: string) => {
			expect(dirname(temp)).toBe(folder);
			return readFileSync(temp, "utf8");
		};
		const writing = async (handle: FileHandle) => handle.writeFile("zeros");
		expect(await writeTemporarily(target, {}, writing, read)).toBe("zeros");
		await expect(writeTemporarily(target, {}, writing, unwanted)).rejects.toThrow("must not be called");
		await expect(writeTemporarily(target, {}, unwanted, read)).rejects.toThrow("must not be called");
		const controller = new AbortController();
		const reason = new Error("enough");
		const stop = async () => controller.abort(reason);
		await expect(writeTemporarily(target, { signal: controller.signal }, stop, unwanted)).rejects.toBe(reason);
		expect(readdirSync(folder)).toEqual([]);
	});

	test("checks the space first, and the folder; what lies under the name does not matter", async () => {
		await expect(writeTemporarily(target, { expectedBytes: Number.MAX_SAFE_INTEGER }, unwanted, unwanted)).rejects.toThrow(NoSpaceError);
		await expect(writeTemporarily(join(folder, "missing", "x"), {}, unwanted, unwanted)).rejects.toThrow(/create it first/);
		writeFileSync(target, "mine");
		await writeTemporarily(
			target,
			{},
			async (handle) => handle.writeFile("x"),
			async () => {},
		);
		expect(readFileSync(target, "utf8")).toBe("mine");
	});
});
