/** The block in a tensor's name, `blk.N.`; undefined if it has none. */
export function blockOfTensor(name: string): number | undefined {
	const match = /^blk\.(\d+)\./.exec(name);
	return match ? Number(match[1]) : undefined;
}
