export { describeBlocks } from "./describe.js";
export { type HeaderDifferences, keptProblem } from "./kept.js";
export { architectureTableMarkdown } from "./markdown.js";
export { zeroedBlocks } from "./oracle.js";
export { oracleObstacle, outputTensors, unitTensors } from "./outputs.js";
export { proofText } from "./proof.js";
export { removeBlocks } from "./remove.js";
export { ARCHITECTURES } from "./table.js";
export type { ArchitectureEntry, BlockPlan, CountOptions } from "./types.js";
