import { expect, it, vi } from "vitest";
import { computingIdentity } from "../../../src/model/evaluation/kept.js";
import { type LoadedBinary, loadedBinary } from "../../../src/model/runtime/load-addon.js";
import { llamaPin } from "../../../src/model/runtime/paths.js";
import { ledgerKey } from "../../../src/storage/ledger-format.js";

// The key under which measurements are cached names everything that computed them: bits differ between two binaries of one source.

vi.mock("../../../src/model/runtime/load-addon.js", async (original) => ({ ...(await original<object>()), loadedBinary: vi.fn() }));

const binary = { sha256: "1".repeat(64), level: "avx2", compiler: "zig 1" };
const model = { backend: { systemInfo: "AVX2 = 1" } } as Parameters<typeof computingIdentity>[0];

function identityWith(change: Partial<typeof binary>, of = model): Record<string, string | number> {
	vi.mocked(loadedBinary).mockReturnValue({ ...binary, ...change } as LoadedBinary);
	return computingIdentity(of, { gpuLayers: 0 });
}

it("names llama.cpp, the file, its level, its compiler, the processor and the layers on a GPU", () => {
	expect(identityWith({})).toEqual({
		llama: llamaPin.commit,
		addon: binary.sha256,
		level: "avx2",
		compiler: "zig 1",
		processor: expect.stringMatching(/^[0-9a-f]{12}$/),
		gpuLayers: 0,
	});
});

it("is another one for another file, level, compiler or processor alone", () => {
	const keyOf = (settings: Record<string, string | number>) => ledgerKey({ model: "m", windows: "w", backend: "b", settings });
	const other = { backend: { systemInfo: "AVX512 = 1" } } as typeof model;
	const keys = [
		...[{}, { sha256: "2".repeat(64) }, { level: "avx512" }, { compiler: "zig 2" }].map((change) => identityWith(change)),
		identityWith({}, other),
	].map(keyOf);
	expect(new Set(keys).size).toBe(5);
});
