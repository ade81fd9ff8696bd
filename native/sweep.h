// Measures many masks of one model on the same windows.
#pragma once

#include "layer_view.h"
#include "losses.h"
#include "mask_walk.h"
#include "model_core.h"
#include "windows.h"

#include <functional>
#include <memory>
#include <vector>

struct SweepSettings {
    int n_ubatch = 512;          // tokens in a ubatch; whole windows share one if they fit
    int n_threads = 1;
    bool share_prefixes = true;  // false for architectures that cannot resume from a hidden state
    size_t state_bytes = size_t(1) << 30; // limit for kept hidden states; beyond it they are computed again
    bool half_states = false;    // keep them in half precision: losses then depend on where a mask was resumed
    int score_from = 0;          // first position (0-based) of a window whose next token is scored
    std::vector<uint8_t> scored; // n_windows x length flags of the positions to score; empty for all from score_from on
    int batch_windows = 0;       // windows in one decode; 0 for those that share a ubatch. More are interleaved by llama.cpp
    bool output_last = false;    // compute logits at the last position too, which predicts nothing: the shape of llama-perplexity;
                                 // always on if all positions are scored
    bool per_token = false;
    std::vector<BlockVersion> versions; // that masks may name
    bool digest = false;         // also hash the logits, to compare runs bit for bit
    std::shared_ptr<const Reference> reference; // compare with these distributions too
    std::shared_ptr<Reference> keep;            // keep the distributions of the last mask measured here
};

struct MaskResult {
    int mask = 0;
    std::vector<double> losses;  // mean over the scored positions of each window, nats per token
    std::vector<float> tokens;   // of every scored position, window by window, if requested
    std::vector<double> divergences; // mean KL to the reference over the scored positions of each window, nats, if there is one
    std::vector<double> agreements;  // share of the scored positions of each window whose most likely token is the reference's
    std::vector<float> token_divergences; // of every scored position, if requested
    std::vector<uint8_t> token_agreements;
    std::vector<uint64_t> digests; // of the logits of each window, if requested
};

struct SweepStats {
    int64_t blocks_done = 0;     // block executions; a block over all windows counts once
    int64_t blocks_saved = 0;    // saved compared with measuring masks one by one
    int64_t tokens_done = 0;     // tokens of masks finished
};

using OnMask = std::function<void(MaskResult &&, const SweepStats &)>;

// Throws Cancelled, or std::runtime_error with what failed. Leaves the model unchanged.
SweepStats sweep(ModelCore & core, const CancelFlag & cancel, const Masks & masks, const Windows & windows, const SweepSettings & settings, const OnMask & on_mask);
