// Which binary is used.
import type { Misfit } from "./binary-facts.js";
import { type BinaryPlaces, binaryPlaces, type BinaryCandidate, candidatesIn } from "./candidates.js";
import { type Examination, type ExamineOptions, examine } from "./examine.js";
import { System, type SystemFacts } from "./system.js";

/** A binary that is tried before others, and is not used. */
export interface PassedOver extends Misfit {
	readonly candidate: BinaryCandidate;
}

/** What was chosen. */
export interface BinaryChoice {
	/** Undefined if none can be used. */
	readonly chosen: Extract<Examination, { usable: true }> | undefined;
	/** Those before it, in their order. */
	readonly passedOver: readonly PassedOver[];
	readonly system: SystemFacts;
}

/** Where and how it is chosen. */
export interface ChooseOptions extends ExamineOptions {
	/** @default those of this process */
	readonly places?: BinaryPlaces | undefined;
	/** @default this machine */
	readonly system?: SystemFacts | undefined;
	/** Paths that do not load although they can be used, as far as was seen, with the reason. @default none */
	readonly failed?: ReadonlyMap<string, string> | undefined;
}

/**
 * The first candidate that can be used.
 * @throws the signal's reason once it is aborted
 */
export async function chooseBinary(options: ChooseOptions = {}): Promise<BinaryChoice> {
	const { places = binaryPlaces(), system = new System(), failed } = options;
	const passedOver: PassedOver[] = [];
	for (const candidate of candidatesIn(places)) {
		const failure = failed?.get(candidate.path);
		if (failure !== undefined) {
			passedOver.push({ candidate, why: "broken", reason: failure });
			continue;
		}
		const examination = await examine(candidate, system, options);
		if (examination.usable) return { chosen: examination, passedOver, system };
		const { why, reason, late } = examination;
		passedOver.push({ candidate, why, reason, late });
	}
	return { chosen: undefined, passedOver, system };
}
