// For command lines and config files, which read nothing of storage/.
export { closest, closestOf, editDistance } from "../../storage/closest.js";
