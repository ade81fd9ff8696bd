export { type CalibrationDocument, readDocuments } from "./documents.js";
export {
	type Calibration,
	type CalibrationFile,
	type CalibrationOptions,
	type CalibrationSource,
	calibrate,
	deal,
	type FoldCounts,
	nameAmong,
	oneSource,
	weightedFiles,
} from "./folds.js";
export { type FoldName, foldNames } from "../../storage/fold-names.js";
export { type FurtherText, furtherParts, furtherText } from "./further.js";
export { ownSamples } from "./own-samples.js";
export { drawnEach, drawPositions } from "./positions.js";
export { windowsOfDocuments } from "./text-windows.js";
