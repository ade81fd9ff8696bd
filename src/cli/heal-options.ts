import { healKinds, healTypes } from "./api.js";
import { choiceOption, durationOption, integerOption } from "./coerce.js";
import { groups, valueOption } from "./options.js";

/** Of the commands that write a pruned model. `--no-heal` arrives as `false`. */
export const healOptions = {
	heal: {
		describe:
			"Make up for each cut by a least-squares fit of the matrix before it on the model's own samples; kept only where unseen text says that it helps",
		type: "boolean",
		group: groups.output,
	},
	"heal-tokens": valueOption(
		"Tokens of the model's own samples to heal with [default: 25600]",
		groups.output,
		integerOption("heal-tokens", { min: 1024 }),
	),
	"heal-time": valueOption(
		"Instead: about the time that healing may take, such as 10m; as many tokens as fit into it",
		groups.output,
		durationOption("heal-time"),
	),
	"heal-heads": {
		describe: "Also weigh each attention head behind the first cut anew, what it asks with and what it gives (no byte more; takes minutes)",
		type: "boolean",
		group: groups.output,
	},
	"heal-kind": valueOption(
		`How matrices are changed: ${healKinds.join(", ")} [default: auto: fitted anew or by a square map, whichever is better; one alone where memory is short]`,
		groups.output,
		choiceOption("heal-kind", healKinds),
	),
	"heal-type": valueOption(
		`Type of the healed matrices: ${healTypes.join(", ")} [default: auto: the file's own where it has 8 bits or more, else Q8_0]`,
		groups.output,
		choiceOption("heal-type", healTypes),
	),
} as const;
