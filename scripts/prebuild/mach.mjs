// What Apple's otool says of a library for macOS.

/** Libraries that it loads: from `otool -L`, without the name of the library itself. */
export const machLibraries = (text) =>
	[...text.matchAll(/^\t(\S+) \(/gm)].map((match) => match[1]).filter((path) => !path.endsWith(".node"));

/** The oldest version of macOS that it loads with: from `otool -l`. Undefined if it names none. */
export function oldestMacos(text) {
	const found = text.split(/^Load command \d+\n/m).flatMap((command) => {
		if (/^ *cmd LC_BUILD_VERSION$/m.test(command)) return /^ *minos (\d[\d.]*)$/m.exec(command)?.[1] ?? [];
		return /^ *cmd LC_VERSION_MIN_MACOSX$/m.test(command) ? (/^ *version (\d[\d.]*)$/m.exec(command)?.[1] ?? []) : [];
	});
	return found[0];
}
