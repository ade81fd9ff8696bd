// Finds the functions of Node-API in the running program, whatever its file is called. An import from node.exe would fail in a renamed one.
// NODE_API_NAMES is made by scripts/prebuild from the list of node-api-headers.
#include "node_api_names.h"

#include <windows.h>

extern "C" {

// The headers declare the functions as imported: calls go through these pointers.
#define DEFINE(name) void * __imp_##name;
NODE_API_NAMES(DEFINE)

BOOL WINAPI DllMain(HINSTANCE, DWORD reason, LPVOID) {
#define ENTRY(name) { #name, &__imp_##name },
    static const struct {
        const char * name;
        void ** pointer;
    } functions[] = { NODE_API_NAMES(ENTRY) };
    if (reason != DLL_PROCESS_ATTACH) {
        return TRUE;
    }
    // Programs that hold Node.js in a library, such as Electron's relatives, call it node.dll.
    const HMODULE library = GetModuleHandleA("node.dll");
    const HMODULE program = GetModuleHandleA(nullptr);
    for (const auto & function : functions) {
        FARPROC found = library ? GetProcAddress(library, function.name) : nullptr;
        if (!found) {
            found = GetProcAddress(program, function.name);
        }
        if (!found) {
            return FALSE; // loading the addon fails: this program has no Node-API of version 8
        }
        *function.pointer = reinterpret_cast<void *>(found);
    }
    return TRUE;
}

} // extern "C"
