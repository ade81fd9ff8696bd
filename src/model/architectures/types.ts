// The shapes of the architecture table (data that a person reads and changes) and of what is said about one model.

/** A question about a model's metadata. */
export type Condition =
	/** The number under the key (`absent` where there is none; `length` of an array) is above `above`. */
	| { readonly key: string; readonly above: number; readonly absent: number }
	/** The number under the key, where there is one, is no multiple of this. */
	| { readonly key: string; readonly notMultipleOf: number }
	| { readonly not: Condition }
	/** The model has exactly that many blocks, tail not counted. */
	| { readonly blocks: number }
	/** The vocabulary has exactly that many tokens. */
	| { readonly vocabulary: number }
	/** Width divided by the number of heads is not the size of a head. */
	| { readonly headSize: "stated apart" }
	/** The first block states no attention heads. */
	| { readonly firstBlock: "without heads" }
	/** The model holds a tensor of that name. */
	| { readonly tensor: string };

/** What a block is, as far as rules ask. */
export type BlockKind = "sliding" | "full" | "attention" | "recurrent" | "rope" | "sparse" | "compressed-by-4" | "feed-forward";

/** Why some blocks can never go. */
export type Frozen = "first" | "deepstack" | "deepstack-mapped" | "per-layer-embedding" | "kv-donors" | "all-but-last-group";

interface Told {
	/** What would go wrong, for people: the end of a sentence that begins with the architecture and the blocks. */
	readonly why: string;
	/** File and line of the pinned llama.cpp, from `src/`. */
	readonly source: string;
	/**
	 * `source`: read in llama.cpp's source, and no model was made that breaks it and shows a difference; `bits`: sets that break it
	 * were written all the same, and gave another model, or one that does not load or ends the process. @default "bits"
	 */
	readonly proof?: Proof;
	/** Asks for the rule only in such models; all of several. @default always */
	readonly when?: Condition | readonly Condition[];
	/**
	 * llama.cpp ends the process where it is broken: a original model that breaks it cannot be measured either.
	 * @default true for `need`, `at-least` and `last-is`, false for others
	 */
	readonly aborts?: boolean;
}

/**
 * What a set of removed blocks must satisfy. `view` rules also hold for every part of the model that runs by itself (a layer
 * view, or the rest of a model resumed from a hidden state); the others only concern a file, because llama.cpp settles them
 * when it loads one.
 */
export type Rule =
	| ({ readonly rule: "refuse" } & Told)
	| ({ readonly rule: "freeze"; readonly blocks: Frozen } & Told)
	/** The graph tests `(index + offset) % period === 0`: a kept block must give the same answer at its new index. */
	| ({ readonly rule: "position"; readonly period: number | string; readonly offset: 0 | 1; readonly remainder?: number } & Told)
	/** llama.cpp derives something from the number of blocks: `equals` names special numbers (`together`: one kind), `atLeast` a threshold. */
	| ({
			readonly rule: "count";
			readonly equals?: readonly number[];
			readonly atLeast?: number;
			readonly together?: boolean;
			readonly view?: boolean;
	  } & Told)
	/** One block of each of these kinds must be left. */
	| ({ readonly rule: "need"; readonly kinds: readonly BlockKind[]; readonly view?: boolean } & Told)
	| ({ readonly rule: "last-is"; readonly kind: BlockKind } & Told)
	/** At least that many blocks must be left, in a view too. */
	| ({ readonly rule: "at-least"; readonly blocks: number; readonly ownKeys?: boolean } & Told)
	/** A block that is no `indexer` uses what the nearest `indexer` before it chose. */
	| ({ readonly rule: "shared-indexer" } & Told)
	/** A tensor is as wide as the largest rotation of any block. */
	| ({ readonly rule: "widest-rotation" } & Told);

/** A pattern of sliding-window blocks. */
export interface SlidingPattern {
	/** Every `period`-th block is not sliding when the key is absent; without it the key must be an array. */
	readonly period?: number;
	/** The period begins with the block that is not sliding. @default false */
	readonly denseFirst?: boolean;
	/** The model uses sliding windows at all. @default always */
	readonly when?: Condition;
	readonly source: string;
}

/** How llama.cpp tells recurrent blocks from attention. */
export interface RecurrentPattern {
	/** `no-kv-heads`: head_count_kv is 0; `no-kv-heads-no-ffn`: and feed_forward_length too; `interval`: the array, or every n-th is attention. */
	readonly by: "no-kv-heads" | "no-kv-heads-no-ffn" | "interval";
	readonly source: string;
}

/** Which blocks own a sparse-attention indexer. */
export interface IndexerPattern {
	/** When the key is absent. */
	readonly absent: "none" | "all" | "glm-5.2";
	readonly when?: Condition;
	readonly source: string;
}

/** Whether a hidden state can be fed back in as an embedding: `yes`, or why not. */
export type Resume = "yes" | { readonly no: string; readonly when?: Condition };

/** How far an entry is proven. */
export type Proof = "bits" | "source";

/** One architecture of llama.cpp. Everything that is absent takes the plain default: any set of blocks may go. */
export interface ArchitectureEntry {
	/** As in `general.architecture`. */
	readonly name: string;
	/** Where its metadata is read, from `src/` of the pinned llama.cpp. */
	readonly source: string;
	/** `bits`: removals compared bit for bit with the original file with zeroed output tensors; `source`: read, not run. */
	readonly proof: Proof;
	/** Nothing can be removed from any model of it, and why. */
	readonly refused?: string;
	/** For that reason llama.cpp cannot compute a loss of the original model either: no logits, or an abort. @default false */
	readonly unmeasurable?: boolean;
	/** Keys (after the architecture's name) whose arrays hold one entry a block, beside those that every architecture has. */
	readonly perBlock?: readonly string[];
	/** The same, for keys without the architecture's name before them. */
	readonly perBlockPlain?: readonly string[];
	/** Keys that count blocks from the start. */
	readonly leading?: readonly ("leading_dense_block_count" | "hash_layer_count")[];
	/** Members of `llama_hparams` beside those of `leading` that the layer view must lower by the removed blocks below them. */
	readonly viewCounts?: readonly { readonly member: string; readonly when?: Condition }[];
	readonly sliding?: SlidingPattern;
	readonly recurrent?: RecurrentPattern;
	readonly indexer?: IndexerPattern;
	/** Values that llama.cpp derives from the number of blocks when the key is absent. */
	readonly derived?: "residual-scale" | "deepseek2";
	readonly rules?: readonly Rule[];
	/** @default "yes" */
	readonly resume?: Resume;
	/** The number and width of experts in use are taken from each block (others: from the first). @default false */
	readonly expertsPerBlock?: boolean;
	/** Dense feed-forward widths are taken from each block (others: from the first). @default false */
	readonly widthsPerBlock?: boolean;
	/** The graph takes head and rotation sizes from each block: all of them, or the rotation only (others: from the first). */
	readonly sizesPerBlock?: "all" | "rotation";
	/** Before the block number in tensor names. @default "blk." */
	readonly prefix?: string;
	/** `none`: zeroed outputs do not make a block the identity, and why. */
	readonly oracle?: { readonly none: string };
	/** Tensors of a block (without prefix) to zero beside the usual ones, and to set to one, for the block to be the identity. */
	readonly alsoZero?: readonly string[];
	readonly setToOne?: readonly string[];
	/** Where a tail's tensors are missing llama.cpp counts its blocks as ordinary ones. @default false */
	readonly tailNeedsTensors?: boolean;
	readonly notes?: string;
}

/** What the layer view must know of a model so that view and file agree. */
export interface ViewRules {
	/** Members of `llama_hparams` that count blocks from the start (or index one): lowered by the removed blocks below them. */
	readonly leadingCounts: readonly string[];
	/** The tensors whose zeroing makes a block the identity; none where that cannot be done. */
	outputs(block: number): readonly string[];
	/** Blocks that run as identities where no block is kept: as few as the rules let stand alone; none where that cannot be done. */
	readonly empty: readonly number[];
}

export interface CheckOptions {
	/** All blocks at once may go: no file can be made of that, but it can be measured (the output head alone). @default false */
	readonly emptyAllowed?: boolean;
}

export interface CountOptions {
	/** Tied groups go as a whole. Without it a set may break one up where every kept block keeps its place. @default true */
	readonly tied?: boolean;
}

/** What a model's blocks allow. Blocks are numbered as in `blk.N`, from 0. */
export interface BlockPlan {
	readonly architecture: string;
	/** What is known of removals from this architecture: proven bit for bit, a rule read from the source only, or nothing. */
	readonly proof: Proof | "unknown";
	/** Why these blocks cannot be made the identity by zeroed tensors, so that a removal cannot be proven on this file; undefined when they can. */
	oracleProblem(removed: readonly number[]): string | undefined;
	/** Blocks that may be looked at; without the tail. */
	readonly blocks: number;
	/** Multi-token-prediction blocks, kept last. */
	readonly tailBlocks: number;
	/** `exact`: removed sets that pass `check` leave the other blocks computing what they did. */
	readonly support: "exact" | "refused";
	/** Why it is refused. */
	readonly reason?: string;
	/** Why not even the original model can be measured (no logits, or llama.cpp ends the process); absent where it can. */
	readonly unmeasurable?: string;
	/**
	 * Why no file without these blocks would ever be kept: a removal that was not proven before must be proven on this file, and
	 * cannot. Without a list: why none without any set of blocks would. Undefined where one may be.
	 */
	unwritable(removed?: readonly number[]): string | undefined;
	/** Blocks that never go, with the reason. */
	readonly frozen: ReadonlyMap<number, string>;
	/** Why this set cannot be removed exactly; undefined when it can. Order does not matter. */
	check(removed: readonly number[], options?: CheckOptions): string | undefined;
	/**
	 * Why no set of that many blocks goes, whichever they are: it is more than can, a rule on the number of blocks left, or groups that
	 * are tied together (`units`) and make other numbers; undefined where one may go.
	 */
	countProblem(count: number, options?: CountOptions): string | undefined;
	/**
	 * Why these kept blocks, run by themselves and renumbered from 0 (as a view, or resumed from the hidden state before the
	 * first of them), would not compute what they do in the model; undefined when they would. Kinds of blocks that a memory
	 * needs are not asked for, since a view may add blocks that do nothing.
	 */
	checkView(kept: readonly number[]): string | undefined;
	/** Blocks that a rule ties together: any of these groups may go, in any combination that passes `check`. */
	readonly units?: readonly (readonly number[])[];
	/** The most blocks that some set can remove (found by trying small remainders; never too high). */
	readonly maxRemovable: number;
	readonly resumable: boolean;
	readonly resumeReason?: string;
	readonly view: ViewRules;
}

/** Who made a pruned file, and from what. */
export interface Provenance {
	/** Of prune-gguf. */
	readonly version: string;
	/** Of the file read, hexadecimal. Absent where it was not computed. */
	readonly sourceSha256?: string;
}

export interface ArchitectureOptions {
	/** Treat an architecture that the table lacks as one whose blocks may go in any set. The caller proves the result. @default false */
	readonly allowUnknown?: boolean;
}

/** Says what is wrong with the kept blocks (ascending, in the model's numbering), or nothing. */
export interface Check {
	/** Also asked of a part of the model that runs by itself. */
	readonly view: boolean;
	/** Depends on the number of kept blocks only. */
	readonly countOnly?: boolean;
	test(kept: readonly number[]): string | undefined;
}

/** What llama.cpp makes of a model's metadata, block by block, the tail included. */
export interface BlockFacts {
	readonly trunk: number;
	readonly tail: number;
	/** The model uses sliding windows at all. */
	readonly windows: boolean;
	readonly sliding: readonly boolean[];
	readonly recurrent: readonly boolean[];
	/** The graph attends in these blocks: those of nemotron_h with a feed-forward do not, whatever heads are stated for them. */
	readonly attention: readonly boolean[];
	readonly heads: readonly number[];
	readonly kvHeads: readonly number[];
	readonly feedForward: readonly number[];
	readonly expertsUsed: readonly number[];
	readonly expertWidth: readonly number[];
	readonly rope: readonly boolean[];
	/** Undefined where blocks have no indexers, or each has its own. */
	readonly indexer: readonly boolean[] | undefined;
	/** How many tokens a compressed key stands for (deepseek4); 0 for none. */
	readonly compressRatio: readonly number[];
	/** Images are added before these blocks. */
	readonly deepstack: readonly boolean[];
	readonly denseLead: number;
}
