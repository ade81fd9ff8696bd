// How long drawing self-generated text takes.

/** A token is drawn in the time in which so many are read, where nobody measured it: 100 and 500 a second on SmolLM2 and two cores. */
const readPerDrawn = 5;

/** Seconds of a token of self-generated text: as it was drawn, else by the seconds in which the model runs one of an evaluation. */
export function drawingPerToken(secondsPerDrawn: number | undefined, secondsPerToken: number): number {
	return secondsPerDrawn ?? readPerDrawn * secondsPerToken;
}
