// What healing takes and gives.
import type { TokenWindows } from "../runtime/windows.js";
import type { Cut } from "./cuts.js";
import type { FitKind } from "./kinds.js";
import type { HealType } from "./kinds.js";
import type { ComparedText } from "./tuning.js";
import type { BlockMask } from "../runtime/masks.js";

/** How a cut is made up for: by the matrix before it, or only by the weights of the norm behind that. */
type RecipeKind = FitKind | "norm";

/** What was decided for one cut: enough to do it again. */
export interface Recipe {
	readonly kind: RecipeKind;
	/** In units of the mean diagonal of the normal equations, as {@link solveEquations} takes it. */
	readonly ridge: number;
	/** Tokens count by the mean square of their wanted state to the power of - `relative`. */
	readonly relative: number;
	/** Where the weights of the norm behind the new matrix were fitted as well: in units of the mean square of what it divides to. */
	readonly normRidge?: number | undefined;
}

/** One cut, and what became of it. */
export interface HealedCut extends Cut {
	/** Missing where the cut was left alone. */
	readonly recipe?: Recipe;
	readonly tensor?: string;
	/** Type that the matrix is stored in. */
	readonly type?: string;
	/** Norm whose weights were fitted. */
	readonly norm?: string;
	/**
	 * Share of the squares of what was missing (and a norm behind the matrix can give) that comes back, on the tokens of the fit; where a
	 * huge state was missing (the first position of a window in many models) that outweighs all else.
	 */
	readonly explained?: number;
	/**
	 * Mean loss on the search split, or divergence from the original model there, before and after this cut was healed, those before it being
	 * healed; nats per token.
	 */
	readonly tuning?: { readonly before: number; readonly after: number; readonly by?: "divergence" };
	/** Why it was left alone. */
	readonly reason?: string;
}

export interface HealInput {
	/** Ascending. */
	readonly removed: readonly number[];
	/** Text that matrices are fitted to. */
	readonly fit: TokenWindows;
	/** Text that decides on kind and ridge, by the loss or by the divergence; it need not be there where recipes are given. */
	readonly tuning?: TokenWindows | ComparedText | undefined;
	/** What to do with each cut, in order; undefined leaves one alone. @default found out on the search split */
	readonly recipes?: readonly (Recipe | undefined)[] | undefined;
	/** Throw where a recipe cannot be carried out, rather than leave its cut alone. @default false */
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
	/** Called with steps done and in all. */
	readonly onProgress?: ((done: number, total: number) => void) | undefined;
}
