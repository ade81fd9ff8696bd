/** The part of `process` that sends signals. */
export interface SignalSource {
	on(event: "SIGINT" | "SIGTERM", listener: () => void): unknown;
	off(event: "SIGINT" | "SIGTERM", listener: () => void): unknown;
}

/** What an interruption does. */
export interface InterruptActions {
	/** After the first signal; the run is being stopped. */
	readonly onFirst: () => void;
	/** After the second: ends the process at once. */
	readonly onSecond: () => void;
}

/** A way to stop a run from outside. */
export interface Interruption {
	readonly signal: AbortSignal;
	/** Gives the signals back. */
	release(): void;
}

/** First Ctrl+C (or SIGTERM): aborts, so that what was measured is kept. Second: ends the process. */
export function catchInterrupts(source: SignalSource, actions: InterruptActions): Interruption {
	const controller = new AbortController();
	const listener = () => {
		if (controller.signal.aborted) {
			actions.onSecond();
			return;
		}
		actions.onFirst();
		controller.abort();
	};
	for (const name of ["SIGINT", "SIGTERM"] as const) source.on(name, listener);
	return {
		signal: controller.signal,
		release: () => {
			for (const name of ["SIGINT", "SIGTERM"] as const) source.off(name, listener);
		},
	};
}
