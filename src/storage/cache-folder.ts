import { homedir } from "node:os";
import { join } from "node:path";

/** Where ledgers, plans and builds are kept: `PRUNE_GGUF_HOME`, else the cache folder of the system's convention. */
export function cacheFolder(env: NodeJS.ProcessEnv = process.env, platform: NodeJS.Platform = process.platform): string {
	if (env.PRUNE_GGUF_HOME) return env.PRUNE_GGUF_HOME;
	if (platform === "win32" && env.LOCALAPPDATA) return join(env.LOCALAPPDATA, "prune-gguf");
	if (platform === "darwin") return join(homedir(), "Library", "Caches", "prune-gguf");
	return join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "prune-gguf");
}
