const signalNames = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type SignalName = (typeof signalNames)[number];

/** The part of `process` that sends signals. */
export interface SignalSource {
	on(event: SignalName, listener: () => void): unknown;
	off(event: SignalName, listener: () => void): unknown;
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

/**
 * First Ctrl+C (or SIGTERM, or a terminal that closes): aborts, so that what was measured is kept. Second: ends the process. A second
 * hangup does not: both the system and the shell send one.
 */
export function catchInterrupts(source: SignalSource, actions: InterruptActions): Interruption {
	const controller = new AbortController();
	const listeners = signalNames.map((name) => {
		const listener = () => {
			if (!controller.signal.aborted) {
				actions.onFirst();
				controller.abort();
			} else if (name !== "SIGHUP") actions.onSecond();
		};
		source.on(name, listener);
		return { name, listener };
	});
	return {
		signal: controller.signal,
		release: () => {
			for (const { name, listener } of listeners) source.off(name, listener);
		},
	};
}
