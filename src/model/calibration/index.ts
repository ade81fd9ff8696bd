export { type SplitCounts, nameAmong, refuseRepeated, weightedFiles } from "./files.js";
export { readDocuments } from "./documents.js";
export { calibrate, deal, oneSource, selfGenerated } from "./splits.js";
export type { Calibration, CalibrationOptions, CalibrationSource } from "./types.js";
export { type SplitName, splitNames, splitTitle } from "../../storage/split-names.js";
export { type FurtherText, furtherParts, furtherText } from "./further.js";
export { selfGeneratedWindows } from "./self-generated.js";
export { drawnEach, drawPositions } from "./positions.js";
export { windowsOfDocuments } from "./text-windows.js";
