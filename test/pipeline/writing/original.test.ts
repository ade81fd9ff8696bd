import { open } from "node:fs/promises";
import { expect, it } from "vitest";
import { InvalidGgufError, ModelLoadError } from "../../../src/errors.js";
import { contentOf, encodeEntry, type GgufEntry, GgufFile, writeGguf } from "../../../src/model/gguf/index.js";
import { openOriginal } from "../../../src/pipeline/writing/quantize-weights.js";
import { f16Fixture } from "../../helpers/f16.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes } from "../../helpers/home.js";
import { watching } from "../../helpers/progress.js";

const { folder, out } = ownHomes();

it("an original that llama.cpp ends the process for is refused, whether the fault is known or not", async () => {
	const content = contentOf(await GgufFile.read(await f16Fixture(folder)));
	const stating = async (...entries: GgufEntry[]) => {
		const keys = new Set(["tokenizer.ggml.bos_token_id", ...entries.map(({ key }) => key)]);
		const path = out();
		const handle = await open(path, "w");
		await writeGguf(handle, { ...content, entries: [...content.entries.filter(({ key }) => !keys.has(key)), ...entries] });
		await handle.close();
		return path;
	};
	const source = { path: fixturePath, file: await GgufFile.read(fixturePath) };

	const known = openOriginal(await stating(encodeEntry("llama.attention.layer_norm_rms_epsilon", "float32", -1)), source, {});
	await expect(known).rejects.toThrow(InvalidGgufError);
	await expect(known).rejects.toThrow("expected a number of at least 0 as attention.layer_norm_rms_epsilon");

	const noStart = [encodeEntry("tokenizer.ggml.model", "string", "t5"), encodeEntry("tokenizer.ggml.add_bos_token", "bool", true)];
	const phases = new Set<string>();
	const unknown = openOriginal(await stating(...noStart), source, { progress: watching(({ phase }) => phases.add(phase)) });
	await expect(unknown).rejects.toThrow(ModelLoadError);
	await expect(unknown).rejects.toThrow("while making tokens of a text");
	expect([...phases]).toEqual(["checking the file to quantize"]);
});
