// Which binaries there are, in the order in which they are tried.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { cacheFolder } from "../../../storage/cache-folder.js";
import { type Backend, backends, builtAddon, packageRoot, packageVersion } from "../paths.js";
import { type BinaryFacts, readFacts } from "./binary-facts.js";

/**
 * Where a binary comes from: named by `PRUNE_GGUF_ADDON`, built here because someone asked for it, delivered with the package, or built
 * here by a run that found no other.
 */
export type BinaryKind = "named" | "built" | "prebuilt" | "fallback";

/** A binary that may be there. */
export interface BinaryCandidate {
	readonly kind: BinaryKind;
	readonly path: string;
	/** For people: the name in its `binary.json`, or of its folder; of one that was named that of its file. */
	readonly name: string;
	/** Undefined if nothing can be read beside it. */
	readonly facts: BinaryFacts | undefined;
	/** What a build of this machine is for, by its folder. */
	readonly backend?: Backend | undefined;
}

/** Where binaries are looked for. */
export interface BinaryPlaces {
	/** `PRUNE_GGUF_ADDON`: then no other is looked at. */
	readonly named?: string | undefined;
	/** Folders of builds, each with a folder for each backend. */
	readonly builds: readonly string[];
	/** Folder with a folder for each delivered binary. */
	readonly prebuilt: string;
}

/** Those of this process. Nothing is made. */
export function binaryPlaces(): BinaryPlaces {
	const cached = join(cacheFolder(), "build");
	const system = `-${process.platform}-${process.arch}`;
	const own = `${packageVersion}${system}`;
	const isOther = (name: string) => name.endsWith(system) && name !== own;
	return {
		named: process.env.PRUNE_GGUF_ADDON || undefined,
		// Both, whichever can be written to: an administrator may have built for everyone. Those of other versions are not used, but told of.
		builds: [
			join(packageRoot, "build"),
			join(cached, own),
			...foldersIn(cached)
				.filter(isOther)
				.map((name) => join(cached, name)),
		],
		prebuilt: join(packageRoot, "prebuilds"),
	};
}

/**
 * All of them in their order: the one that was named, alone; else builds that someone asked for, the last one first; delivered ones, the
 * most demanding first, which are the fastest; builds that a run made because it found no other. So a build that was asked for wins
 * over a delivered binary, and a stopgap loses.
 */
export function candidatesIn(places: BinaryPlaces): BinaryCandidate[] {
	// Relative to the working folder, as in the shell: require() would take a relative path for the name of a package.
	if (places.named !== undefined) {
		const path = resolve(places.named);
		// What is written beside it may be of another file.
		return [{ kind: "named", path, name: basename(path), facts: readFacts(path) }];
	}
	const builds = places.builds.flatMap(buildsIn);
	return [
		...builds.filter(({ kind }) => kind === "built").sort((a, b) => askedAt(b) - askedAt(a)),
		...prebuiltIn(places.prebuilt),
		...builds.filter(({ kind }) => kind !== "built"),
	];
}

/** A build of an earlier version does not say when. */
const askedAt = ({ facts }: BinaryCandidate) => facts?.askedAt ?? 0;

function candidateAt(kind: BinaryKind, path: string, name: string): BinaryCandidate {
	const facts = readFacts(path);
	return { kind, path, facts, name: facts?.name ?? name };
}

/**
 * The build that was made last comes first, as far as builds themselves do not say when someone asked for them. One without facts, which an
 * earlier version did not write, counts as asked for.
 */
function buildsIn(root: string): BinaryCandidate[] {
	const found = backends.map((backend) => ({ backend, path: builtAddon(backend, root) })).filter(({ path }) => existsSync(path));
	const last = lastBuilt(root);
	return found
		.map(({ backend, path }) => ({ ...candidateAt("built", path, `built-${backend}`), backend }))
		.map((one) => (one.facts?.asked === false ? { ...one, kind: "fallback" as const } : one))
		.sort((a, b) => Number(b.backend === last) - Number(a.backend === last));
}

function lastBuilt(root: string): unknown {
	try {
		return (JSON.parse(readFileSync(join(root, "active.json"), "utf8")) as { backend?: unknown }).backend;
	} catch {
		return undefined;
	}
}

function prebuiltIn(folder: string): BinaryCandidate[] {
	const all = foldersIn(folder).map((name) => candidateAt("prebuilt", join(folder, name, "prune_gguf.node"), name));
	return all.filter(({ path }) => existsSync(path)).sort((a, b) => demands(b) - demands(a));
}

const demands = ({ facts }: BinaryCandidate) => facts?.needs.length ?? -1;

function foldersIn(folder: string): string[] {
	try {
		return readdirSync(folder, { withFileTypes: true })
			.filter((entry) => entry.isDirectory())
			.map(({ name }) => name)
			.sort();
	} catch {
		return [];
	}
}
