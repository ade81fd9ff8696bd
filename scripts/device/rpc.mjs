// npm run test:rpc -- [arguments of vitest]
//
// Builds the addon and llama.cpp's server for RPC, starts two servers on the loopback, and runs test/device/ on them.
import { buildFor, buildGenerator, fail } from "./build.mjs";
import { startServers } from "./servers.mjs";
import { runDeviceTests } from "./tests.mjs";

try {
	await buildGenerator();
	const { addon, rpcServer } = await buildFor("rpc");
	const servers = await startServers(rpcServer, 2);
	try {
		// A server that a test ends is one of its own. The servers compute on the CPU: the same work gives the same bits.
		const env = { PRUNE_GGUF_TEST_RPC: servers.endpoints.join(","), PRUNE_GGUF_TEST_EXACT: "1", PRUNE_GGUF_TEST_RPC_SERVER: rpcServer };
		const { ok } = await runDeviceTests({ addon, env, args: process.argv.slice(2) });
		if (!ok) process.exitCode = 1;
	} finally {
		await servers.stop();
	}
} catch (error) {
	fail(error);
}
