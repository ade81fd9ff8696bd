import { basename } from "node:path";
import type { InspectResult } from "../api/index.js";
import { describeBlocks, removedFrom } from "../model/architectures/index.js";
import { GgufFile, ggmlTypeName } from "../model/gguf/index.js";
import { formatBlocks } from "../notation.js";
import { checkFiles } from "../pipeline/preflight/call.js";

/**
 * What a file holds and which of its blocks can be removed. Reads the header only; needs no addon.
 * @throws InvalidGgufError, FileError, InvalidOptionError
 */
export async function inspectModel(path: string): Promise<InspectResult> {
	checkFiles("inspectModel", { path });
	const file = await GgufFile.read(path);
	const blocks = describeBlocks(file);
	const types: Record<string, number> = {};
	let parameters = 0;
	for (const tensor of file.tensors) {
		const name = ggmlTypeName(tensor.type);
		types[name] = (types[name] ?? 0) + 1;
		parameters += tensor.dims.reduce((product, size) => product * size, 1);
	}
	const removed = removedFrom(file);
	const sourceBlocks = file.number("prune_gguf.source_block_count");
	return {
		path,
		name: basename(path),
		architecture: blocks.architecture,
		blocks: blocks.blocks,
		size: file.size,
		parameters,
		files: file.paths,
		support: blocks.support,
		reason: blocks.reason,
		proof: blocks.proof,
		maxRemovable: blocks.maxRemovable,
		frozen: [...blocks.frozen].map(([block, reason]) => ({ block, reason })),
		units: blocks.units,
		halfBlockCuts: blocks.parts,
		attentionParts: blocks.attention,
		withoutAttention: blocks.withoutAttention.length > 0 ? blocks.withoutAttention : undefined,
		pruned:
			removed === undefined
				? undefined
				: `blocks ${formatBlocks(removed)} of ${sourceBlocks} removed by prune-gguf ${file.string("prune_gguf.version")}`,
		types,
	};
}
