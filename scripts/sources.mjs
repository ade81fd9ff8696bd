// Last step of `npm run build`: dist/sources.json says from which sources a native part must be made to belong to this program.
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { nativeSources } from "../dist/model/runtime/binary/sources.js";
import { sourcesHash } from "./prebuild/record.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const hashes = { native: nativeSources(root), prebuilt: sourcesHash(root) };
writeFileSync(join(root, "dist", "sources.json"), `${JSON.stringify(hashes)}\n`);
