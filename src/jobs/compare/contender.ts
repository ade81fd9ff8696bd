import type { ComparedMethod, Method } from "../../api/methods.js";
import type { Granularity } from "../../game/pairs.js";

/** A method as it takes part in a comparison. */
export interface Contender {
	readonly method: Method;
	/** @default whole blocks */
	readonly granularity?: Granularity;
}

/** What a name of a comparison stands for. */
export function contenderOf(name: ComparedMethod): Contender {
	const [method, granularity] = name.split(":") as [Method, Granularity | undefined];
	return granularity === undefined ? { method } : { method, granularity };
}
