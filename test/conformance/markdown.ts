import type { Results } from "./record.js";

export function conformanceMarkdown(results: Results): string {
	return `${Object.keys(results).length}\n`;
}
