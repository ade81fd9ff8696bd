import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { DeviceError, InvalidOptionError, ModelLoadError } from "../../../src/errors.js";
import type { Addon } from "../../../src/model/runtime/addon.js";
import { askAgain, askRpcServer, listRpcServers, rpcProtocol } from "../../../src/model/runtime/rpc.js";

let server: Server | undefined;
const sockets: Socket[] = [];
afterEach(() => {
	for (const socket of sockets.splice(0)) socket.destroy();
	server?.close();
	server = undefined;
});

/** Something that listens, and answers to what it is told. @returns host:port */
async function listening(answer: (said: Buffer, socket: Socket) => void): Promise<string> {
	server = createServer((socket) => {
		sockets.push(socket);
		socket.on("data", (said) => answer(said, socket));
		socket.on("error", () => {});
	}).listen(0, "127.0.0.1");
	await once(server, "listening");
	return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

/** What llama.cpp's server says of its version. */
function version(major: number, minor: number, patch: number): Buffer {
	const answer = Buffer.alloc(8 + 28);
	answer.writeBigUInt64LE(28n, 0);
	answer.set([major, minor, patch], 8);
	return answer;
}

/** An addon that counts the servers that it lists. */
function fakeAddon(rpc = true) {
	const added: string[] = [];
	const addon = { info: () => ({ rpc }), addRpcServer: (endpoint: string) => void added.push(endpoint) } as unknown as Addon;
	return { addon, added };
}

describe("asking a server", () => {
	it("knows the version that the pinned llama.cpp speaks", () => {
		const header = readFileSync(new URL("../../../vendor/llama.cpp/ggml/include/ggml-rpc.h", import.meta.url), "utf8");
		const number = (name: string) => Number(new RegExp(`RPC_PROTO_${name}_VERSION\\s+(\\d+)`).exec(header)?.[1]);
		expect(rpcProtocol).toEqual({ major: number("MAJOR"), minor: number("MINOR") });
	});

	it("greets it as llama.cpp does, and takes one of this version", async () => {
		let greeting: Buffer = Buffer.alloc(0);
		const endpoint = await listening((said, socket) => {
			greeting = said;
			// In two pieces, as a network may.
			socket.write(version(7, 0, 3).subarray(0, 5));
			setTimeout(() => socket.write(version(7, 0, 3).subarray(5)), 20);
		});
		await askRpcServer(endpoint);
		expect([greeting[0], greeting.readBigUInt64LE(1), greeting.length]).toEqual([14, 24n, 33]);
	});

	it("says which version another one speaks, and what to do", async () => {
		const endpoint = await listening((_, socket) => socket.write(version(6, 2, 1)));
		await expect(askRpcServer(endpoint)).rejects.toThrow(
			/127\.0\.0\.1:\d+: the server speaks version 6\.2\.1 .* 7\.0\. Start the server of the same/,
		);
		await expect(askRpcServer(endpoint)).rejects.toThrow(ModelLoadError);
	});

	it.each<[string, (said: Buffer, socket: Socket) => void, RegExp]>([
		["something else", (_, socket) => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"), /is no RPC server/],
		["something that hangs up", (_, socket) => socket.end(), /is no RPC server/],
		["one that serves another program", () => {}, /did not answer within 0\.3 s\. It serves one program at a time/],
	])("%s is told of", async (_, answer, words) => {
		await expect(askRpcServer(await listening(answer), undefined, 300)).rejects.toThrow(words);
	});

	it("says that nobody listens", async () => {
		const endpoint = await listening(() => {});
		server!.close();
		await once(server!, "close");
		await expect(askRpcServer(endpoint)).rejects.toThrow(/no connection \(ECONNREFUSED\)\. Is ggml-rpc-server running there\?/);
	});

	it("stops when it is told to", async () => {
		const controller = new AbortController();
		const asked = askRpcServer(await listening(() => controller.abort(new Error("enough"))), controller.signal);
		await expect(asked).rejects.toThrow("enough");
	});
});

describe("a server that a run was using", () => {
	const answers = (_: Buffer, socket: Socket) => socket.write(version(7, 0, 0));
	const close = async () => {
		for (const socket of sockets.splice(0)) socket.destroy();
		server!.close();
		await once(server!, "close");
	};

	it("is waited for if it is started again", async () => {
		const endpoint = await listening(answers);
		await close();
		const again = createServer((socket) => {
			sockets.push(socket);
			socket.on("data", (said) => answers(said, socket));
		});
		server = again;
		setTimeout(() => again.listen(Number(endpoint.split(":")[1]), "127.0.0.1"), 100);
		await askAgain(endpoint, 0.2);
	});

	it("and that stays away is an error that names it, and says what was lost and what to do", async () => {
		const endpoint = await listening(answers);
		await close();
		const error = await askAgain(endpoint, 0.01).catch((reason: unknown) => reason);
		expect(error).toBeInstanceOf(DeviceError);
		expect((error as DeviceError).message).toBe(
			`the RPC server ${endpoint} ended, or cannot be reached any more: no connection (ECONNREFUSED). Is ggml-rpc-server running there? What was measured is in the cache: start the server again, then the same command goes on.`,
		);
	});
});

describe("listing servers", () => {
	it("asks each one once, before the addon gets it", async () => {
		let greetings = 0;
		const endpoint = await listening((_, socket) => {
			greetings++;
			socket.write(version(7, 0, 0));
		});
		const { addon, added } = fakeAddon();
		await listRpcServers(addon, [endpoint]);
		await listRpcServers(addon, [endpoint]);
		expect([added, greetings]).toEqual([[endpoint], 1]);
		await listRpcServers(addon, undefined);
	});

	it("needs a build for it", async () => {
		await expect(listRpcServers(fakeAddon(false).addon, ["a:1"])).rejects.toThrow(/npx prune-gguf build --backend rpc/);
	});

	it.each<[string, unknown, RegExp]>([
		["no port", ["host"], /expected a host and a port such as .*, got "host"/],
		["a port beyond the last", ["host:65536"], /got "host:65536"/],
		["an address of IPv6", ["::1:50052"], /got "::1:50052"/],
		["none", [], /expected 1 to 16 servers/],
		["a text", "host:1", /expected 1 to 16 servers/],
		["one twice", ["host:1", "host:1"], /host:1 is named twice/],
	])("refuses %s", async (_, servers, words) => {
		const { addon, added } = fakeAddon();
		await expect(listRpcServers(addon, servers as string[])).rejects.toThrow(words);
		await expect(listRpcServers(addon, servers as string[])).rejects.toThrow(InvalidOptionError);
		expect(added).toEqual([]);
	});
});
