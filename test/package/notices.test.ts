import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { tempFolder } from "../helpers/temp-folder.js";

// THIRD_PARTY_NOTICES and the bill of materials are made for each package: here they are made, and read.

const ROOT = fileURLToPath(new URL("../..", import.meta.url)).replace(/[\\/]$/, "");
interface Bill {
	readonly specVersion: string;
	readonly serialNumber: string;
	readonly metadata: { readonly component: { readonly name: string; readonly version: string } };
	readonly components: readonly {
		readonly "bom-ref": string;
		readonly name: string;
		readonly version?: string;
		readonly licenses?: readonly unknown[];
	}[];
	readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
}
interface From {
	readonly root: string;
	readonly pin: { readonly version: string; readonly commit: string };
	readonly zig?: { readonly version: string; readonly folder: string };
	readonly bill: Bill;
}
const script = (name: string) => import(new URL(`../../scripts/package/${name}.mjs`, import.meta.url).href);
const { notices } = (await script("notices")) as { notices(from: From): string };
const { billOfMaterials } = (await script("bill")) as { billOfMaterials(from: From): Bill };
const { npmBill } = (await script("packages")) as { npmBill(root: string): Bill };

const pin = JSON.parse(readFileSync(join(ROOT, "vendor", "llama.cpp.json"), "utf8")) as From["pin"];
const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as {
	packages: Record<string, { version: string; dev?: boolean; devOptional?: boolean }>;
};
const from: From = { root: ROOT, pin, bill: npmBill(ROOT) };
const text = notices(from);

/** zig's texts, as they lie beside its libraries. */
function zigAt(folder: string): NonNullable<From["zig"]> {
	const lib = join(folder, "lib");
	for (const path of [
		"../LICENSE",
		"libcxx/LICENSE.TXT",
		"libcxxabi/LICENSE.TXT",
		"libunwind/LICENSE.TXT",
		"libc/glibc/LICENSES",
		"libc/mingw/COPYING",
	]) {
		mkdirSync(dirname(join(lib, path)), { recursive: true });
		writeFileSync(join(lib, path), `text of ${path}`);
	}
	return { version: "0.17.1", folder: lib };
}
const zig = zigAt(tempFolder());

describe("THIRD_PARTY_NOTICES", () => {
	const installed = Object.entries(lock.packages)
		.filter(([path, { dev, devOptional }]) => path !== "" && !dev && !devOptional)
		.map(([path, { version }]) => `${path.split("node_modules/").at(-1)} ${version}`);

	it("names every package that npm installs with it, with a license", () => {
		expect(installed.length).toBeGreaterThan(90);
		const lines = new Set(text.split("\n").map((line) => line.replace(/ \(.+\)$/, "")));
		expect(installed.filter((name) => !lines.has(name))).toEqual([]);
		expect(text).not.toContain("(not stated)");
		expect(from.bill.components.map(({ name, version }) => `${name} ${version}`).sort()).toEqual([...new Set(installed)].sort());
	});

	it("names everyone who says in the packed sources of llama.cpp that they wrote them", () => {
		const folder = join(ROOT, "vendor", "llama.cpp");
		const parts = ["LICENSE", "src", "include", "ggml", "vendor/hash"];
		const files = parts.flatMap((part) =>
			part === "LICENSE" ? [part] : readdirSync(join(folder, part), { recursive: true }).map((file) => `${part}/${file}`),
		);
		const holders = new Set(
			files
				.filter((file) => /LICENSE|\.(?:c|cpp|h|hpp|cu|cuh|m|metal|comp|glsl|md)$/i.test(file))
				.flatMap((file) => [...readFileSync(join(folder, file), "utf8").matchAll(/Copyright (?:\(c\) )?\d{4}[-\d]* +(.+)/gi)])
				.map(([, holder]) => holder!.replace(/ <.*|\. *$/, "").trim()),
		);
		expect(holders.size).toBeGreaterThan(5);
		expect([...holders].filter((holder) => !text.includes(holder))).toEqual([]);
	});

	it("names what zig links only if a binary was made with it", () => {
		expect(text).not.toContain("libc++");
		const withZig = notices({ ...from, zig });
		for (const words of ["libc++abi", "text of libcxx/LICENSE.TXT", "text of ../LICENSE", "text of libc/mingw/COPYING"])
			expect(withZig).toContain(words);
		// The binaries for Windows find Node-API by a file of this project.
		expect(withZig).not.toMatch(/file of\s+cmake-js/);
	});
});

describe("the bill of materials", () => {
	const bill = billOfMaterials({ ...from, zig });

	it("is npm's, under the name of the package, and llama.cpp with its pin", () => {
		expect(bill.metadata.component.name).toBe("prune-gguf");
		const names = bill.components.map(({ name }) => name);
		for (const name of ["node-addon-api", "valibot", "llama.cpp and ggml", "xxHash", "libc++"]) expect(names).toContain(name);
		expect(JSON.stringify(bill.components.find(({ name }) => name === "llama.cpp and ggml"))).toContain(pin.commit);
		expect(bill.components.length).toBeGreaterThan(from.bill.components.length + 10);
	});

	it("refers only to what it lists, each once", () => {
		const refs = bill.components.map((component) => component["bom-ref"]);
		expect(new Set(refs).size).toBe(refs.length);
		const known = new Set([...refs, `prune-gguf@${bill.metadata.component.version}`]);
		for (const { ref, dependsOn } of bill.dependencies) expect([ref, ...dependsOn].filter((one) => !known.has(one))).toEqual([]);
	});

	it("is the same for the same package", () => {
		expect(billOfMaterials({ ...from, zig, bill: npmBill(ROOT) })).toEqual(bill);
		expect(bill.serialNumber).toMatch(/^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
		expect(billOfMaterials(from).serialNumber).not.toBe(bill.serialNumber);
	});
});
