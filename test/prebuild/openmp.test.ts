import { resolve } from "node:path";
import { expect, it } from "vitest";

const { openmpAddons } = (await import(new URL("../../scripts/prebuild/openmp.mjs", import.meta.url).href)) as {
	openmpAddons(files: string[], info: (file: string) => { systemInfo: string }): Map<string, string>;
};

const [withOpenmp, without] = ["with.node", "without.node"].map((name) => resolve(name)) as [string, string];
const info = (file: string) => ({ systemInfo: `CPU : AVX2 = 1 | ${file === withOpenmp ? "OPENMP = 1 | " : ""}REPACK = 1 | ` });

it("compares an addon without OpenMP to one with it", () => {
	expect([...openmpAddons(["with.node", "without.node"], info)]).toEqual([
		["with OpenMP", withOpenmp],
		["without OpenMP", without],
	]);
});

it.each<[string[], string]>([
	[["with.node"], "--openmp needs two addons"],
	[["without.node", "without.node"], `${without} is without OpenMP: the first addon must have it`],
	[["with.node", "with.node"], `${withOpenmp} has OpenMP: the second addon must be without it`],
])("refuses %j", (files, message) => {
	expect(() => openmpAddons(files, info)).toThrow(message);
});
