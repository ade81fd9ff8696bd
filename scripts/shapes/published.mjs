// Speeds of llama-bench on graphics devices that others published: what the table computes its rows for a GPU from.

/** `bytes`: of the device's memory; `shape` and `type`: the model that was timed, or the nearest one here; `prompt`, `generation`: tokens a second of pp512 and tg128. */
export const published = [
	{
		device: "NVIDIA RTX 3090 Ti, CUDA",
		bytes: 24 * 2 ** 30,
		...{ shape: "7b", type: "Q4_0", prompt: 4035, generation: 127 },
		source: "llama.cpp's pull request 4812, January 2024",
	},
	{
		device: "Apple M1 Max 64 GB, Metal",
		bytes: 64 * 2 ** 30,
		// Timed with Q4_K_M, whose file is about 5 % larger.
		...{ shape: "8b", type: "Q4_0", prompt: 500, generation: 46 },
		source: "issue 40 of brand-o/normiebench, March 2026",
	},
];
