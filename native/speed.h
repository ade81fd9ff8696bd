// Speed and memory of models: real decodes of prompts and of single tokens, as in llama-bench.
#pragma once

#include "model_core.h"

#include <functional>
#include <vector>

// A model with some of its blocks; the original model if `kept` lists all as a whole.
struct SpeedSide {
    std::shared_ptr<ModelCore> core;
    Stack kept;
};

struct SpeedSettings {
    int prompt_tokens = 512;   // at once, in one llama_decode
    int generated_tokens = 64; // one by one, after the prompt
    int repetitions = 5;       // that count; one before them is discarded
    int n_ubatch = 512;
    int n_threads = 1;
    int context = 0;           // tokens of context that the memory is for
};

// Seconds of one repetition.
struct SpeedRun {
    double prompt = 0.0;
    double generation = 0.0;
};

struct SpeedResult {
    std::vector<SpeedRun> runs; // one per repetition
    ViewBytes bytes;
};

// The sides take turns: every repetition runs all of them in order, so that a temporary slowdown of the machine affects all alike.
// Throws Cancelled, or std::runtime_error. Leaves the models unchanged.
std::vector<SpeedResult> measure_speed(const std::vector<SpeedSide> & sides, const CancelFlag & cancel, const SpeedSettings & settings,
                                       const std::function<void(int64_t done, int64_t total)> & on_progress);
