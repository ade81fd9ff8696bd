// The part of a report that sets pruning beside quantizing, from a plan.
import { askedAmount } from "../../notation.js";
import type { ReportAlternatives } from "../../report/report-data.js";
import type { Plan } from "../../storage/plan.js";
import type { ModelFigures } from "../../storage/plan-quantized.js";

type Version = ReportAlternatives["versions"][number];

/** The pruned model beside the whole one, and beside that quantized; undefined where these were not measured. */
export function alternativesOf({ removed, quantized, quantizedAlternatives, model }: Plan): ReportAlternatives | undefined {
	if (!quantizedAlternatives) return undefined;
	const { reference, pruned, items, sourceQuantized, verdict } = quantizedAlternatives;
	const name = `${askedAmount(removed).words} removed`;
	const ownVersion: Version = {
		...(quantized ? { name: `${name}, ${quantized.type}`, kind: "pruned and quantized" } : { name, kind: "pruned" }),
		...{ removed: [...removed], bytes: pruned.bytes },
		...figuresOf(pruned),
	};
	return {
		verdict: verdict.text,
		sourceQuantized,
		...(reference.sha256 === model.sha256 ? {} : { quantizedFrom: reference.name }),
		versions: [
			{ ...{ name: reference.name, kind: "source", bytes: reference.bytes }, ...{ added: 0, divergence: 0, agreement: 1 } },
			ownVersion,
			...items.map((item): Version => ({ name: item.name, kind: "quantized", bytes: item.bytes, ...figuresOf(item) })),
		],
	};
}

function figuresOf({ added, divergence, agreement }: ModelFigures): Partial<Version> {
	return {
		added: added.mean,
		...(added.standardError === null ? {} : { standardError: added.standardError }),
		...(divergence ? { divergence: divergence.mean } : {}),
		...(divergence && divergence.standardError !== null ? { divergenceError: divergence.standardError } : {}),
		...(agreement && agreement.mean !== null ? { agreement: agreement.mean } : {}),
	};
}
