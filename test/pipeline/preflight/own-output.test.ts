import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { FileError, OutputExistsError } from "../../../src/errors.js";
import { OwnOutput } from "../../../src/pipeline/preflight/own-output.js";
import { makeRunFolder } from "../../../src/storage/runs.js";
import { ownHomes } from "../../helpers/home.js";

const { out } = ownHomes();
const model = "model.gguf";
const made = { output: {} } as Parameters<OwnOutput["keep"]>[3];

/** A run up to the point where its model has its name. */
async function written(output: string, folder: string): Promise<OwnOutput> {
	const run = await OwnOutput.of(model, output, {});
	writeFileSync(`${output}.part`, "model");
	await run.keep(folder, `${output}.part`, [3], made);
	renameSync(`${output}.part`, output);
	return run;
}

it("an output whose run goes on is not taken for that of a dead one, by the same command or another", async () => {
	const output = out();
	const folder = await makeRunFolder({ name: model, sha256: "ab".repeat(32) });
	const living = await written(output, folder);
	for (const options of [{}, { seed: 5 }, { overwrite: true }]) {
		const again = OwnOutput.of(model, output, options);
		await expect(again).rejects.toThrow(FileError);
		await expect(again).rejects.toThrow(`${output}: another run writes it now (process ${process.pid}`);
	}
	await living.done();
	expect(readdirSync(folder)).toEqual([]);
	expect((await OwnOutput.of(model, output, {})).isThere).toBe(false);
});

it("a run that ended early is finished by one run, not by two", async () => {
	const output = out();
	const folder = await makeRunFolder({ name: model, sha256: "ab".repeat(32) });
	await (await written(output, folder)).release();
	const [first, second] = [await OwnOutput.of(model, output, {}), await OwnOutput.of(model, output, {})];
	expect([first.isThere, second.isThere]).toEqual([true, true]);
	await first.takeOver(folder);
	await expect(second.takeOver(folder)).rejects.toThrow(/another run writes it now/);
	await expect(OwnOutput.of(model, output, {})).rejects.toThrow(/another run writes it now/);
	expect(first.made([3])).toEqual(made);
	await first.done();
	await expect(second.takeOver(folder)).rejects.toThrow(OutputExistsError);
	await second.release();
	expect([readdirSync(folder), existsSync(output)]).toEqual([[], true]);
});

it("what is not as it was kept counts as not there", async () => {
	const output = out();
	const folder = await makeRunFolder({ name: model, sha256: "ab".repeat(32) });
	await (await written(output, folder)).release();
	const path = join(folder, readdirSync(folder)[0]!);
	const kept = JSON.parse(readFileSync(path, "utf8"));
	for (const removed of [undefined, null, 3, "3", {}, ["3"], [null], [3, 3], [6, 3]]) {
		writeFileSync(path, JSON.stringify({ ...kept, removed }));
		expect((await OwnOutput.of(model, output, {})).isThere, JSON.stringify(removed)).toBe(false);
	}
	writeFileSync(path, JSON.stringify({ ...kept, reports: { [output]: 3 } }));
	expect((await OwnOutput.of(model, output, {})).isThere).toBe(false);
	writeFileSync(path, JSON.stringify(kept));
	expect((await OwnOutput.of(model, output, {})).isThere).toBe(true);
});
