import { expect, it } from "vitest";
import { pruneGguf } from "../../../src/jobs/prune.js";
import { useFakeDevices } from "../../helpers/fake-devices.js";
import { fixturePath } from "../../helpers/fixture.js";
import { ownHomes, small } from "../../helpers/home.js";
import { thorough } from "../../helpers/slow.js";

// Two devices, of which the first takes more blocks of a model that it has for itself.
useFakeDevices([64, 64]);
const { out } = ownHomes();

it.runIf(thorough)("the speed of both files is measured with each block on the same device, and says where", async () => {
	const options = { ...small, threads: 1, search: { workingWeights: "own" }, speed: true, report: false } as const;
	const { plan } = await pruneGguf(fixturePath, out(), { ...options, remove: [0, 1, 2] });
	const { placement, through, backend } = plan!.speed!;
	expect(through).toBe("file");
	expect(backend).toBe("FAKE0 (Fake device 0)+FAKE1 (Fake device 1)");
	const counts = (text: string) => [...text.matchAll(/(\d+) on FAKE\d/g)].map(([, count]) => Number(count));
	const [before, after] = [counts(placement!.before), counts(placement!.after!)];
	expect(before.reduce((a, b) => a + b)).toBe(12);
	expect(after).toEqual([before[0]! - 3, before[1]]);
});
