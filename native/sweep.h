// Measures many masks of one model on the same windows.
#pragma once

#include "mask_walk.h"
#include "model_core.h"

#include <functional>
#include <vector>

struct SweepSettings {
    int n_ubatch = 512;          // tokens in a ubatch; whole windows share one where they fit
    int n_threads = 1;
    bool share_prefixes = true;  // false for architectures that cannot resume from a hidden state
    size_t state_bytes = size_t(1) << 30; // bound for kept hidden states; beyond it they are computed again
    int score_from = 0;          // first position (0-based) of a window whose next token is scored
    int batch_windows = 0;       // windows in one decode; 0 for those that share a ubatch. More are interleaved by llama.cpp
    bool output_last = false;    // compute logits at the last position too, which predicts nothing: the shape of llama-perplexity
    bool per_token = false;
    bool digest = false;         // also hash the logits, to compare runs bit for bit
};

struct Windows {
    std::vector<int32_t> tokens; // n_windows x length
    int n_windows = 0;
    int length = 0;
};

struct MaskResult {
    int mask = 0;
    std::vector<double> losses;  // mean over the scored positions of each window, nats a token
    std::vector<float> tokens;   // n_windows x scored positions, where asked for
    std::vector<uint64_t> digests; // of the logits of each window, where asked for
};

struct SweepStats {
    int64_t blocks_done = 0;     // block executions, a block over all windows counting once
    int64_t blocks_saved = 0;    // of those that masks one by one would have cost
    int64_t tokens_done = 0;     // tokens of masks finished
};

using OnMask = std::function<void(MaskResult &&, const SweepStats &)>;

// Throws Cancelled, or std::runtime_error with what failed. Leaves the model whole.
SweepStats sweep(ModelCore & core, const CancelFlag & cancel, const Masks & masks, const Windows & windows, const SweepSettings & settings, const OnMask & on_mask);
