/** What llama.cpp reads from a model's metadata, block by block, including the tail. */
export interface BlockFacts {
	readonly trunk: number;
	readonly tail: number;
	/** Whether the model uses sliding windows at all. */
	readonly windows: boolean;
	readonly sliding: readonly boolean[];
	readonly recurrent: readonly boolean[];
	/** Whether the graph attends in these blocks: those of nemotron_h with a feed-forward do not, whatever heads are stated for them. */
	readonly attention: readonly boolean[];
	readonly heads: readonly number[];
	readonly kvHeads: readonly number[];
	readonly feedForward: readonly number[];
	readonly expertsUsed: readonly number[];
	readonly expertWidth: readonly number[];
	readonly rope: readonly boolean[];
	/** Undefined if blocks have no indexers, or each has its own. */
	readonly indexer: readonly boolean[] | undefined;
	/** How many tokens a compressed key represents (deepseek4); 0 for none. */
	readonly compressRatio: readonly number[];
	/** Images are added before these blocks. */
	readonly deepstack: readonly boolean[];
	readonly denseLead: number;
}
