// What can be built, and from what.

export { backends, llamaPin, packageVersion } from "../model/runtime/paths.js";
export type { BuildOptions, BuildResult } from "../model/runtime/build.js";
