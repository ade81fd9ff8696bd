import { describe, expect, it } from "vitest";
import * as entry from "../src/index.js";

describe("the public entry", () => {
	// A name that goes, or that comes without being meant to, breaks someone: change this list and the changelog together.
	it("exports these names", () => {
		expect(Object.keys(entry).sort()).toMatchInlineSnapshot(`
			[
			  "AddonNotFoundError",
			  "BuildError",
			  "CalibrationError",
			  "Coalition",
			  "DisposedError",
			  "EvaluationError",
			  "Evaluator",
			  "FileError",
			  "GgufFile",
			  "InvalidGgufError",
			  "InvalidLedgerError",
			  "InvalidMaskError",
			  "InvalidOptionError",
			  "InvalidPlanError",
			  "Model",
			  "ModelLoadError",
			  "NoSpaceError",
			  "NotEnoughMemoryError",
			  "OutputExistsError",
			  "PruneGgufError",
			  "QuantizeError",
			  "Reference",
			  "UnsupportedArchitectureError",
			  "VerificationError",
			  "applyPlan",
			  "buildAddon",
			  "calibrate",
			  "cleanRuns",
			  "describeBlocks",
			  "drawPositions",
			  "efforts",
			  "evaluateModel",
			  "fileTypes",
			  "foldNames",
			  "inspectModel",
			  "listRuns",
			  "makeWindows",
			  "meanLoss",
			  "methods",
			  "ownSamples",
			  "parsePlan",
			  "presets",
			  "pruneGguf",
			  "quantizeFile",
			  "rankBlocks",
			  "readPlan",
			  "removeBlocks",
			  "valueOfLoss",
			  "workingWeights",
			  "writeGguf",
			  "writtenSize",
			]
		`);
	});
});
