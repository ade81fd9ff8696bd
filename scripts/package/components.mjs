// What a package holds besides this project's own work and npm's packages, as data: in its sources, and in its binaries.
// The texts of licenses are read where they lie. None is kept in git.
import { readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * @typedef {object} Component
 * @property {string} name
 * @property {string} license SPDX expression
 * @property {string} holds in which part of the package it is
 * @property {string} [version]
 * @property {string} [purl]
 * @property {string} [origin] where it comes from, if nothing else says so
 * @property {(context: Context) => string} text
 */

/**
 * Where texts are read.
 * @typedef {object} Context
 * @property {string} root of this project
 * @property {string | undefined} zig folder of zig's libraries; undefined if no binary was made with it
 */

const file =
	(...path) =>
	({ root }) =>
		readFileSync(join(root, ...path), "utf8").trim();
const llama = (...path) => file("vendor", "llama.cpp", ...path);

/** The comment that a source file begins with. */
const firstComment =
	(...path) =>
	(context) => {
		const source = llama(...path)(context);
		const block = /^\/\*([\s\S]*?)\*\//.exec(source)?.[1] ?? /^(?:\/\/.*\n)+/.exec(source)?.[0];
		if (block === undefined) throw new Error(`${path.join("/")} begins without a comment: see where its license stands now`);
		return block.replaceAll(/^(?:\/\/| \*)? ?/gm, "").trim();
	};

/** The lines of a source file that say whose work a part of it is. */
const linesWith =
	(pattern, ...path) =>
	(context) => {
		const found = llama(...path)(context)
			.split("\n")
			.filter((line) => pattern.test(line));
		if (found.length === 0) throw new Error(`${path.join("/")} does not say ${pattern}: see where its license stands now`);
		return found.map((line) => line.replace(/^\/\/ ?/, "")).join("\n");
	};

/** @param pin of vendor/llama.cpp.json */
export const sourceComponents = (pin) => [
	{
		name: "llama.cpp and ggml",
		version: pin.version,
		license: "MIT",
		purl: `pkg:github/ggml-org/llama.cpp@${pin.commit}`,
		holds: "vendor/llama.cpp, every binary",
		text: llama("LICENSE"),
	},
	{
		name: "matrix products of llamafile",
		license: "MIT",
		holds: "vendor/llama.cpp, every binary",
		text: firstComment("ggml", "src", "ggml-cpu", "llamafile", "sgemm.cpp"),
	},
	{
		name: "YaRN",
		license: "MIT",
		holds: "vendor/llama.cpp, every binary",
		text: linesWith(/MIT licensed|YaRN algorithm based on/, "ggml", "src", "ggml-cpu", "ops.cpp"),
	},
	{
		name: "tables of the Unicode Character Database",
		license: "Unicode-3.0",
		holds: "vendor/llama.cpp, every binary",
		origin: "https://www.unicode.org/license.txt",
		text: () => "",
	},
	{
		name: "KleidiAI's interface in ggml",
		license: "MIT",
		holds: "vendor/llama.cpp",
		text: linesWith(/^\/\/ SPDX/, "ggml", "src", "ggml-cpu", "kleidiai", "kernels.h"),
	},
	{
		name: "the SYCL header of ggml",
		license: "MIT",
		holds: "vendor/llama.cpp",
		text: linesWith(/Copyright|SPDX/, "ggml", "include", "ggml-sycl.h"),
	},
	{ name: "xxHash", license: "BSD-2-Clause", holds: "vendor/llama.cpp", text: llama("vendor", "hash", "xxhash", "LICENSE") },
	{
		name: "SHA-1 in C",
		license: "LicenseRef-public-domain",
		holds: "vendor/llama.cpp",
		text: firstComment("vendor", "hash", "sha1", "sha1.c"),
	},
	{ name: "sha256.c", license: "LicenseRef-public-domain", holds: "vendor/llama.cpp", text: llama("vendor", "hash", "sha256", "LICENSE") },
	{ name: "rotate-bits.h", license: "MIT", holds: "vendor/llama.cpp", text: llama("vendor", "hash", "rotate-bits", "LICENSE.md") },
];

const zig =
	(...path) =>
	(context) =>
		readFileSync(join(context.zig, ...path), "utf8").trim();

/** What zig links into a binary. @param version of zig */
export const zigComponents = (version) => [
	{
		name: "zig's compiler runtime",
		version,
		license: "MIT",
		purl: `pkg:pypi/ziglang@${version}`,
		holds: "binaries for Linux and Windows",
		text: zig("..", "LICENSE"),
	},
	...["libcxx", "libcxxabi", "libunwind"].map((name) => ({
		name: { libcxx: "libc++", libcxxabi: "libc++abi", libunwind: "libunwind" }[name],
		license: "Apache-2.0 WITH LLVM-exception",
		holds: "binaries for Linux and Windows",
		origin: `as zig ${version} has it`,
		text: zig(name, "LICENSE.TXT"),
	})),
	{
		name: "the GNU C library",
		license: "LGPL-2.1-or-later",
		holds: "binaries for Linux: only the code by which a program starts; the library is that of the system",
		origin: `as zig ${version} has it`,
		text: zig("libc", "glibc", "LICENSES"),
	},
	{
		name: "mingw-w64's runtime",
		license: "ZPL-2.1",
		holds: "binaries for Windows",
		origin: `as zig ${version} has it`,
		text: zig("libc", "mingw", "COPYING"),
	},
];
