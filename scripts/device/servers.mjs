// RPC servers on this machine, for tests.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/**
 * Starts servers on free ports of the loopback, and waits until they listen. A connection that only looks does no harm: the server takes
 * the next one.
 * @param {string} program llama.cpp's ggml-rpc-server
 * @param {number} count
 * @returns {Promise<{ endpoints: string[], stop(): Promise<void> }>}
 */
export async function startServers(program, count) {
	const started = [];
	try {
		for (let i = 0; i < count; i++) started.push(await start(program, await freePort()));
	} catch (error) {
		await stopAll(started);
		throw error;
	}
	return { endpoints: started.map(({ endpoint }) => endpoint), stop: () => stopAll(started) };
}

/**
 * Starts one server.
 * @param {string} program llama.cpp's ggml-rpc-server
 * @param {number} [port] default a free one
 * @returns {Promise<{ endpoint: string, port: number, kill(): Promise<void> }>}
 */
export async function startServer(program, port) {
	const server = await start(program, port ?? (await freePort()));
	return { endpoint: server.endpoint, port: Number(server.endpoint.split(":")[1]), kill: () => stopAll([server], "SIGKILL") };
}

async function start(program, port) {
	const child = spawn(program, ["--host", "127.0.0.1", "--port", String(port), "--threads", "1"], { stdio: ["ignore", "pipe", "pipe"] });
	let said = "";
	for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += chunk));
	const ended = once(child, "exit");
	ended.catch(() => {});
	for (let tries = 0; tries < 100; tries++) {
		if (child.exitCode !== null || child.signalCode !== null) break;
		if (await listens(port)) return { endpoint: `127.0.0.1:${port}`, child, ended };
		await delay(100);
	}
	child.kill();
	throw new Error(`${program} does not listen on port ${port}:\n${said}`);
}

async function stopAll(started, signal = "SIGTERM") {
	for (const { child } of started) child.kill(signal);
	await Promise.all(started.map(({ ended }) => ended));
}

async function freePort() {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address();
	server.close();
	await once(server, "close");
	return port;
}

function listens(port) {
	return new Promise((resolve) => {
		const socket = connect({ host: "127.0.0.1", port });
		const end = (answer) => {
			socket.destroy();
			resolve(answer);
		};
		socket.once("connect", () => end(true));
		socket.once("error", () => end(false));
	});
}
