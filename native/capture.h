// Hidden states taken out of a running graph.
#pragma once

#include "model_core.h"

#include "ggml-backend.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

// The residual stream of all windows before a block: n_windows x length x n_embd.
using HiddenState = std::shared_ptr<std::vector<float>>;

// Collects the outputs of blocks while graphs run (ggml_backend_sched_eval_callback), and stops them when cancelled.
struct Capture {
    const ModelCore & core;
    const CancelFlag & cancel;
    std::map<std::string, std::vector<float> *> wanted; // tensor name -> where its values are appended

    static bool on_tensor(ggml_tensor * tensor, bool ask, void * data) {
        auto & self = *static_cast<Capture *>(data);
        const auto it = self.wanted.empty() ? self.wanted.end() : self.wanted.find(tensor->name);
        if (ask) {
            return it != self.wanted.end();
        }
        if (it != self.wanted.end()) {
            const size_t n = ggml_nelements(tensor);
            auto & state = *it->second;
            state.resize(state.size() + n);
            ggml_backend_tensor_get(tensor, state.data() + state.size() - n, 0, n * sizeof(float));
        }
        return !is_cancelled(self.core, self.cancel);
    }

    static bool on_abort(void * data) {
        const auto & self = *static_cast<Capture *>(data);
        return is_cancelled(self.core, self.cancel);
    }
};
