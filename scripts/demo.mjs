// The main job on the project's own 12-block model.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const cli = join(root, "dist", "cli", "main.js");
const model = join(root, "fixture", "fixture-12l.gguf");
const output = join(root, "out", "demo.gguf");
mkdirSync(join(root, "out"), { recursive: true });

const show = (path) => relative(process.cwd(), path) || path;
const command = (...args) => args.map((arg) => (arg.startsWith(root) ? show(arg) : arg)).join(" ");
const args = [model, output, "--remove-blocks", "3", "--overwrite"];
process.stderr.write(`$ npx prune-gguf ${command(...args)}\n`);
const { status } = spawnSync(process.execPath, [cli, ...args], { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);

const lines = [
	"",
	`The pruned model: ${show(output)}`,
	`Its plan:         ${show(output)}.plan.json`,
	`The report:       ${show(output)}.report.html (open it in a browser)`,
	"",
	"Next, on a model of your own (the first command writes no model):",
	"  npx prune-gguf your-model.gguf",
	"  npx prune-gguf your-model.gguf pruned.gguf --remove-blocks 4",
];
process.stdout.write(`${lines.join("\n")}\n`);
