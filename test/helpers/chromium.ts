import { type ChildProcess, spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { Readable, Writable } from "node:stream";

/** A Chromium on this machine: `CHROMIUM`, or one in the path; undefined if there is none. */
export function findChromium(): string | undefined {
	if (process.env.CHROMIUM) return process.env.CHROMIUM;
	const folders = (process.env.PATH ?? "").split(delimiter);
	return ["chromium", "chromium-browser", "google-chrome", "chrome"]
		.flatMap((name) => folders.map((folder) => join(folder, name)))
		.find((path) => {
			try {
				accessSync(path, constants.X_OK);
				return true;
			} catch {
				return false;
			}
		});
}

/** How a page is viewed. */
export interface View {
	readonly width: number;
	readonly height: number;
	readonly scheme: "light" | "dark";
	readonly media?: "screen" | "print";
}

/** A headless Chromium with one page, controlled over its debugging pipe: messages of the DevTools protocol that end with a zero byte. */
export class Browser {
	/** Complaints of the page: errors, dialogs, and requests that it made. */
	readonly complaints: string[] = [];
	readonly #child: ChildProcess;
	readonly #folder: string;
	readonly #waiting = new Map<number, { resolve: (value: never) => void; reject: (error: Error) => void }>();
	#last = 0;
	#session: string | undefined;
	#loaded: (() => void) | undefined;

	private constructor(path: string) {
		this.#folder = mkdtempSync(join(tmpdir(), "prune-gguf-chromium-"));
		const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars"];
		this.#child = spawn(path, [...flags, `--user-data-dir=${this.#folder}`, "--remote-debugging-pipe"], {
			stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
			detached: true,
		});
		let text = "";
		(this.#child.stdio[4] as Readable).setEncoding("utf8").on("data", (part: string) => {
			text += part;
			const messages = text.split("\0");
			text = messages.pop()!;
			for (const message of messages) this.#receive(JSON.parse(message));
		});
		this.#child.on("exit", () => {
			for (const { reject } of this.#waiting.values()) reject(new Error("Chromium ended"));
		});
	}

	static async start(path: string): Promise<Browser> {
		const browser = new Browser(path);
		const { targetId } = await browser.send<{ targetId: string }>("Target.createTarget", { url: "about:blank" });
		const { sessionId } = await browser.send<{ sessionId: string }>("Target.attachToTarget", { targetId, flatten: true });
		browser.#session = sessionId;
		for (const domain of ["Page", "Runtime", "Log", "Network"]) await browser.send(`${domain}.enable`);
		return browser;
	}

	/** Sends a command and waits for its result. */
	send<T>(method: string, params: object = {}): Promise<T> {
		const id = ++this.#last;
		const sessionId = this.#session ? { sessionId: this.#session } : {};
		(this.#child.stdio[3] as Writable).write(`${JSON.stringify({ id, method, params, ...sessionId })}\0`);
		return new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
	}

	/** Opens a page as a view shows it. */
	async open(url: string, { width, height, scheme, media = "screen" }: View): Promise<void> {
		await this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: 1, mobile: width < 700 });
		await this.send("Emulation.setEmulatedMedia", { media, features: [{ name: "prefers-color-scheme", value: scheme }] });
		const loaded = new Promise<void>((resolve) => {
			this.#loaded = resolve;
		});
		await this.send("Page.navigate", { url });
		await loaded;
	}

	/** The value of an expression in the page; promises are awaited. */
	async evaluate<T>(expression: string): Promise<T> {
		const { result, exceptionDetails } = await this.send<{ result: { value: T }; exceptionDetails?: { text: string } }>(
			"Runtime.evaluate",
			{
				expression,
				awaitPromise: true,
				returnByValue: true,
			},
		);
		if (exceptionDetails) throw new Error(`${exceptionDetails.text}: ${JSON.stringify(result)}`);
		return result.value;
	}

	/** The whole page as PNG. */
	async screenshot(): Promise<Buffer> {
		const { data } = await this.send<{ data: string }>("Page.captureScreenshot", { captureBeyondViewport: true });
		return Buffer.from(data, "base64");
	}

	/** Ends the browser. */
	async close(): Promise<void> {
		const ended = new Promise((resolve) => this.#child.once("exit", resolve));
		// With its children, which write to the folder too.
		process.kill(-this.#child.pid!, "SIGKILL");
		await ended;
		rmSync(this.#folder, { recursive: true, force: true, maxRetries: 10 });
	}

	#receive(message: { id?: number; method?: string; params?: never; result?: never; error?: { message: string } }): void {
		const { id, method, params, result, error } = message;
		if (id !== undefined) {
			const waiting = this.#waiting.get(id);
			this.#waiting.delete(id);
			if (error) waiting?.reject(new Error(error.message));
			else waiting?.resolve(result as never);
		} else if (method === "Page.loadEventFired") this.#loaded?.();
		else if (method === "Page.javascriptDialogOpening") {
			this.complaints.push(`a dialog: ${JSON.stringify(params)}`);
			// The page would wait for it.
			void this.send("Page.handleJavaScriptDialog", { accept: false });
		} else if (method === "Runtime.exceptionThrown" || method === "Log.entryAdded" || method === "Runtime.consoleAPICalled")
			this.complaints.push(JSON.stringify(params));
		else if (method === "Network.requestWillBeSent") {
			const { url } = (params as unknown as { request: { url: string } }).request;
			if (!url.startsWith("file:")) this.complaints.push(`asks for ${url}`);
		}
	}
}
