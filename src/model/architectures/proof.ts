import type { BlockPlan } from "./types.js";
import { shownText } from "../../storage/shown-text.js";

type Provable = Pick<BlockPlan, "architecture" | "proof" | "oracleProblem">;

/** What is known about removals from this architecture, for people. */
export function proofText({ architecture, proof }: Pick<BlockPlan, "architecture" | "proof">): string {
	if (proof === "unknown") return `prune-gguf does not know the architecture ${shownText(architecture)}`;
	if (proof === "source")
		return `the rule for the architecture ${shownText(architecture)} was read from the source of llama.cpp and never run`;
	return `removals from the architecture ${shownText(architecture)} were compared bit for bit`;
}

/**
 * A file is kept only if its removals are proven: for most architectures in advance, for others on the user's file. Returns why that proof
 * cannot be made for any of these sets; undefined if it can for one.
 */
export function obstacleToWriting(plan: Provable, sets: readonly (readonly number[])[]): string | undefined {
	if (plan.proof === "bits") return undefined;
	const problems = sets.map((set) => plan.oracleProblem(set));
	if (problems.length === 0 || problems.includes(undefined)) return undefined;
	return (
		`${proofText(plan)}, so a file is kept only if it computes the same as the original with the removed blocks' output tensors set ` +
		`to zero. This cannot be compared here: ${problems[0]}`
	);
}
