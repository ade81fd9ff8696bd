export interface Edge {
	readonly from: string;
	readonly to: string;
}

/** Groups of nodes that reach each other (Tarjan), each sorted; a node in no circle is a group of its own. Imported ones come first. */
export function groupsOf(nodes: readonly string[], edges: readonly Edge[]): string[][] {
	const next = new Map(nodes.map((node): [string, string[]] => [node, []]));
	for (const { from, to } of edges) next.get(from)?.push(to);
	const order = new Map<string, number>();
	const lowest = new Map<string, number>();
	const stack: string[] = [];
	const groups: string[][] = [];
	const visit = (node: string): void => {
		order.set(node, order.size);
		lowest.set(node, order.get(node)!);
		stack.push(node);
		for (const to of next.get(node)!) {
			if (!order.has(to)) visit(to);
			if (stack.includes(to)) lowest.set(node, Math.min(lowest.get(node)!, lowest.get(to)!));
		}
		if (lowest.get(node) === order.get(node)) groups.push(stack.splice(stack.indexOf(node)).sort());
	};
	for (const node of nodes) if (!order.has(node)) visit(node);
	return groups;
}

/** Groups of two and more: their files import each other in a circle. */
export function circlesOf(nodes: readonly string[], edges: readonly Edge[]): string[][] {
	return groupsOf(nodes, edges).filter((group) => group.length > 1);
}

/** The longest chain of imports, from the top down; the files of a circle are one link. */
export function longestChain(nodes: readonly string[], edges: readonly Edge[]): string[][] {
	const groups = groupsOf(nodes, edges);
	const groupOf = new Map(groups.flatMap((group) => group.map((node) => [node, group] as const)));
	const chains = new Map<string[], string[][]>();
	for (const group of groups) {
		const below = edges.filter(({ from }) => groupOf.get(from) === group).map(({ to }) => groupOf.get(to)!);
		const longest = below
			.filter((other) => other !== group)
			.map((other) => chains.get(other)!)
			.reduce<string[][]>((best, chain) => (chain.length > best.length ? chain : best), []);
		chains.set(group, [group, ...longest]);
	}
	return [...chains.values()].reduce((best, chain) => (chain.length > best.length ? chain : best), []);
}
