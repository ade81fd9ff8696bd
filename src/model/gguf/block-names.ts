/** The block that a tensor's name says it belongs to, `blk.N.`; undefined where it says none. */
export function blockOfTensor(name: string): number | undefined {
	const match = /^blk\.(\d+)\./.exec(name);
	return match ? Number(match[1]) : undefined;
}
