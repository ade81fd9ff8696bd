import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import {
	architectureNames,
	architectureProblems,
	headerProblems,
	layerMembers,
	layerProblems,
	perBlockMembers,
	viewProblems,
} from "../../../src/model/architectures/guard.js";
import { PER_BLOCK_MEMBERS } from "../../../src/model/architectures/hparams.js";
import { ARCHITECTURES } from "../../../src/model/architectures/index.js";

// What to check when the pin of llama.cpp moves. A failure's message says what to do.

const ROOT = join(dirname(fileURLToPath(import.meta.url)), "../../..");

function source(path: string): string {
	const full = join(ROOT, path);
	if (!existsSync(full)) throw new Error(`${path} is missing: run \`npm run fetch\` to get the sources of llama.cpp`);
	return readFileSync(full, "utf8");
}

const HEADER = () => source("vendor/llama.cpp/src/llama-hparams.h");
const NAMES = () => source("vendor/llama.cpp/src/llama-arch.cpp");

describe("the pinned llama.cpp", () => {
	it("has the per-block members and layer counts that hparams.ts knows", () => {
		expect(headerProblems(HEADER())).toEqual([]);
		expect(perBlockMembers(HEADER()).length).toBe(PER_BLOCK_MEMBERS.length);
	});

	it("has the architectures of the table", () => {
		expect(architectureProblems(NAMES(), ARCHITECTURES.keys())).toEqual([]);
		expect(architectureNames(NAMES())).toHaveLength(152);
	});

	it("is seen whole by the layer view", () => {
		expect(viewProblems(source("native/layer_view_hparams.cpp"))).toEqual([]);
	});

	it("has blocks of nothing but pointers to tensors", () => {
		expect(layerProblems(source("vendor/llama.cpp/src/llama-model.h"))).toEqual([]);
	});
});

describe("another llama.cpp", () => {
	const before = "    std::array<uint32_t, LLAMA_MAX_LAYERS> n_head_arr;";

	it("with a new per-block array is noticed", () => {
		const altered = HEADER().replace(before, `${before}\n    std::array<float, LLAMA_MAX_LAYERS> block_gain;`);
		expect(headerProblems(altered)).toEqual([
			expect.stringMatching(
				/block_gain holds one entry per block and is unknown: add it to PER_BLOCK_MEMBERS .* native\/layer_view_hparams\.cpp/,
			),
		]);
		const bits = HEADER().replace(before, `${before}\n    std::bitset<LLAMA_MAX_LAYERS> is_gated_impl;`);
		expect(headerProblems(bits)).toEqual([expect.stringContaining("is_gated_impl")]);
	});

	it("without one is noticed", () => {
		expect(headerProblems(HEADER().replace(before, ""))).toEqual([expect.stringContaining("llama_hparams::n_head_arr no longer exists")]);
	});

	it("with a new count of layers is noticed, and one without a known count", () => {
		const line = "    uint32_t n_layer_dense_lead = 0;";
		expect(headerProblems(HEADER().replace(line, `${line}\n    uint32_t n_layer_gated = 0;`))).toEqual([
			expect.stringMatching(/n_layer_gated mentions layers and is unknown.*LEADING_COUNT_MEMBERS/),
		]);
		expect(headerProblems(HEADER().replace(line, ""))).toEqual([expect.stringContaining("n_layer_dense_lead no longer exists")]);
	});

	it("with a new architecture, or without one, is noticed", () => {
		const altered = NAMES().replace('{ LLM_ARCH_LLAMA,            "llama"            },', '{ LLM_ARCH_LLAMA5, "llama5" },');
		const problems = architectureProblems(altered, ARCHITECTURES.keys());
		expect(problems).toEqual([
			expect.stringMatching(/llama5 is new: .*src\/model\/architectures\/table\//),
			expect.stringMatching(/^the architecture llama no longer exists/),
		]);
	});

	it("of another form is noticed, instead of passing for empty", () => {
		expect(headerProblems("struct llama_hparams {};").some((text) => text.includes("adapt perBlockMembers"))).toBe(true);
		expect(architectureProblems("", [])).toEqual([expect.stringContaining("adapt architectureNames")]);
		expect(layerMembers("    uint32_t n_layer_x;\n    uint32_t n_layer() const;\n    bool layered;")).toEqual(["n_layer_x"]);
	});

	it("with a block that holds more than pointers is noticed", () => {
		const header = source("vendor/llama.cpp/src/llama-model.h");
		const before = "    struct ggml_tensor * ffn_norm_b       = nullptr;";
		expect(layerProblems(header.replace(before, `${before}\n    float ffn_gain = 1.0f;`))).toEqual([
			expect.stringMatching(/^llama_layer has a member that is no pointer to a tensor \(float ffn_gain = 1\.0f\)/),
		]);
		expect(layerProblems(header.replace("struct llama_layer_nextn {", "struct llama_layer_nextn {\n    int n_heads;"))).toEqual([
			expect.stringContaining("llama_layer_nextn has a member"),
		]);
		expect(layerProblems("struct llama_model {\n};")).toEqual([expect.stringContaining("adapt layerProblems")]);
	});

	it("a layer view that takes a member from the wrong part is noticed", () => {
		const view = source("native/layer_view_hparams.cpp").replace("from.n_ff_arr, blocks, feed_forward", "from.n_ff_arr, blocks, attention");
		expect(viewProblems(view)).toEqual([expect.stringContaining("does not gather llama_hparams::n_ff_arr by the feed_forward part")]);
	});

	it("a layer view that forgets a member is noticed", () => {
		const view = source("native/layer_view_hparams.cpp").replaceAll("swiglu_clamp_shexp", "x");
		expect(viewProblems(view)).toContainEqual(expect.stringContaining("does not gather llama_hparams::swiglu_clamp_shexp"));
		// Members that the view also names elsewhere.
		const gather = source("native/layer_view_hparams.cpp").replace("gather(to.is_swa_impl,", "ignore(to.is_swa_impl,");
		expect(viewProblems(gather)).toEqual([expect.stringContaining("does not gather llama_hparams::is_swa_impl")]);
		const lower = source("native/layer_view_hparams.cpp").replaceAll("to.n_layer_kv_from_start = ", "auto unused = ");
		expect(viewProblems(lower)).toEqual([expect.stringContaining("cannot lower llama_hparams::n_layer_kv_from_start")]);
	});
});
