/** Types of files that llama.cpp writes, by name, with their numbers (enum llama_ftype in include/llama.h). */
export const fileTypes = {
	F32: 0,
	F16: 1,
	BF16: 32,
	Q8_0: 7,
	Q6_K: 18,
	Q5_K_M: 17,
	Q5_K_S: 16,
	Q5_1: 9,
	Q5_0: 8,
	Q4_K_M: 15,
	Q4_K_S: 14,
	Q4_1: 3,
	Q4_0: 2,
	IQ4_NL: 25,
	IQ4_XS: 30,
	Q3_K_L: 13,
	Q3_K_M: 12,
	Q3_K_S: 11,
	IQ3_M: 27,
	IQ3_S: 26,
	Q2_K: 10,
	Q2_K_S: 21,
} as const;
export type FileType = keyof typeof fileTypes;

/** Those that need no importance matrix. */
export const fileTypeNames: readonly FileType[] = (Object.keys(fileTypes) as FileType[]).filter((type) => type !== "Q2_K_S");
