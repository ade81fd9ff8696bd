import { FEED_FORWARD_MEMBERS, LEADING_COUNT_MEMBERS, OTHER_LAYER_MEMBERS, PER_BLOCK_MEMBERS } from "./hparams.js";

// What the next pin of llama.cpp may change in the facts behind this table. All functions take text, so that a test can alter it.

/** Members of llama_hparams with one entry per block, in the text of src/llama-hparams.h. */
export function perBlockMembers(header: string): string[] {
	const member = /std::(?:array<[^,<>]+,\s*|bitset<\s*)LLAMA_MAX_LAYERS\s*>\s+(\w+)/g;
	return [...header.matchAll(member)].map((match) => match[1]!);
}

/** Plain members whose names mention layers, in the text of src/llama-hparams.h. */
export function layerMembers(header: string): string[] {
	const member = /^\s*(?:u?int32_t|std::array<[^<>]+>)\s+(\w*layer\w*)\s*(?:=[^;(]*)?;/gm;
	return [...header.matchAll(member)].map((match) => match[1]!);
}

/** Architecture names in the text of src/llama-arch.cpp. */
export function architectureNames(source: string): string[] {
	const list = /LLM_ARCH_NAMES\s*=\s*\{([\s\S]*?)\n\};/.exec(source)?.[1] ?? "";
	return [...list.matchAll(/\{\s*LLM_ARCH_\w+,\s*"([^"]+)"\s*\}/g)].map((match) => match[1]!).filter((name) => name !== "(unknown)");
}

/** What a header says that the lists in hparams.ts do not, and what to do about it. Empty if they agree. */
export function headerProblems(header: string): string[] {
	const perBlock = perBlockMembers(header);
	const known = new Set<string>(PER_BLOCK_MEMBERS);
	const spoken = new Set<string>([...LEADING_COUNT_MEMBERS, ...Object.keys(OTHER_LAYER_MEMBERS)]);
	return [
		...(perBlock.length === 0
			? ["no member with one entry per block was found in llama-hparams.h: its form has changed; adapt perBlockMembers"]
			: []),
		...perBlock.filter((name) => !known.has(name)).map(newPerBlock),
		...PER_BLOCK_MEMBERS.filter((name) => !perBlock.includes(name)).map(
			(name) =>
				`llama_hparams::${name} no longer exists: remove it from PER_BLOCK_MEMBERS (src/model/architectures/hparams.ts) and from native/layer_view_hparams.cpp`,
		),
		...layerMembers(header)
			.filter((name) => !spoken.has(name) && !known.has(name))
			.map(newLayerMember),
		...LEADING_COUNT_MEMBERS.filter((name) => !new RegExp(`\\b${name}\\b`).test(header)).map(
			(name) =>
				`llama_hparams::${name} no longer exists: remove it from LEADING_COUNT_MEMBERS, the table and native/layer_view_hparams.cpp`,
		),
	];
}

function newPerBlock(name: string): string {
	return (
		`llama_hparams::${name} holds one entry per block and is unknown: add it to PER_BLOCK_MEMBERS (src/model/architectures/hparams.ts) and ` +
		"gather it in native/layer_view_hparams.cpp, from the part of the block that reads it (FEED_FORWARD_MEMBERS). Find who fills it (grep it in src/models/*.cpp), and add its key to `perBlock` of those " +
		"architectures in src/model/architectures/table/. Otherwise every block after a removed one has the wrong value in views and files"
	);
}

function newLayerMember(name: string): string {
	return (
		`llama_hparams::${name} mentions layers and is unknown. If it counts blocks from the start or is the index of one, add it to ` +
		"LEADING_COUNT_MEMBERS and to the architectures that use it, and lower it in native/layer_view_hparams.cpp. If not, say why in " +
		"OTHER_LAYER_MEMBERS (src/model/architectures/hparams.ts)"
	);
}

/** What the list of architectures says that the table does not, and what to do about it. */
export function architectureProblems(source: string, table: Iterable<string>): string[] {
	const names = architectureNames(source);
	const known = new Set(table);
	return [
		...(names.length === 0 ? ["no architecture was found in llama-arch.cpp: its form has changed; adapt architectureNames"] : []),
		...names
			.filter((name) => !known.has(name))
			.map(
				(name) =>
					`the architecture ${name} is new: read its load_arch_hparams, load_arch_tensors and graph in src/models/ for whatever depends ` +
					"on the block index or number, and add an entry to src/model/architectures/table/",
			),
		...[...known]
			.filter((name) => !names.includes(name))
			.map((name) => `the architecture ${name} no longer exists: remove its entry from src/model/architectures/table/`),
	];
}

/** Members that the layer view must handle and does not assign, in the text of native/layer_view_hparams.cpp. */
export function viewProblems(layerView: string): string[] {
	// Assignments only: the view mentions some members in other places too.
	const notGathered = (name: string) => !new RegExp(`gather\\(to\\.${name}\\b`).test(layerView);
	const partOf = (name: string) => ((FEED_FORWARD_MEMBERS as readonly string[]).includes(name) ? "feed_forward" : "attention");
	const misplaced = (name: string) => !new RegExp(`gather\\(to\\.${name}, from\\.${name}, blocks, ${partOf(name)}\\)`).test(layerView);
	const notLowered = (name: string) => !new RegExp(`\\bto\\.${name} = `).test(layerView);
	return [
		...PER_BLOCK_MEMBERS.filter(notGathered).map(
			(name) => `native/layer_view_hparams.cpp does not gather llama_hparams::${name}: a view would give its values to the wrong blocks`,
		),
		...PER_BLOCK_MEMBERS.filter((name) => !notGathered(name) && misplaced(name)).map(
			(name) =>
				`native/layer_view_hparams.cpp does not gather llama_hparams::${name} by the ${partOf(name)} part: a block of two parts would have the wrong value`,
		),
		...LEADING_COUNT_MEMBERS.filter(notLowered).map(
			(name) => `native/layer_view_hparams.cpp cannot lower llama_hparams::${name}: a view and a file of the same blocks would differ`,
		),
	];
}

/**
 * Members of llama_layer, and of the structs inside it, that are no pointers to tensors, in the text of src/llama-model.h. The layer view
 * copies and compares blocks pointer by pointer.
 */
export function layerProblems(header: string): string[] {
	const structs = [...header.matchAll(/^struct (llama_layer\w*) \{\n([\s\S]*?)^\};/gm)];
	const names = structs.map((match) => match[1]!);
	if (!names.includes("llama_layer")) return ["llama_layer was not found in llama-model.h: its form has changed; adapt layerProblems"];
	return structs.flatMap(([, struct, body]) =>
		body!
			.replace(/\/\/.*$/gm, "")
			.split(";")
			.map((member) => member.trim())
			.filter((member) => member !== "" && !/^struct ggml_tensor \* \w+\s*= nullptr$/.test(member) && !isNested(member, names))
			.map(
				(member) =>
					`${struct} has a member that is no pointer to a tensor (${member}): layer_view_pointers.cpp would read it as one. Say there which part of a block it belongs to`,
			),
	);
}

function isNested(member: string, structs: readonly string[]): boolean {
	const nested = /^struct (\w+) \w+$/.exec(member)?.[1];
	return nested !== undefined && structs.includes(nested);
}
