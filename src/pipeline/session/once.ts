/** Makes a thing once for each key, however often it is asked for; what failed or was aborted is made anew. */
export class Once<Key, Thing> {
	readonly #made = new Map<Key, Promise<Thing>>();

	get(key: Key, make: () => Promise<Thing>): Promise<Thing> {
		const known = this.#made.get(key);
		if (known) return known;
		const made = make();
		this.#made.set(key, made);
		// It may have been forgotten by then, and another one made.
		made.catch(() => {
			if (this.#made.get(key) === made) this.#made.delete(key);
		});
		return made;
	}

	/** Whether it is made, or being made. */
	has(key: Key): boolean {
		return this.#made.has(key);
	}

	/** Makes it anew when it is asked for again. @returns what was made, or is being made */
	forget(key: Key): Promise<Thing> | undefined {
		const known = this.#made.get(key);
		this.#made.delete(key);
		return known;
	}
}
