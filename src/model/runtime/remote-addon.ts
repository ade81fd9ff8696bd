// The interface of the addon for models that another process holds (remote.ts). Files and values are quantized here.
import type { Addon, AddonInfo, CancelToken, NativeLoadOptions, NativeModel } from "./addon.js";
import { isChild } from "./child.js";
import { type DeviceChoice, layersAsked } from "./devices.js";
import type { Placement } from "./placement.js";
import { AddonProcess, ProcessEnded, type RemoteCall, type RemoteToken } from "./remote.js";
import { endedError, type OnRestart, RemoteModel } from "./remote-model.js";
import { askAgain, askRpcServer, checkRpcServers, forgetServer, listRpcServers } from "./rpc.js";

/** How a model is loaded in the process. */
export interface RemoteLoadOptions extends NativeLoadOptions {
	/** Devices for messages. */
	readonly where: string;
	/** Where its blocks go, as the other options say it too. */
	readonly placement: Placement;
	readonly onRestart?: OnRestart | undefined;
	/** @throws FileError if the file changed since its header was read */
	readonly checkFile: () => Promise<void>;
}

/** Here and there: a call of either takes its part. */
function tokenClass(local: Addon): new () => RemoteToken {
	return class implements RemoteToken {
		readonly local = new local.CancelToken();
		cancelled = false;
		onCancel: (() => void) | undefined;
		cancel(): void {
			this.cancelled = true;
			this.local.cancel();
			this.onCancel?.();
		}
	};
}

/** All models of this process that are not on the CPU alone are in one other process, since they may be measured together. */
class RemoteAddon {
	readonly #local: Addon;
	readonly #models = new Set<RemoteModel>();
	/** RPC servers that it has listed. Their devices are numbered in this order, so a new process lists them in it too. */
	readonly #servers = new Set<string>();
	#seen: Pick<AddonInfo, "devices" | "bytesMoved"> | undefined;
	readonly #process: AddonProcess;
	readonly #token: new () => RemoteToken;
	/** As `Model` uses the addon. */
	readonly asAddon: Addon;

	constructor(local: Addon, path: string) {
		this.#local = local;
		this.#token = tokenClass(local);
		this.#process = new AddonProcess(path, () => this.#restore());
		this.asAddon = this.#face();
	}

	/**
	 * Gives a new process what the one before held. A server that has gone is needed if there are models: without it, the devices of others
	 * would have other numbers.
	 */
	async #restore(): Promise<void> {
		for (const server of this.#servers) {
			try {
				await (this.busy ? askAgain(server) : askRpcServer(server));
			} catch (error) {
				if (this.busy) throw error;
				this.#servers.delete(server);
				forgetServer(server);
				continue;
			}
			await this.#process.call({ method: "addRpcServer", args: [server] });
		}
		for (const model of this.#models) await model.restore();
	}

	/** Whether it holds models. */
	get busy(): boolean {
		return this.#models.size > 0;
	}

	/** Whether RPC servers are listed there. */
	get hasServers(): boolean {
		return this.#servers.size > 0;
	}

	/** Only that process talks to servers: each serves one program at a time. @throws as `listRpcServers` */
	async list(servers: readonly string[], signal?: AbortSignal): Promise<void> {
		const addRpcServer = async (endpoint: string) => {
			await this.#unended(`the RPC server ${endpoint}`, { method: "addRpcServer", args: [endpoint] });
			this.#servers.add(endpoint);
		};
		await listRpcServers({ info: () => this.#local.info(), addRpcServer }, servers, signal);
	}

	/**
	 * Calls it once more if the process ends: an idle one does not notice that a server was started anew, until it is asked.
	 * @throws DeviceError if it ends again
	 */
	async #unended<T>(where: string, call: RemoteCall): Promise<T> {
		for (let attempt = 1; ; attempt++) {
			try {
				await this.#process.ready();
				return (await this.#process.call(call)) as T;
			} catch (error) {
				if (!(error instanceof ProcessEnded)) throw error;
				if (attempt > 1) throw endedError(where, "while its devices were listed", error);
			}
		}
	}

	/** What that process sees now. */
	async ask(): Promise<AddonInfo> {
		const info = await this.#unended<AddonInfo>("devices", { method: "info", args: [] });
		this.#seen = { devices: info.devices, bytesMoved: info.bytesMoved };
		return info;
	}

	/** The same with servers listed. @throws as `listRpcServers` */
	async askWith(servers: readonly string[], signal?: AbortSignal): Promise<AddonInfo> {
		await this.list(servers, signal);
		const info = await this.ask();
		if (servers.every((one) => this.#servers.has(one))) return info;
		// One had gone, which only shows when it is asked. It is back, or the error says that it is not.
		await this.list(servers, signal);
		return this.ask();
	}

	/** Frees what an idle model there keeps for its next measurement. */
	async giveUpContexts(): Promise<void> {
		await this.#process.call({ method: "giveUpContexts", args: [] }).catch(() => {});
	}

	#face(): Addon {
		const local = this.#local;
		const here = (token: CancelToken) => (token as RemoteToken).local;
		return {
			NativeModel: { load: (...args) => this.load(...(args as Parameters<RemoteAddon["load"]>)) },
			CancelToken: this.#token,
			info: () => ({ ...local.info(), ...this.#seen }),
			addRpcServer: (endpoint) => local.addRpcServer(endpoint),
			giveUpContexts: () => local.giveUpContexts(),
			stopJobs: () => local.stopJobs(),
			quantize: (...[input, output, options, cancel, onProgress]) => local.quantize(input, output, options, here(cancel), onProgress),
			quantizeValues: (values, type, row, cancel) => local.quantizeValues(values, type, row, here(cancel)),
			dequantizeBytes: (bytes, type, row, cancel) => local.dequantizeBytes(bytes, type, row, here(cancel)),
			timeLeastSquares: (size, cancel) => local.timeLeastSquares(size, here(cancel)),
			freeEquations: (equations) => this.#process.post({ method: "freeEquations", args: [equations] }),
			stateValues: (states) => this.#once<Float32Array>({ method: "stateValues", args: [states] }),
			solveEquations: (...args) => this.#once<{ update: Float32Array; explained: number }>({ method: "solveEquations", args }),
			measureSpeed: (sides, ...rest) => this.#speed(sides, rest),
		};
	}

	/** What needs something that only the process holds is lost with it. */
	async #once<T>(call: RemoteCall): Promise<T> {
		try {
			return (await this.#process.call(call)) as T;
		} catch (error) {
			throw error instanceof ProcessEnded ? endedError("a device", "while a fit was solved", error) : error;
		}
	}

	async load(path: string, options: RemoteLoadOptions, cancel: RemoteToken, onProgress: (fraction: number) => void): Promise<NativeModel> {
		const { where, placement, onRestart, checkFile, ...load } = options;
		// Tokens of a text are asked for without waiting.
		const words = { gpuLayers: 0, devices: [], mmap: true, vocabularyOnly: true };
		const vocabulary = await this.#local.NativeModel.load(path, words, cancel.local, () => {});
		const model: RemoteModel = new RemoteModel({
			...{ process: this.#process, newToken: () => new this.#token(), vocabulary, path, options: load },
			...{ where, placement, onRestart, checkFile },
			onEnd: () => this.#models.delete(model),
		});
		try {
			await model.load(cancel, onProgress);
		} catch (error) {
			model.dispose();
			throw error;
		}
		this.#models.add(model);
		return model;
	}

	async #speed(sides: Parameters<Addon["measureSpeed"]>[0], rest: readonly unknown[]) {
		const held = () => sides.map(({ model, mask }) => ({ model: (model as RemoteModel).held, mask }));
		const call = () => ({ method: "measureSpeed", args: [held(), ...rest] });
		return (await (sides[0]!.model as RemoteModel).retried(call)) as Awaited<ReturnType<Addon["measureSpeed"]>>;
	}
}

let started: RemoteAddon | undefined;

/**
 * What runs a model: the addon itself on the CPU, another process on devices. A model on the CPU goes there too while there are others, since
 * models are measured together.
 * @param path of the addon
 */
export function addonFor(local: Addon, path: string, onDevices: boolean): Addon {
	if (isChild() || (!onDevices && !started?.busy)) return local;
	started ??= new RemoteAddon(local, path);
	return started.asAddon;
}

/**
 * What a model can be put on: the devices of this machine, and those of the servers that were asked for, which are listed first.
 * @param path of the addon
 * @throws as `listRpcServers`
 */
export async function devicesSeen(local: Addon, path: string, choice: DeviceChoice, signal?: AbortSignal): Promise<AddonInfo> {
	const { rpc } = choice;
	if (rpc !== undefined) checkRpcServers(rpc, local.info());
	const servers = layersAsked(choice) === 0 ? undefined : rpc;
	if (isChild()) {
		await listRpcServers(local, servers, signal);
		return local.info();
	}
	if (servers !== undefined) {
		started ??= new RemoteAddon(local, path);
		return started.askWith(servers, signal);
	}
	// Some backends report what a process of theirs uses, and not what others do: Metal, and Vulkan without budgets of memory.
	return started && (started.hasServers || started.busy) ? started.ask() : local.info();
}

/** What the process that runs a model says of itself and its devices now. */
export async function infoNow(addon: Addon): Promise<AddonInfo> {
	return started !== undefined && addon === started.asAddon ? started.ask() : addon.info();
}

/** Frees the memory of devices that an idle model keeps for its next measurement. */
export async function giveUpRemoteContexts(): Promise<void> {
	if (started?.busy) await started.giveUpContexts();
}
