// For config files: the command line reads nothing of storage/.
export { readInput } from "../storage/input-file.js";
