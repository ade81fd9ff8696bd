/** A model that shows what the generator's models hide. */
export interface Trap {
	name: string;
	/** Makes the model in a folder of its own, and gives its path. */
	make(folder: string): Promise<string>;
}

export function makeTraps(): Trap[] {
	return [];
}
