// The order in which vitest starts the test files: the long ones first, so that no worker is left with one at the end.
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files above about 50 seconds on two cores, the longest first. */
const LONGEST = [
	"test/docs-run.test.ts",
	"test/cli/e2e.test.ts",
	"test/conformance/sample.test.ts",
	"test/jobs/prune.test.ts",
	"test/pipeline/healing/limits.test.ts",
	"test/readme.test.ts",
	"test/pipeline/session/working-weights.test.ts",
	"test/pipeline/healing/heal-model.test.ts",
	"test/pipeline/methods/methods.test.ts",
	"test/jobs/compare/compare.test.ts",
];

export class LongestFirst extends BaseSequencer {
	override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
		const place = ({ moduleId }: TestSpecification) => {
			const found = LONGEST.findIndex((name) => moduleId.replaceAll("\\", "/").endsWith(`/${name}`));
			return found < 0 ? LONGEST.length : found;
		};
		return (await super.sort(files)).sort((a, b) => place(a) - place(b));
	}
}
