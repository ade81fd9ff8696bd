// Which parts of the compiled program an input reaches, as V8 counts them: an input that reaches something new is worth changing further.
import { Session } from "node:inspector/promises";

/**
 * Begins to count. The program under test runs slower from then on.
 * @param {string} part of the addresses of modules that count, such as "/dist/"
 * @returns {Promise<{ fresh(): Promise<number>, reached(): number, end(): Promise<void> }>} `fresh` gives how many parts were reached for the
 * first time (or ten times as often as ever) since it was last asked
 */
export async function watchCoverage(part) {
	const session = new Session();
	session.connect();
	await session.post("Profiler.enable");
	await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
	const seen = new Set();
	return {
		async fresh() {
			const { result } = await session.post("Profiler.takePreciseCoverage");
			const before = seen.size;
			for (const { url, functions } of result) {
				if (!url.includes(part)) continue;
				for (const { ranges } of functions)
					for (const { startOffset, endOffset, count } of ranges)
						if (count > 0) seen.add(`${url}:${startOffset}-${endOffset}:${Math.floor(Math.log10(count))}`);
			}
			return seen.size - before;
		},
		reached: () => seen.size,
		async end() {
			await session.post("Profiler.stopPreciseCoverage");
			session.disconnect();
		},
	};
}
