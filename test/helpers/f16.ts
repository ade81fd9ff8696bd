import { join } from "node:path";
import { quantizeFile } from "../../src/model/runtime/quantize.js";
import { fixturePath } from "./fixture.js";

/** The 12-block model with its matrices as F16: what a user quantizes. */
export async function f16Fixture(folder: string): Promise<string> {
	const path = join(folder, "fixture-f16.gguf");
	await quantizeFile(fixturePath, path, "F16", { threads: 2 });
	return path;
}
