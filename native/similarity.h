// How far each run of blocks turns the residual stream: the basis of block influence and angular distance.
#pragma once

#include "model_core.h"
#include "windows.h"

#include <vector>

// Over the hidden states before block 0, 1, ..., n (n: after the last block), averaged over all tokens of all windows;
// entry a * (n + 1) + b compares state a with state b.
struct Similarities {
    std::vector<double> cosine;  // mean of cos(a, b)
    std::vector<double> angular; // mean of arccos(cos(a, b)) / pi, 0..1
};

// Throws Cancelled, or std::runtime_error with what failed.
Similarities similarities(ModelCore & core, const CancelFlag & cancel, const Windows & windows, int n_ubatch, int n_threads);
