import { expect, it } from "vitest";
import { blockOfTensor } from "../../../src/model/gguf/index.js";

it("reads the block off a tensor's name", () => {
	expect(["blk.0.attn_q.weight", "blk.12.ffn_down.weight"].map(blockOfTensor)).toEqual([0, 12]);
	expect(["output.weight", "token_embd.weight", "blk.x.weight", "enc.blk.3.attn_q.weight", "blk.3"].map(blockOfTensor)).toEqual(
		Array(5).fill(undefined),
	);
});
