// Hidden states taken out of a running graph.
#pragma once

#include "contexts.h"
#include "hidden_state.h"

#include "ggml-backend.h"

#include <map>
#include <string>

// Collects the outputs of blocks while graphs run (ggml_backend_sched_eval_callback), and stops them when cancelled.
struct Capture {
    const ModelCore & core;
    const CancelFlag & cancel;
    std::map<std::string, StateRows *> wanted; // tensor name -> where its values are appended

    static bool on_tensor(ggml_tensor * tensor, bool ask, void * data) {
        auto & self = *static_cast<Capture *>(data);
        const auto it = self.wanted.empty() ? self.wanted.end() : self.wanted.find(tensor->name);
        if (ask) {
            return it != self.wanted.end();
        }
        if (it != self.wanted.end()) {
            const size_t n = ggml_nelements(tensor);
            ContextPool::count_moved(self.core, n * sizeof(float));
            it->second->append(n, [&](float * to) { ggml_backend_tensor_get(tensor, to, 0, n * sizeof(float)); });
        }
        return !is_cancelled(self.core, self.cancel);
    }

    static bool on_abort(void * data) {
        const auto & self = *static_cast<Capture *>(data);
        return is_cancelled(self.core, self.cancel);
    }
};
