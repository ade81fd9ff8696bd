// What the doctor finds: which binary computes here and why, and what is missing.

/** A binary (the native part, a `.node` file) that was found. */
export interface DoctorBinary {
	/** `linux-x64-avx2`, `built-cuda`, or the name of the file that `PRUNE_GGUF_ADDON` names. */
	readonly name: string;
	/** Path of the `.node` file. */
	readonly path: string;
	/**
	 * Where it comes from: named by `PRUNE_GGUF_ADDON`, `built` here on request, delivered with the package (`prebuilt`), or built here by a
	 * run that found no other (`fallback`).
	 */
	readonly kind: "named" | "built" | "prebuilt" | "fallback";
	/** The first one that is usable is used. */
	readonly verdict: "used" | "usable" | "not usable";
	/** Why it is used, or why not. */
	readonly reason: string;
	/** Instructions that it was compiled for, such as `avx2` or `native`; null if nothing tells. */
	readonly level: string | null;
	/** Name and version of the compiler; null if nothing tells. */
	readonly compiler: string | null;
	/** Size of the file; null if there is none. */
	readonly bytes: number | null;
	/** SHA-256 of the file; null if it was not read. */
	readonly sha256: string | null;
}

/** A program that building needs. */
export interface DoctorTool {
	/** One of the four that building uses. */
	readonly name: "C++ compiler" | "cmake" | "make or ninja" | "git";
	/** What it says of its version; null if it was not found. */
	readonly found: string | null;
	/** Whether a build here would use it: git only unpacks sources of llama.cpp that are not there yet. */
	readonly needed: boolean;
}

/** A backend that a native part can be built for, besides the CPU. */
export interface DoctorBackend {
	readonly name: "cuda" | "metal" | "vulkan" | "rpc";
	/** Whether such a native part was built here. */
	readonly built: boolean;
	/** What building it needs and is not there, such as `glslc`, beside {@link DoctorResult.tools}; empty if nothing is missing. */
	readonly missing: readonly string[];
	/** A command that brings what is missing, or the page that has it; with nothing missing the one that builds. Null if nothing brings it. */
	readonly command: string | null;
}

/** A folder that is written to. */
export interface DoctorFolder {
	/** It need not exist yet. */
	readonly folder: string;
	/** Whether files can be made in it, as far as its rights tell. */
	readonly writable: boolean;
	/** Bytes free on its disk; null if unknown. */
	readonly freeBytes: number | null;
}

/** Something that is missing. */
export interface DoctorMissing {
	/** For people. */
	readonly what: string;
	/** What does not work without it. */
	readonly why: string;
	/** A command that brings it. On Windows the form of PowerShell stands beside it if it is another one. */
	readonly command: string;
}

/** What was found on this machine. */
export interface DoctorResult {
	/** Whether a binary can be used, so that models can be measured. */
	readonly usable: boolean;
	/** Name of the binary that is used. */
	readonly used: string | null;
	/** What decides which binary fits. */
	readonly system: {
		/** As `process.platform`. */
		readonly platform: string;
		/** As `process.arch`. */
		readonly arch: string;
		/** C library of a Linux system, such as `glibc 2.36`. */
		readonly libc: string | null;
		/** Version of Node.js. */
		readonly node: string;
		/** Name of the processor. */
		readonly processor: string;
		/** Features of the processor, named as in /proc/cpuinfo; null if the system does not tell them. */
		readonly features: readonly string[] | null;
	};
	/** This program, and llama.cpp that it is built on. */
	readonly versions: { readonly "prune-gguf": string; readonly "llama.cpp": string };
	/** In the order in which they are tried. */
	readonly binaries: readonly DoctorBinary[];
	/** Devices that the binary in use sees, named as `--device` takes them. */
	readonly devices: readonly {
		readonly name: string;
		readonly description: string;
		/** Name and version of its driver; null if nothing tells. */
		readonly driver: string | null;
		readonly gpu: boolean;
		/** Bytes of its memory that are free. */
		readonly freeBytes: number;
		readonly totalBytes: number;
	}[];
	/** Which backends can be built here. */
	readonly backends: readonly DoctorBackend[];
	/** What building a native part needs here. */
	readonly tools: readonly DoctorTool[];
	/** Whether the sources of this version's llama.cpp are there; otherwise a build downloads them. */
	readonly sources: boolean;
	/** Where measurements are kept. */
	readonly cache: DoctorFolder;
	/** Where builds go. */
	readonly builds: DoctorFolder;
	/** Empty if nothing is. */
	readonly missing: readonly DoctorMissing[];
}

/** How the doctor looks. */
export interface DoctorOptions {
	/** Ends it early, which then throws the signal's reason. @default never */
	readonly signal?: AbortSignal | undefined;
}
