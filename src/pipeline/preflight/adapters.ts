// What a removal means for the adapters that a model has.
import type { JobOptions } from "../../api/index.js";
import { logger } from "../../api/logger.js";
import type { MethodSettings } from "../../api/options/settings.js";
import { isAttention } from "../../game/parts.js";
import { architectureWithout } from "../../model/architectures/attention.js";
import { adaptersText } from "../../report/halves.js";
import { searchesAttention } from "./context.js";
import type { Header } from "./model-header.js";

/** Says, before anything is measured, that the file will be of another architecture, where attention parts are searched or named. */
export function tellArchitecture({ file: { architecture } }: Pick<Header, "file">, options: Removing): void {
	const positions = searchesAttention(options) ? [anyAttention] : (options.remove ?? []);
	if (positions.some(isAttention) && architectureWithout(architecture, positions) !== architecture)
		logger(options)("note", adaptersText(architecture));
}

/** Stands for those that a search chooses. */
const anyAttention = 0.25;

type Removing = Pick<MethodSettings, "granularity"> & { readonly remove?: readonly number[] | undefined } & JobOptions;
