// The types of the architecture table (data that a person reads and changes) and of what it says about one model.

import type { StackedBlock } from "../../game/parts.js";

/** A question about a model's metadata. */
export type Condition =
	/** The number under the key is above `above`. `absent` replaces a missing key; `length` means an array's length. */
	| { readonly key: string; readonly above: number; readonly absent: number }
	/** The number under the key, if there is one, is not a multiple of this. */
	| { readonly key: string; readonly notMultipleOf: number }
	| { readonly not: Condition }
	/** The model has exactly that many blocks, without the tail. */
	| { readonly blocks: number }
	/** The vocabulary has exactly that many tokens. */
	| { readonly vocabulary: number }
	/** Width divided by the number of heads is not the size of a head. */
	| { readonly headSize: "stated apart" }
	/** The first block states no attention heads. */
	| { readonly firstBlock: "without heads" }
	/** The model holds a tensor of that name. */
	| { readonly tensor: string }
	/** The number of every block under the key, which holds one number or one for each block, is above `above`. */
	| { readonly everyNumber: string; readonly above: number }
	/** Every block holds a tensor of that name (after `blk.N.`). */
	| { readonly everyBlock: string }
	/** The value under the key is true. */
	| { readonly flag: string };

/** Properties of a block that rules ask about. */
export type BlockKind = "sliding" | "full" | "attention" | "recurrent" | "rope" | "sparse" | "compressed-by-4" | "feed-forward";

/** Why some blocks can never be removed. */
export type Frozen = "first" | "deepstack" | "deepstack-mapped" | "per-layer-embedding" | "kv-donors" | "all-but-last-group";

interface Told {
	/** What would go wrong, for people: the end of a sentence that begins with the architecture and the blocks. */
	readonly why: string;
	/** File and line of the pinned llama.cpp, from `src/`. */
	readonly source: string;
	/**
	 * `source`: read in llama.cpp's source, and no model was made that breaks it and shows a difference. `bits`: sets that break it were
	 * written nevertheless, and gave another model, or one that does not load or ends the process. @default "bits"
	 */
	readonly proof?: Proof;
	/** The rule holds only in such models; with several conditions, if all are true. @default always */
	readonly when?: Condition | readonly Condition[];
	/**
	 * llama.cpp ends the process if it is broken: an original model that breaks it cannot be measured either.
	 * @default true for `need`, `at-least` and `last-is`, false for others
	 */
	readonly aborts?: boolean;
}

/**
 * What a set of removed blocks must satisfy. `view` rules also hold for every part of the model that runs by itself: a layer view, or
 * the rest of a model resumed from a hidden state. The others only concern a file, because llama.cpp settles them when it loads one.
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
	/** At least one block of each of these kinds must be kept. */
	| ({ readonly rule: "need"; readonly kinds: readonly BlockKind[]; readonly view?: boolean } & Told)
	| ({ readonly rule: "last-is"; readonly kind: BlockKind } & Told)
	/** At least that many blocks must be kept, in a view too. */
	| ({ readonly rule: "at-least"; readonly blocks: number; readonly ownKeys?: boolean } & Told)
	/** A block that is no `indexer` uses the choice of the nearest `indexer` before it. */
	| ({ readonly rule: "shared-indexer" } & Told)
	/** A tensor is as wide as the largest rotation of any block. */
	| ({ readonly rule: "widest-rotation" } & Told);

/** A pattern of sliding-window blocks. */
export interface SlidingPattern {
	/** Every `period`-th block is not sliding if the key is absent; without a period the key must be an array. */
	readonly period?: number;
	/** The period begins with the block that is not sliding. @default false */
	readonly denseFirst?: boolean;
	/** Whether the model uses sliding windows at all. @default always */
	readonly when?: Condition;
	readonly source: string;
}

/** How llama.cpp distinguishes recurrent blocks from attention. */
export interface RecurrentPattern {
	/** `no-kv-heads`: head_count_kv is 0; `no-kv-heads-no-ffn`: and feed_forward_length too; `interval`: the array, or every n-th is attention. */
	readonly by: "no-kv-heads" | "no-kv-heads-no-ffn" | "interval";
	readonly source: string;
}

/** Which blocks own a sparse-attention indexer. */
export interface IndexerPattern {
	/** If the key is absent. */
	readonly absent: "none" | "all" | "glm-5.2";
	readonly when?: Condition;
	readonly source: string;
}

/** Whether a hidden state can be fed back in as an embedding: `yes`, or why not. */
export type Resume = "yes" | { readonly no: string; readonly when?: Condition };

/** How an entry is proven. */
export type Proof = "bits" | "source";

/**
 * A block is made of an attention part, whose result is added to the residual stream, then a feed-forward part, whose result is added
 * too. Then the feed-forward part of a block and the attention part of a later one can be removed, with all between them.
 */
export interface Parts {
	/** Why the blocks of no model of the architecture have two such parts. */
	readonly whole?: string;
	/** Names of tensors after `blk.N.`, up to a dot, of the feed-forward part besides the usual ones. @default none */
	readonly feedForward?: readonly string[];
	/** Models whose blocks have no such parts. */
	readonly unless?: { readonly when: Condition; readonly why: string; readonly source: string };
	/** What the two blocks must have in common whose parts become one block: both or neither are of a kind, or both are. */
	readonly join?: ({ readonly alike: BlockKind } | { readonly both: BlockKind }) & { readonly why: string; readonly source: string };
	/** File and line of the pinned llama.cpp, from `src/`. */
	readonly source: string;
}

/** One architecture of llama.cpp. Whatever is absent has the plain default: any set of blocks may be removed. */
export interface ArchitectureEntry {
	/** Name in `general.architecture`. */
	readonly name: string;
	/** Where its metadata is read, from `src/` of the pinned llama.cpp. */
	readonly source: string;
	/** `bits`: removals compared bit for bit with the original file with zeroed output tensors; `source`: read, not run. */
	readonly proof: Proof;
	/** Why nothing can be removed from any model of it. */
	readonly refused?: string;
	/** For the same reason llama.cpp cannot compute a loss of the original model either: no logits, or an abort. @default false */
	readonly unmeasurable?: boolean;
	/** Keys (after the architecture's name) whose arrays hold one entry per block, besides those that every architecture has. */
	readonly perBlock?: readonly string[];
	/** The same, for keys without a leading architecture name. */
	readonly perBlockPlain?: readonly string[];
	/** Keys that count blocks from the start. */
	readonly leading?: readonly ("leading_dense_block_count" | "hash_layer_count")[];
	/** Members of `llama_hparams` besides those of `leading` that the layer view must lower by the removed blocks below them. */
	readonly viewCounts?: readonly { readonly member: string; readonly when?: Condition }[];
	readonly sliding?: SlidingPattern;
	readonly recurrent?: RecurrentPattern;
	readonly indexer?: IndexerPattern;
	/** Values that llama.cpp derives from the number of blocks if the key is absent. */
	readonly derived?: "residual-scale" | "deepseek2";
	readonly rules?: readonly Rule[];
	/** @default "yes" */
	readonly resume?: Resume;
	/** The number and width of experts in use are read for each block (otherwise from the first). @default false */
	readonly expertsPerBlock?: boolean;
	/** Dense feed-forward widths are read for each block (otherwise from the first). @default false */
	readonly widthsPerBlock?: boolean;
	/** The graph reads head and rotation sizes for each block: all of them, or the rotation only (otherwise from the first). */
	readonly sizesPerBlock?: "all" | "rotation";
	/** Prefix of the block number in tensor names. @default "blk." */
	readonly prefix?: string;
	/** `none`: zeroed outputs do not make a block the identity, and why. */
	readonly oracle?: { readonly none: string };
	/** Tensors of a block (without prefix) to set to zero in addition to the usual ones, and to set to one, for the block to be the identity. */
	readonly alsoZero?: readonly string[];
	readonly setToOne?: readonly string[];
	/** If a tail's tensors are missing, llama.cpp counts its blocks as ordinary ones. @default false */
	readonly tailNeedsTensors?: boolean;
	/** Halves of blocks. The table has them in lists of their own (`table/parts.ts`). @default only whole blocks */
	readonly parts?: Parts;
	readonly notes?: string;
}

/** What the layer view must know about a model so that view and file agree. */
export interface ViewRules {
	/** Members of `llama_hparams` that count blocks from the start (or index one): lowered by the removed blocks below them. */
	readonly leadingCounts: readonly string[];
	/** The tensors whose zeroing makes a block the identity; none if that is impossible. */
	outputs(block: number): readonly string[];
	/** The tensors of the block that belong to its feed-forward part; all others are of its attention part. None without `BlockPlan.parts`. */
	feedForward(block: number): readonly string[];
	/** Blocks that run as identities if no block is kept: as few as the rules let stand alone; none if that is impossible. */
	readonly empty: readonly number[];
}

export interface CheckOptions {
	/** All blocks may be removed at once: this cannot be a file, but it can be measured (the LM head alone). @default false */
	readonly emptyAllowed?: boolean;
}

export interface CountOptions {
	/** Tied groups are removed as a whole. If false, a set may break one up as long as every kept block keeps its place. @default true */
	readonly tied?: boolean;
}

/** Whether halves of blocks can be removed, or why not. */
export type PartsAllowed = { readonly allowed: true } | { readonly allowed: false; readonly reason: string };

/**
 * What a model's blocks allow. Blocks are numbered as in `blk.N`, from 0. In a set of removed blocks i is block i, i + 0.25 is its
 * attention part alone, and i + 0.5 is the feed-forward part of block i with the attention part of block i + 1.
 */
export interface BlockPlan {
	readonly architecture: string;
	/** What is known about removals from this architecture: proven bit for bit, a rule read from the source only, or nothing. */
	readonly proof: Proof | "unknown";
	/** Why zeroed tensors cannot make these blocks the identity, so that a removal cannot be proven on this file; undefined if they can. */
	oracleProblem(removed: readonly number[]): string | undefined;
	/** Blocks that can be removed or measured, without the tail. */
	readonly blocks: number;
	/** Multi-token-prediction blocks, kept last. */
	readonly tailBlocks: number;
	/** `exact`: removed sets that pass `check` leave the other blocks computing what they did. */
	readonly support: "exact" | "refused";
	/** Why no block can be removed. */
	readonly reason?: string;
	/** Why not even the original model can be measured (no logits, or llama.cpp ends the process); absent if it can. */
	readonly unmeasurable?: string;
	/**
	 * Why no file without these blocks would ever be kept: a removal that was not proven before must be proven on this file, and that is
	 * impossible. Without a list: why no file without any blocks would be kept. Undefined if one may be.
	 */
	unwritable(removed?: readonly number[]): string | undefined;
	/** Blocks that are never removed, with the reason. */
	readonly frozen: ReadonlyMap<number, string>;
	/** Whether sets may hold half-block cuts. */
	readonly parts: PartsAllowed;
	/** Whether sets may hold attention parts alone. */
	readonly attention: PartsAllowed;
	/** Blocks that have no attention as the file is, ascending. */
	readonly withoutAttention: readonly number[];
	/**
	 * Why this set cannot be removed exactly; undefined if it can. The order does not matter. With halves, both the blocks without
	 * their attention part and those without their feed-forward part must be a set that can be removed.
	 */
	check(removed: readonly number[], options?: CheckOptions): string | undefined;
	/**
	 * Why no set of that many blocks can be removed: too many, a rule on the number of kept blocks, or tied groups (`units`) that add up to
	 * other numbers. Undefined if one may be removed.
	 */
	countProblem(count: number, options?: CountOptions): string | undefined;
	/**
	 * Why these kept blocks (numbers, or of which blocks their parts are) would compute something else if they ran by themselves, renumbered
	 * from 0; undefined if they would not. They run
	 * so as a view, or resumed from the hidden state before the first of them. Kinds of blocks that a memory needs are not checked,
	 * since a view may add blocks that do nothing.
	 */
	checkView(kept: readonly (number | StackedBlock)[]): string | undefined;
	/** Blocks that a rule ties together: any of these groups may be removed, in any combination that passes `check`. */
	readonly units?: readonly (readonly number[])[];
	/** The most blocks that some set can remove (from trying small remainders; never too high). */
	readonly maxRemovable: number;
	readonly resumable: boolean;
	readonly resumeReason?: string;
	readonly view: ViewRules;
}

/** What made a pruned file, and from what. */
export interface Provenance {
	/** Version of prune-gguf. */
	readonly version: string;
	/** SHA-256 of the file that was read, hexadecimal. Absent if it was not computed. */
	readonly sourceSha256?: string;
}

export interface ArchitectureOptions {
	/** Treat an architecture that the table lacks as one from which any set may be removed. The caller proves the result. @default false */
	readonly allowUnknown?: boolean;
}

/** Says what is wrong with the kept blocks (ascending, in the model's numbering), or nothing. */
export interface Check {
	/** Also applies to a part of the model that runs by itself. */
	readonly view: boolean;
	/** Depends on the number of kept blocks only. */
	readonly countOnly?: boolean;
	/** A set that fails fails too with any of its blocks left out. */
	readonly monotone?: boolean;
	/** Concerns only the blocks whose attention part is kept. @default those whose feed-forward part is kept too, by themselves */
	readonly attentionOnly?: boolean;
	test(kept: readonly number[]): string | undefined;
}
