#!/usr/bin/env node
import { runCli } from "./run.js";
import type { Api } from "./api.js";

// A reader that stops early (`prune-gguf rank ... | head`) is no failure.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
	if (error.code === "EPIPE") process.exit(0);
	if (error.code !== "EIO") throw error;
});
// Whoever read what goes on is gone (EIO: the terminal was closed). That must not end a run that is being stopped.
process.stderr.on("error", (error: NodeJS.ErrnoException) => {
	if (error.code !== "EPIPE" && error.code !== "EIO") throw error;
});

const exitCode = runCli(process.argv.slice(2), {
	stdout: process.stdout,
	stderr: process.stderr,
	env: process.env,
	signals: process,
	exit: (code) => process.exit(code),
	api: async (): Promise<Api> => (await import("../index.js")) as Api,
});

// Not process.exit(): what is still in the pipe of standard output would be lost.
void exitCode.then((code) => {
	process.exitCode = code;
});
