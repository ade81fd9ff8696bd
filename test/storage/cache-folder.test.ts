import { homedir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { cacheFolder } from "../../src/storage/cache-folder.js";

it.each([
	[{ PRUNE_GGUF_HOME: "/p", XDG_CACHE_HOME: "/x" }, "linux", "/p"],
	[{ XDG_CACHE_HOME: "/x" }, "linux", join("/x", "prune-gguf")],
	[{ XDG_CACHE_HOME: "" }, "linux", join(homedir(), ".cache", "prune-gguf")],
	[{}, "linux", join(homedir(), ".cache", "prune-gguf")],
	[{}, "darwin", join(homedir(), "Library", "Caches", "prune-gguf")],
	[{ LOCALAPPDATA: "/l" }, "win32", join("/l", "prune-gguf")],
] as const)("the cache folder for %j on %s is %s", (env, platform, expected) => {
	expect(cacheFolder(env, platform)).toBe(expected);
});
