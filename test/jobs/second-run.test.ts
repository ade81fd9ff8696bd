import { expect, it } from "vitest";
import { FileError } from "../../src/errors.js";
import { pruneGguf } from "../../src/jobs/prune.js";
import { fixturePath } from "../helpers/fixture.js";
import { ownHomes, small } from "../helpers/home.js";

const { out } = ownHomes();

it("a second run on the same text is refused before it loads the model or draws its text", async () => {
	const phases: string[] = [];
	let second: Promise<unknown> | undefined;
	await pruneGguf(fixturePath, out(), {
		...small,
		remove: [6],
		onProgress: ({ phase }) => {
			if (!phase.startsWith("generating")) return;
			second ??= pruneGguf(fixturePath, out(), { ...small, remove: [3], onProgress: (event) => phases.push(event.phase) }).catch(
				(error: unknown) => error,
			);
		},
	});
	const refused = await second;
	expect(refused).toBeInstanceOf(FileError);
	expect((refused as Error).message).toMatch(new RegExp(`in use by process ${process.pid}.*Wait until that run has ended`));
	expect(phases).toEqual([]);
	await pruneGguf(fixturePath, out(), { ...small, remove: [3] });
});
