// Runs the addon in a process of its own, which a driver may end (see remote.ts). It is JavaScript and uses only the addon, so that it runs
// from the sources as well as from the compiled package.
import { createRequire } from "node:module";
import { types } from "node:util";

process.on("SIGINT", () => {});
// The parent has ended. Threads may compute, so nothing is cleaned up.
process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));

let addon;
let last = 0;
/** Models and other things that stay here, by number. */
const held = new Map();
/** Tokens of the calls that run, by the number of the call. */
const tokens = new Map();

process.on("message", (message) => {
	if (message.addon !== undefined) addon = createRequire(import.meta.url)(message.addon);
	else if (message.cancel !== undefined) tokens.get(message.cancel)?.cancel();
	else if (message.free !== undefined) held.delete(message.free);
	else answer(message);
});

async function answer({ id, on, method, args }) {
	try {
		const target = on === undefined ? addon : held.get(on);
		const [owner, name] = method.includes(".") ? [target[method.split(".")[0]], method.split(".")[1]] : [target, method];
		const value = await owner[name](...args.map((arg) => received(arg, id)));
		process.send({ id, value: kept(value) });
	} catch (error) {
		const { name, message, code, log } = error instanceof Error ? error : new Error(String(error));
		process.send({ id, error: { name, message, code, log } });
	} finally {
		tokens.delete(id);
	}
}

const isList = (value) =>
	Array.isArray(value) || (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype);

/** An argument with what is held here, callbacks and tokens in the place of their marks. */
function received(value, id) {
	if (!isList(value)) return value;
	if (value.$held !== undefined) return held.get(value.$held);
	if (value.$callback !== undefined) return (...args) => process.send({ id, callback: value.$callback, args });
	if (value.$token) {
		tokens.set(id, new addon.CancelToken());
		return tokens.get(id);
	}
	if (Array.isArray(value)) return value.map((one) => received(one, id));
	return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, received(one, id)]));
}

/** A result with marks in the place of what can only be held here. */
function kept(value) {
	if (types.isExternal(value) || value instanceof addon.NativeModel) {
		held.set(++last, value);
		return { $held: last };
	}
	if (!isList(value)) return value;
	if (Array.isArray(value)) return value.map(kept);
	return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, kept(one)]));
}
