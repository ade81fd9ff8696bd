// Finds the functions of Node-API in the running program, whatever its file is called. An import from node.exe would fail in a renamed one.
// NODE_API_NAMES is made by scripts/prebuild from the list of node-api-headers.
#include "node_api_names.h"

#include <windows.h>

// The headers declare the functions as imported: calls go through these pointers.
#define DEFINE(name) void * __imp_##name;
NODE_API_NAMES(DEFINE)

#define ENTRY(name) { #name, &__imp_##name },
static const struct {
    const char * name;
    void ** pointer;
} functions[] = { NODE_API_NAMES(ENTRY) };

BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, LPVOID reserved) {
    (void) self;
    (void) reserved;
    if (reason != DLL_PROCESS_ATTACH) {
        return TRUE;
    }
    // Programs that hold Node.js in a library, such as Electron's relatives, call it node.dll.
    const HMODULE library = GetModuleHandleA("node.dll");
    const HMODULE program = GetModuleHandleA(NULL);
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); ++i) {
        void * found = library ? (void *) GetProcAddress(library, functions[i].name) : NULL;
        if (!found) {
            found = (void *) GetProcAddress(program, functions[i].name);
        }
        if (!found) {
            return FALSE; // loading the addon fails: this program has no Node-API of version 8
        }
        *functions[i].pointer = found;
    }
    return TRUE;
}
