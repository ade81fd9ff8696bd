// Options and results of healing.
import type { TokenWindows } from "../runtime/windows.js";
import type { Cut, CutPart } from "./cuts.js";
import type { FitKind } from "./kinds.js";
import type { HealType } from "./kinds.js";
import type { TuningText } from "./tuning.js";
import type { BlockMask } from "../runtime/masks.js";

/** How a cut is healed: by the matrix before it, or only by the weights of the norm behind that. */
type RecipeKind = FitKind | "norm";

/** What was decided for one cut: enough to repeat it. */
export interface Recipe {
	readonly kind: RecipeKind;
	/** Ridge, in units of the mean diagonal of the normal equations, as {@link solveEquations} takes it. */
	readonly ridge: number;
	/** Tokens are weighted by the mean square of their wanted state to the power of - `relative`. */
	readonly relative: number;
	/** Ridge of the weights of the norm behind the new matrix, if these were fitted too, in units of the mean square of the normalized values. */
	readonly normRidge?: number | undefined;
}

/** One cut and its result. At a half-block cut of which two matrices are fitted, each has a result. */
export interface HealedCut extends Cut {
	/** Part of a block that the matrix is of; at a half-block cut only. */
	readonly part?: CutPart;
	/** Missing if the cut was left unhealed. */
	readonly recipe?: Recipe;
	readonly tensor?: string;
	/** Type that the matrix is stored in. */
	readonly type?: string;
	/** Norm whose weights were fitted. */
	readonly norm?: string;
	/**
	 * Share of the squares of the missing part that returns on the tokens of the fit; it counts only what a norm behind the matrix can give.
	 * If a huge state is missing (the first position of a window in many models), that state outweighs all others.
	 */
	readonly explained?: number;
	/**
	 * Mean loss on the search split, or divergence from the original model there, before and after this cut was healed; nats per token.
	 * Earlier cuts are healed in both.
	 */
	readonly tuning?: { readonly before: number; readonly after: number; readonly by?: "divergence" };
	/** Why it was left unhealed. */
	readonly reason?: string;
}

export interface HealInput {
	/** Ascending. */
	readonly removed: readonly number[];
	/** Text that matrices are fitted to. */
	readonly fit: TokenWindows;
	/** Text that decides on kind and ridge, by the loss or by the divergence. Not needed if recipes are given. */
	readonly tuning?: TokenWindows | TuningText | undefined;
	/** Which matrices beside a half-block cut are fitted. @default {@link defaultParts} */
	readonly parts?: readonly CutPart[] | undefined;
	/** What to do at each of `placesOf(removed, parts)`, in order; undefined leaves one unhealed. @default chosen on the search split */
	readonly recipes?: readonly (Recipe | undefined)[] | undefined;
	/** Throw if a recipe cannot be carried out, instead of leaving its cut unhealed. @default false */
	readonly mustHeal?: boolean | undefined;
	/** @default both */
	readonly kinds?: readonly FitKind[] | undefined;
	readonly ridges?: readonly number[] | undefined;
	/** @default [0, 1] */
	readonly relatives?: readonly number[] | undefined;
	readonly type: HealType;
	readonly mask: (removed: readonly number[]) => BlockMask;
	readonly ubatch: number;
	readonly threads: number;
	readonly signal?: AbortSignal | undefined;
	/** Called with steps done, also in parts of one, and in total. */
	readonly onProgress?: ((done: number, total: number) => void) | undefined;
}
