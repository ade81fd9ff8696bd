/** By what a file is known to be as it was. */
export interface FileState {
	readonly size: number;
	/** Milliseconds since 1970. */
	readonly modified: number;
	readonly inode: number;
}
