// The tokens to measure on.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

struct Windows {
    std::vector<int32_t> tokens; // n_windows x length
    int n_windows = 0;
    int length = 0;
};

// Sequences in a batch (LLAMA_MAX_SEQ in llama.cpp's src/llama-cparams.h).
constexpr int max_sequences = 256;

// Windows in one decode: the requested number, or, if that is 0, as many as share a ubatch.
inline int windows_at_once(const Windows & windows, int asked, int n_ubatch) {
    const int wanted = asked > 0 ? asked : n_ubatch / std::max(1, windows.length);
    return std::clamp(wanted, 1, std::clamp(windows.n_windows, 1, max_sequences));
}
