// Short beginnings of texts of many kinds, written for this project: a model that goes on with them writes more kinds of text than from nothing.

/** Kinds of text, in the order in which they take turns. */
export const openingKinds = ["encyclopedia", "code", "story", "language", "news", "dialogue", "mathematics", "list", "letter"] as const;
export type OpeningKind = (typeof openingKinds)[number];

/** The beginning of a text. */
export interface Opening {
	readonly kind: OpeningKind;
	readonly text: string;
}

const texts: Readonly<Record<OpeningKind, readonly string[]>> = {
	encyclopedia: [
		"The common swift is a bird that spends most of its life in the air. It",
		"A lock is a device that raises and lowers boats between stretches of water of different levels. The earliest",
		"Basalt is a dark volcanic rock. It forms when",
		"The spinning wheel reached Europe in the late Middle Ages, where it",
	],
	code: [
		'def read_table(path):\n    """Return the rows of a CSV file as dictionaries."""\n    with open(path) as file:\n',
		"function debounce(action, wait) {\n  let timer;\n  return (...args) => {\n",
		"#include <vector>\n\n// Merges two sorted ranges.\nstd::vector<int> merge(const std::vector<int> & a, const std::vector<int> & b) {\n",
		"SELECT customers.name, SUM(orders.total)\nFROM customers\nJOIN orders ON",
		'<!DOCTYPE html>\n<html lang="en">\n<head>\n  <title>Opening hours</title>\n',
		"fn parse_line(line: &str) -> Option<(String, u32)> {\n    let mut parts = line.split('=');\n",
	],
	story: [
		"The ferry had already left when Nora reached the pier, and the man in the ticket booth",
		"Nobody in the village remembered who had built the tower. Every winter",
		"My grandfather kept three clocks in his kitchen, and none of them",
		"At the bottom of the drawer, under a pile of old receipts, she found",
	],
	language: [
		"Der Zug hielt mitten auf der Strecke, und niemand wusste, warum. Nach einer halben Stunde",
		"Le marché ouvre à sept heures. Les premiers clients viennent surtout pour",
		"La receta de mi abuela lleva pocos ingredientes, pero hay que",
		"Il museo si trova in un vecchio mulino lungo il fiume. Nella prima sala",
		"O barco voltou ao porto antes do amanhecer, carregado de",
		"Река замерзла раньше обычного, и жители поселка",
		"图书馆每天早上九点开门。周末的时候，",
		"駅前の小さな喫茶店には、毎朝同じ席に",
	],
	news: [
		"The city council voted on Tuesday to close the old bridge to cars. Residents",
		"After three weeks without rain, farmers in the valley say that",
		"The regional train operator will add a night service from next month, a spokesperson said. The",
		"Researchers have found a way to recycle fishing nets into",
	],
	dialogue: [
		'"You said that it would be ready by Friday," said the baker.\n"I said that it might be," the carpenter answered. "',
		"Interviewer: How did you come to repair violins?\nGuest:",
		"A: Have you seen the blue folder?\nB: It was on the shelf this morning.\nA:",
		"Customer: My order arrived, but one of the cups is broken.\nSupport:",
	],
	mathematics: [
		"Problem: A tank holds 240 liters. One pipe fills it in 6 hours, another one in 4 hours. How long do both take together?\nSolution:",
		"Theorem. The sum of two odd numbers is even.\nProof. Let",
		"To solve 3x + 7 = 22, first subtract",
		"The probability that two dice show the same number is",
	],
	list: [
		"Things to pack for a week in the mountains:\n1. ",
		"Ingredients for lentil soup:\n- 250 g of lentils\n- ",
		"| Month | Average temperature | Days of rain |\n|---|---|---|\n| January |",
		"How to change a bicycle tube:\n1. Turn the bicycle upside down.\n2. ",
	],
	letter: [
		"Dear Ms. Okafor,\n\nThank you for your letter of 3 May. We are sorry to hear that",
		"Hi Tom,\n\nthe meeting moved to Thursday. Could you",
		"To whom it may concern,\n\nI worked with Elena for four years, and",
		"Dear neighbors,\n\nfrom Monday on the water will be turned off between",
	],
};

/** The openings, kind after kind in turns, so that any number of them from the first one on is spread over the kinds. */
export const openings: readonly Opening[] = inTurns();

function inTurns(): Opening[] {
	const rounds = Math.max(...openingKinds.map((kind) => texts[kind].length));
	return Array.from({ length: rounds }, (_, round) =>
		openingKinds.flatMap((kind) => {
			const text = texts[kind][round];
			return text === undefined ? [] : [{ kind, text }];
		}),
	).flat();
}
