// Self-generated text: ancestral sampling of many sequences at once.
#pragma once

#include "model_core.h"

#include <functional>
#include <vector>

struct SampleSettings {
    int length = 0;              // tokens of a finished sequence, including its prompt
    bool stop_at_eog = false;    // end a sequence after the first end-of-generation token
    float temperature = 1.0f;    // 0: the most likely token
    uint64_t seed = 0;           // sequence i draws from its own stream, seeded by (seed, i)
    int n_threads = 1;
    Stack kept;                  // blocks to run; empty for all
    int max_batch_tokens = 8192; // bound for sequences x length held in memory at once
};

// One sequence per prompt; a sequence begins with its prompt. Throws Cancelled, or std::runtime_error.
std::vector<std::vector<int32_t>> sample(ModelCore & core, const CancelFlag & cancel, const std::vector<std::vector<int32_t>> & prompts,
                                         const SampleSettings & settings, const std::function<void(int64_t done, int64_t total)> & on_progress);
