// How jobs end that measure and write nothing but their result: compare, frontier.
import type { JobOptions } from "../../api/index.js";
import { checkAsRead } from "../../model/gguf/index.js";
import { checkTarget, writeAtomically } from "../../storage/atomic-file.js";
import { BestSoFar } from "../methods/best-so-far.js";
import { commandToRemove, outputWithout } from "../preflight/command-line.js";
import type { Session } from "../session/session.js";
import { blocksAsText } from "../../notation.js";

/** Where a result is written as JSON. */
export interface ResultFile {
	/** Nothing is written where there is none. */
	readonly path: string | undefined;
	readonly overwrite: boolean;
	/** Files that are read: none of them is replaced. */
	readonly inputs: readonly string[];
}

/**
 * Checks the file of a result before hours of measuring.
 * @throws OutputExistsError, FileError where it cannot be written
 */
export async function resultFile(
	{ saveResult, overwrite = false }: { readonly saveResult?: string | undefined; readonly overwrite?: boolean | undefined },
	inputs: readonly string[],
): Promise<ResultFile> {
	if (saveResult !== undefined) await checkTarget(saveResult, { overwrite, inputs });
	return { path: saveResult, overwrite, inputs };
}

/**
 * Measures, writes what came out, and closes the session whatever happens. A run that is interrupted says what it has found.
 * @param work gets where the best sets so far are kept
 */
export async function measureResult<Result>(
	session: Session,
	{ path, ...target }: ResultFile,
	options: JobOptions,
	work: (best: BestSoFar) => Promise<Result>,
): Promise<Result> {
	const best = new BestSoFar();
	try {
		const result = await work(best);
		await checkAsRead(session.model);
		if (path !== undefined)
			await writeAtomically(path, target, (handle) => handle.writeFile(`${JSON.stringify(result, blocksAsText, "\t")}\n`));
		return result;
	} catch (error) {
		if (options.signal?.aborted) {
			const command = (removed: readonly number[]) =>
				commandToRemove(session.model.path, outputWithout(session.model.path, removed), removed);
			best.tell(session.metric, { ...options, command });
		}
		throw error;
	} finally {
		await session.close();
	}
}
