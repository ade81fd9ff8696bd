// RPC servers of llama.cpp, which compute on other machines.
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { DeviceError, InvalidOptionError, ModelLoadError } from "../../errors.js";
import type { AddonInfo } from "./addon.js";
import { fromNative } from "./cancel.js";

/** Milliseconds in which a server must say what it is. It serves one program at a time, and is silent to others. */
const PATIENCE = 5_000;
/** Times to ask a server that has ended, once a second: something may start it again. */
const TIMES_AGAIN = 5;
/** Most servers that llama.cpp uses at once. */
const MOST = 16;

// A server answers the first call of llama.cpp's ggml-rpc.cpp with its version: a byte for the call, eight for the length of what
// follows, and features of the connection, of which none are asked for.
const HELLO = 14;
const FEATURES = 24;
/** Version of the protocol that this llama.cpp speaks: the first number must be equal, the second of a server at most this. */
export const rpcProtocol = { major: 7, minor: 0 };

/** Servers that the addon of this process has listed. It keeps a connection while a model is on them, so they are not asked again. */
const listed = new Set<string>();

/** It has gone: it is asked again before it is used again. */
export const forgetServer = (endpoint: string): void => void listed.delete(endpoint);

/** Asks a server what it is. @throws ModelLoadError that says what is wrong, and what to do */
export async function askRpcServer(endpoint: string, signal?: AbortSignal, patience: number = PATIENCE): Promise<void> {
	signal?.throwIfAborted();
	const [host, port] = partsOf(endpoint);
	const answer = await hello({ host, port, patience, signal });
	signal?.throwIfAborted();
	if ("problem" in answer) throw new ModelLoadError(`--rpc ${endpoint}: ${answer.problem}`);
	const { major, minor, patch } = answer;
	if (major === rpcProtocol.major && minor <= rpcProtocol.minor) return;
	throw new ModelLoadError(
		`--rpc ${endpoint}: the server speaks version ${major}.${minor}.${patch} of the protocol, and prune-gguf ${rpcProtocol.major}.${rpcProtocol.minor}. ` +
			"Start the server of the same llama.cpp there (prune-gguf --version names it).",
	);
}

/**
 * Asks a server that a run was using. Its end also ends the process that computes, and a new one needs it.
 * @param seconds between two attempts
 * @throws DeviceError if it does not answer within some seconds
 */
export async function askAgain(endpoint: string, seconds = 1): Promise<void> {
	for (let times = 1; ; times++) {
		try {
			return await askRpcServer(endpoint);
		} catch (cause) {
			if (times === TIMES_AGAIN) {
				const reason = (cause as Error).message.replace(`--rpc ${endpoint}: `, "");
				const advice = "What was measured is in the cache: start the server again, then the same command goes on.";
				throw new DeviceError(`the RPC server ${endpoint} ended, or cannot be reached any more: ${reason} ${advice}`, { cause });
			}
		}
		await pause(1000 * seconds);
	}
}

/** What lists servers: the addon, here or in another process. */
export interface ServerList {
	info(): Pick<AddonInfo, "rpc">;
	addRpcServer(endpoint: string): void | Promise<void>;
}

/**
 * Lists the devices of servers among those of this process, where a model can be put on them. Each is asked first: llama.cpp ends the
 * process if nobody answers.
 * @throws InvalidOptionError for what names no server, or with a native part that was built without the RPC backend
 * @throws ModelLoadError if a server does not answer as one
 */
export async function listRpcServers(addon: ServerList, servers: readonly string[] | undefined, signal?: AbortSignal): Promise<void> {
	if (servers === undefined) return;
	checkRpcServers(servers, addon.info());
	for (const endpoint of servers) {
		if (listed.has(endpoint)) continue;
		await askRpcServer(endpoint, signal);
		try {
			await addon.addRpcServer(endpoint);
		} catch (error) {
			throw fromNative(error);
		}
		listed.add(endpoint);
	}
}

/** @throws InvalidOptionError that says which one is wrong, or that the native part was built without the RPC backend */
export function checkRpcServers(servers: readonly string[], { rpc }: Pick<AddonInfo, "rpc">): void {
	if (!Array.isArray(servers) || servers.length === 0 || servers.length > MOST) {
		throw new InvalidOptionError(`rpc: expected 1 to ${MOST} servers such as ["192.168.1.7:50052"], got ${JSON.stringify(servers)}`);
	}
	for (const endpoint of servers) partsOf(endpoint);
	const repeated = servers.find((one, i) => servers.indexOf(one) !== i);
	if (repeated !== undefined) throw new InvalidOptionError(`rpc: ${repeated} is named twice`);
	if (!rpc) throw new InvalidOptionError("--rpc needs a native part that was built for it: npx prune-gguf build --backend rpc");
}

/** llama.cpp splits at the first colon, so it knows no addresses of IPv6. */
function partsOf(endpoint: string): readonly [host: string, port: number] {
	const match = typeof endpoint === "string" ? /^([^\s:,]+):(\d{1,5})$/.exec(endpoint) : null;
	const port = Number(match?.[2]);
	if (match && port >= 1 && port <= 65_535) return [match[1]!, port];
	throw new InvalidOptionError(`rpc: expected a host and a port such as 192.168.1.7:50052, got ${JSON.stringify(endpoint)}`);
}

interface Call {
	readonly host: string;
	readonly port: number;
	readonly patience: number;
	readonly signal: AbortSignal | undefined;
}

interface ServerVersion {
	readonly major: number;
	readonly minor: number;
	readonly patch: number;
}

function hello({ host, port, patience, signal }: Call): Promise<ServerVersion | { readonly problem: string }> {
	return new Promise((resolve) => {
		const socket = connect({ host, port });
		let said: Buffer = Buffer.alloc(0);
		const end = (answer: ServerVersion | { readonly problem: string }) => {
			signal?.removeEventListener("abort", abort);
			clearTimeout(timer);
			socket.destroy();
			resolve(answer);
		};
		const abort = () => end({ problem: "stopped" });
		const silent = () =>
			end({
				problem: socket.connecting
					? `no connection within ${patience / 1000} s. Check the address, the network and the firewall.`
					: `the server did not answer within ${patience / 1000} s. It serves one program at a time: end the other one, or start another server.`,
			});
		const timer = setTimeout(silent, patience);
		signal?.addEventListener("abort", abort, { once: true });
		socket.on("connect", () => socket.write(helloMessage()));
		socket.on("data", (chunk) => {
			said = Buffer.concat([said, chunk]);
			const version = versionIn(said);
			if (version) end(version);
		});
		const other = "what answers there is no RPC server of llama.cpp, or one of another version.";
		socket.on("end", () => end({ problem: other }));
		socket.on("error", (error: NodeJS.ErrnoException) =>
			end({
				problem: error.code === "ECONNRESET" ? other : `no connection (${error.code ?? error.message}). Is ggml-rpc-server running there?`,
			}),
		);
	});
}

function helloMessage(): Buffer {
	const message = Buffer.alloc(1 + 8 + FEATURES);
	message.writeUInt8(HELLO, 0);
	message.writeBigUInt64LE(BigInt(FEATURES), 1);
	return message;
}

/** Undefined as long as too little came. Versions of another protocol answer with another length. */
function versionIn(said: Buffer): ServerVersion | { readonly problem: string } | undefined {
	if (said.length < 8) return undefined;
	const length = Number(said.readBigUInt64LE(0));
	if (length < 3 || length > 1024) return { problem: "what answers there is no RPC server of llama.cpp." };
	if (said.length < 8 + length) return undefined;
	return { major: said[8]!, minor: said[9]!, patch: said[10]! };
}
