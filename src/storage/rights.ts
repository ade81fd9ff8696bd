import type { FileHandle } from "node:fs/promises";

/** Who may do what with a file. */
export interface Rights {
	readonly mode: number;
	readonly uid: number;
	readonly gid: number;
}

/** The rights among the facts of a file; undefined if there is no file. */
export function rightsOf(found: { mode: bigint; uid: bigint; gid: bigint } | undefined): Rights | undefined {
	return found && { mode: Number(found.mode) & 0o777, uid: Number(found.uid), gid: Number(found.gid) };
}

/** The mode to make a file with that replaces one with these rights: nobody else reads it before it has them. */
export const modeWhileWritten = (rights: Rights | undefined): number => (rights ? 0o600 : 0o666);

/**
 * Gives a file the rights of the one that it replaces, and its owner and group as far as this user may. The owner may always read it,
 * since it is verified afterwards. What the file system does not take is left out: the file then has fewer rights.
 */
export async function giveRights(handle: FileHandle, { mode, uid, gid }: Rights): Promise<void> {
	const own = await handle.stat();
	const hasGroup = await handle
		.chown(uid, gid)
		.catch(() => handle.chown(own.uid, gid))
		.then(
			() => true,
			() => false,
		);
	// Another group gets no more than everyone had.
	const given = hasGroup ? mode : (mode & 0o707) | ((mode & 0o007) << 3);
	await handle.chmod(given | 0o400).catch(() => {});
}
