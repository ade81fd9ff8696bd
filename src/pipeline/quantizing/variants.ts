// One model in several types of weights: masks are measured on each through the layer view, and kept in ledgers.
import { deviceChoice } from "../../model/runtime/devices.js";
import { join } from "node:path";
import { removeBlocks } from "../../model/architectures/index.js";
import { Coalition } from "../../game/coalition.js";
import type { Measurement } from "../../game/game.js";
import { checkAsRead, contentOf, writtenSize } from "../../model/gguf/index.js";
import { whileHealed } from "../../model/fitting/standing.js";
import { type HealedTensor, withTypes } from "../../model/fitting/tensors.js";
import type { ModelWeights } from "../writing/quantize-weights.js";
import type { NamedWindows, References } from "./reference-logits.js";
import { defaultStateBytes, type Evaluator } from "../../model/runtime/evaluator.js";
import { quantizedContent } from "../../model/runtime/file-types.js";
import { loadAsRead } from "../../model/runtime/load-model.js";
import { type MemoryShape, memoryBesideWeights, memoryForStates } from "../../model/runtime/memory.js";
import type { Model } from "../../model/runtime/model.js";
import { packageVersion } from "../../model/runtime/paths.js";
import type { FileType } from "../../model/runtime/quantize.js";
import { dequantizeBytes, quantizeValues } from "../../model/runtime/states.js";
import { defaultUbatch, vocabularyOf } from "../../model/runtime/ubatch.js";
import type { TokenWindows } from "../../model/runtime/windows.js";
import { workingCopy } from "../../model/runtime/working-copy.js";
import { settled } from "../session/games.js";
import { Ledger, ledgerKey } from "../../storage/ledger.js";
import { type Evaluate, LedgerGame } from "../../storage/ledger-game.js";
import { partialName } from "../../storage/partials.js";
import { ledgerPath } from "../../storage/runs.js";
import { windowsMetric } from "../session/metrics.js";
import type { LoadedModel } from "../../model/runtime/loaded-model.js";
import type { LoadSettings, SweepSettings } from "../../api/options/settings.js";

/** What all variants of a run share. */
export interface VariantSetting<Name extends string> {
	/** Folder of the run: ledgers are kept there, and copies made. */
	readonly folder: string;
	readonly windows: NamedWindows<Name>;
	/** Settings of the run that can change bits, `threads` and `backend` among them. */
	readonly settings: Readonly<Record<string, string | number | boolean | null>>;
	readonly references: References<Name>;
	/** `stateBytes` among them, which is lowered to what a model leaves free once it is loaded. */
	readonly options: LoadSettings & Pick<SweepSettings, "stateBytes">;
}

/** New matrices for sets of blocks, made of the weights as they are. */
export interface HealedWeights {
	/** Key of what they were fitted to, and how. */
	readonly key: string;
	/** Made of the weights in memory, which are the file's own again when this returns. @param removed ascending */
	tensors(removed: readonly number[]): Promise<readonly HealedTensor[]>;
}

/** The model in one type of weights. */
export class Variant<Name extends string> {
	/** `own`: the weights as they are. */
	readonly type: FileType | "own";
	readonly #weights: ModelWeights;
	readonly #setting: VariantSetting<Name>;
	readonly #games = new Map<Name, LedgerGame>();
	readonly #healed = new Map<Name, LedgerGame>();
	readonly #ledgers: Ledger[] = [];
	/** Micro-batch of the evaluator, loaded or not: it can change bits, and ledgers are opened before it is made. */
	readonly #ubatch: number;
	#model: Promise<Model> | undefined;
	#evaluator: Promise<Evaluator> | undefined;
	/** Ids of the tensors' types, in the order of the source's. */
	#types: readonly number[] | undefined;

	private constructor(type: FileType | "own", weights: ModelWeights, setting: VariantSetting<Name>, loaded: Evaluator | undefined) {
		this.type = type;
		this.#weights = weights;
		this.#setting = setting;
		this.#ubatch = loaded?.ubatch ?? defaultUbatch(vocabularyOf(weights.file));
		if (loaded) this.#evaluator = Promise.resolve(loaded);
	}

	/**
	 * Opens the ledgers. Weights of another type are quantized only where a ledger does not know yet what is asked.
	 * @param loaded an evaluator of the weights as they are, where one is at hand
	 * @throws QuantizeError, NoSpaceError and the errors of loading
	 */
	static async open<Name extends string>(
		type: FileType | "own",
		weights: ModelWeights,
		setting: VariantSetting<Name>,
		loaded?: Evaluator,
	): Promise<Variant<Name>> {
		const variant = new Variant(type, weights, setting, loaded);
		try {
			for (const name of Object.keys(setting.windows) as Name[]) variant.#games.set(name, await variant.#open(name));
			return variant;
		} catch (error) {
			await variant.close().catch(() => {});
			throw error;
		}
	}

	/** Losses (and divergence and agreement) of sets of blocks; what is known already costs nothing. */
	measure(name: Name, removed: readonly (readonly number[])[]): Promise<Measurement[]> {
		const players = this.#weights.blocks.blocks;
		const { signal } = this.#setting.options;
		const masks = removed.map((set) => Coalition.ofRemoved(players, set));
		return this.#games.get(name)!.measure(masks, { phase: this.type === "own" ? "own weights" : `as ${this.type}`, signal });
	}

	/** The same of sets whose cuts are healed, the new matrices stored in the types of those in their place, as quantizing them does. */
	async measureHealed(name: Name, removed: readonly (readonly number[])[], healed: HealedWeights): Promise<Measurement[]> {
		const game = this.#healed.get(name) ?? (await this.#open(name, healed));
		this.#healed.set(name, game);
		const masks = removed.map((set) => Coalition.ofRemoved(game.players, set));
		const phase = `healed, ${this.type === "own" ? "own weights" : `as ${this.type}`}`;
		return game.measure(masks, { phase, signal: this.#setting.options.signal });
	}

	/** The model in this type, loaded (and made) where it is not yet. It is freed with the variant. */
	model(): Promise<Model> {
		return this.#load();
	}

	/**
	 * Bytes of the file without these blocks: of the quantized model, its blocks' tensors left out.
	 * @param healed types of the healed matrices by their names, of the weights as they are; quantized ones have those of the type
	 */
	bytes(removed: readonly number[], healed: ReadonlyMap<string, number> = new Map()): number {
		const { file, sha256 } = this.#weights;
		const allowUnknown = this.#setting.options.allowUnknownArchitecture ?? false;
		const content =
			removed.length === 0
				? contentOf(file)
				: removeBlocks(file, removed, { version: packageVersion, sourceSha256: sha256 }, { allowUnknown });
		if (this.type === "own") return writtenSize(withTypes(content, file, healed));
		// Renumbered tensors keep the place that their bytes come from.
		const typeOf = new Map<unknown, number>(file.tensors.map(({ source }, i) => [source, this.#types![i]!]));
		return writtenSize(
			quantizedContent(
				content,
				content.tensors.map(({ source }) => typeOf.get(source)!),
			),
		);
	}

	/** Closes the ledgers and frees the copy. Idempotent. */
	async close(): Promise<void> {
		const model = this.#model;
		await settled([
			...this.#ledgers.map((ledger) => ledger.close()),
			model
				? model.then(
						(loaded) => loaded.dispose(),
						() => {},
					)
				: Promise.resolve(),
		]);
	}

	async #open(name: Name, healed?: HealedWeights): Promise<LedgerGame> {
		const { folder, settings, windows, references, options } = this.#setting;
		const { blocks, sha256 } = this.#weights;
		const { scoreFrom = 0 } = windows[name];
		const splitMetric = windowsMetric(windows[name], options, references.fits(name) ? () => references.of(name) : undefined, { scoreFrom });
		const { backend, llama, addon, level, compiler, processor, gpuLayers, threads } = settings;
		const kept = {
			...{
				llama: llama!,
				addon: addon!,
				level: level!,
				compiler: compiler!,
				processor: processor!,
				gpuLayers: gpuLayers!,
				threads: threads!,
				...(settings.placement === undefined ? {} : { placement: settings.placement }),
			},
			...{ ubatch: this.#ubatch, weights: this.type },
			...(references.fits(name) ? { reference: references.model.sha256 } : {}),
			...(healed ? { healed: healed.key } : {}),
			...(scoreFrom > 0 ? { scoreFrom } : {}),
		};
		const key = ledgerKey({ model: sha256, windows: splitMetric.hash, backend: String(backend), settings: { ...kept, variant: true } });
		const header = {
			...{ key, players: blocks.blocks, windows: splitMetric.shape },
			// Read back by a run that goes on: sizes are known without quantizing again.
			settings: async () => ({ ...kept, tensorTypes: (await this.#tensorTypes()).join() }),
		};
		const ledger = await Ledger.open(ledgerPath(folder, key), header, { figures: splitMetric.figures, check: () => this.#checkFiles() });
		this.#ledgers.push(ledger);
		this.#types ??= String(ledger.header.settings.tensorTypes).split(",").map(Number);
		const allows = (coalition: Coalition) => coalition.isFull || blocks.check(coalition.removed()) === undefined;
		const evaluate: Evaluate = async (masks, run) => {
			const evaluator = await this.#evaluate();
			if (!healed) return splitMetric.measure(evaluator, masks, run);
			// The original model may be this one, so its references must be made before a matrix changes.
			await references.of(name);
			for (const mask of masks) {
				const tensors = await this.#inType(evaluator.model, await healed.tensors(mask.removed()));
				await whileHealed(evaluator.model, tensors, () => splitMetric.measure(evaluator, [mask], run));
			}
		};
		return new LedgerGame({ ledger, allows, evaluate });
	}

	/** @throws FileError if one of the models that are measured and compared with changed since its header was read */
	async #checkFiles(): Promise<void> {
		for (const model of new Set([this.#weights.file, this.#setting.references.model.file])) await checkAsRead({ file: model });
	}

	/** Healed matrices in the types that this type of weights has in their place. */
	async #inType(model: LoadedModel, tensors: readonly HealedTensor[]): Promise<readonly HealedTensor[]> {
		if (this.type === "own") return tensors;
		const { signal } = this.#setting.options;
		const own = new Map(this.#weights.file.tensors.map(({ name, dims }, i) => [name, { row: dims[0]!, type: this.#types![i]! }]));
		const made: HealedTensor[] = [];
		for (const { name, type, bytes } of tensors) {
			const { row, type: wanted } = own.get(name)!;
			const values = await dequantizeBytes(model, bytes, { type, rowLength: row }, signal);
			made.push({ name, type: wanted, bytes: await quantizeValues(model, values, { type: wanted, rowLength: row }, signal) });
		}
		return made;
	}

	async #tensorTypes(): Promise<readonly number[]> {
		if (this.#types) return this.#types;
		const { file } = this.#weights;
		const copy = this.type === "own" ? file : (await this.#load()).file;
		return file.tensors.map(({ name }) => copy.tensor(name)!.type);
	}

	#evaluate(): Promise<Evaluator> {
		const shape = { threads: Number(this.#setting.settings.threads), ubatch: this.#ubatch };
		this.#evaluator ??= this.#load().then((model) => model.createEvaluator({ ...shape, stateBytes: this.#memoryForStates(model) }));
		return this.#evaluator;
	}

	#shape(): MemoryShape {
		const { windows, references } = this.#setting;
		const sets = Object.values<TokenWindows>(windows);
		return {
			ubatch: this.#ubatch,
			windows: Math.max(...sets.map(({ count }) => count)),
			windowLength: Math.max(...sets.map(({ length }) => length)),
			referencePositions: references.positionsToMake,
		};
	}

	#memoryForStates({ file }: Model): number {
		// A copy's weights are in memory by now, those of a file are only mapped.
		const room = this.type === "own" ? memoryForStates : memoryBesideWeights;
		return room(file, this.#shape(), this.#setting.options.stateBytes ?? defaultStateBytes);
	}

	#load(): Promise<Model> {
		this.#model ??= this.type === "own" ? loadAsRead(this.#weights, this.#setting.options, this.#shape()) : this.#quantize(this.type);
		return this.#model;
	}

	#quantize(type: FileType): Promise<Model> {
		const { folder, settings, options } = this.#setting;
		return workingCopy(this.#weights, type, join(folder, partialName(`variant-${type}.gguf`)), {
			threads: Number(settings.threads),
			...deviceChoice(options),
			allowUnknownArchitecture: options.allowUnknownArchitecture,
			signal: options.signal,
			onProgress: (fraction) =>
				options.progress?.work({ phase: `quantizing to ${type}`, done: Math.round(100 * fraction), total: 100, unit: "percent" }),
		});
	}
}
