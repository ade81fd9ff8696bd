// The JSON Schema of config files.
import { rowsOf } from "./api.js";
import { nameOf } from "./command-facts.js";
import { configCommands } from "./config.js";
import { type JsonSchema, schemaOf } from "./config-values.js";

/** Which keys a file may have depends on its command. */
export function configSchema(): JsonSchema {
	const general = Object.fromEntries(["json", "quiet", "verbose"].map((flag) => [flag, { type: "boolean" }]));
	const definitions = configCommands.map((command): [string, JsonSchema] => {
		const options = rowsOf(command.options!).map((row): [string, JsonSchema] => [row.flag, schemaOf(row)]);
		const name = nameOf(command);
		const properties = { $schema: { type: "string" }, command: { const: name }, ...Object.fromEntries(options), ...general };
		return [name, { description: command.describe, type: "object", properties, additionalProperties: false }];
	});
	const choices = definitions.map(([name]) => ({
		if: { properties: { command: { const: name } }, ...(name === "prune" ? {} : { required: ["command"] }) },
		// biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema.
		then: { $ref: `#/$defs/${name.replaceAll(" ", "%20")}` },
	}));
	return {
		$schema: "https://json-schema.org/draft/2020-12/schema",
		title: "Config file of prune-gguf",
		description:
			"Options of a command by their names without the leading dashes; file names count from the folder where you run it. Without a command it is for prune.",
		type: "object",
		properties: { command: { enum: definitions.map(([name]) => name) } },
		allOf: choices,
		$defs: Object.fromEntries(definitions),
	};
}
