import { symlinkSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { expect, it } from "vitest";
import { defaultThreads } from "../../../src/model/runtime/threads.js";
import { runKey } from "../../../src/pipeline/session/run-lock.js";
import { tempFolder } from "../../helpers/temp-folder.js";
import type { SessionSettings } from "../../../src/api/options/settings.js";

const folder = tempFolder();
const wiki = join(folder, "wiki.txt");
const [other, link] = [join(folder, "other.txt"), join(folder, "link.txt")];
for (const path of [wiki, other]) writeFileSync(path, "text");
symlinkSync(wiki, link);
const text = (path: string): SessionSettings => ({ calibration: [path] });
const asking = (path: string): SessionSettings => ({ metric: "accuracy", questions: path });

it.each<[string, [number, SessionSettings], [number, SessionSettings]]>([
	["a text by another path", [0, text(wiki)], [0, text(relative(process.cwd(), wiki))]],
	["a text by a link", [0, text(wiki)], [0, text(link)]],
	["a text with a weight", [0, text(wiki)], [0, { calibration: [{ path: wiki, weight: 2 }] }]],
	["a text with another seed", [0, text(wiki)], [1, text(wiki)]],
	["questions by another path, with another seed", [0, asking(wiki)], [1, asking(link)]],
	["the default of threads, named", [0, {}], [0, { threads: defaultThreads() }]],
	["the default of windows, named", [0, text(wiki)], [0, { ...text(wiki), windows: 10, windowLength: 128 }]],
])("%s is one run", async (_, a, b) => {
	expect(await runKey(...a)).toBe(await runKey(...b));
});

it.each<[string, [number, SessionSettings], [number, SessionSettings]]>([
	["another text", [0, text(wiki)], [0, text(other)]],
	["own samples of another seed", [0, {}], [1, {}]],
	["own samples and a text", [0, {}], [0, text(wiki)]],
	["another number of threads", [0, { threads: 1 }], [0, { threads: 2 }]],
	["another metric", [0, {}], [0, { metric: "kl" }]],
])("%s is another run", async (_, a, b) => {
	expect(await runKey(...a)).not.toBe(await runKey(...b));
});
