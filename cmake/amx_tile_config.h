// Included before ggml's kernels for AMX where GCC compiles them. Before 11.5, 12.4 and 13.3 GCC's _tile_loadconfig tells the compiler
// that 8 of the 64 bytes are read (GCC bug 114098): the rest of the configuration is optimised away, and the first tile that is loaded
// ends the program with an illegal instruction. This one names all bytes.
#pragma once

#if defined(__AMX_TILE__)
#    include <immintrin.h>
#    undef _tile_loadconfig
#    define _tile_loadconfig(config) \
        __asm__ volatile("ldtilecfg %X0" : : "m"(*reinterpret_cast<const char(*)[64]>(config)))
#endif
