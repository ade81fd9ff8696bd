// Runs blocks over windows of tokens and takes values out of the running graph: hidden states, and the inputs of a matrix.
#pragma once

#include "contexts.h"
#include "hidden_state.h"
#include "model_core.h"
#include "windows.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

// What to take out of each graph; filled again for every group of windows, tokens in their order.
struct GraphTap {
    std::map<std::string, std::vector<float>> named; // by the name of the tensor in the graph
    std::string weight;                              // name of a matrix of the model; empty for none
    bool want_outputs = false;
    std::vector<float> inputs;                       // what it is multiplied with, n_in values per token
    std::vector<float> outputs;                      // and the product, n_out values per token
};

class BlockRun {
public:
    // Windows longer than a ubatch make it larger: a group of windows is one ubatch.
    BlockRun(ModelCore & core, const CancelFlag & cancel, const Windows & windows, int n_ubatch, int n_threads);

    // Shows the kept blocks, and runs all windows through them, from the tokens or from the state before the first of
    // them. The graph stops after the last wanted value, so the LM head does not run. Throws Cancelled, or std::runtime_error
    // if the graph does not give the wanted values.
    void run(const Stack & kept, const StateRows * from, GraphTap & tap, const std::function<void(int first_window, int n_windows)> & on_group);

    int n_embd;

private:
    struct Callbacks;
    ModelCore & core;
    const CancelFlag & cancel;
    const Windows & windows;
    int group;
    std::shared_ptr<Callbacks> callbacks;
    ContextLease contexts;

    void fill(OwnedBatch & owned, int first, int n, const StateRows * from) const;
    void check(const GraphTap & tap, size_t n_tokens) const;
};
