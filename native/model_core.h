// A loaded model and what its users share. Every job that works on it shares it, and the last one frees it.
#pragma once

#include "layer_view.h"
#include "llama-cpp.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>

// Thrown if a job was cancelled.
struct Cancelled : std::runtime_error {
    Cancelled() : std::runtime_error("cancelled") {}
};

class ContextPool;

struct ModelCore {
    llama_model_ptr model;
    std::unique_ptr<LayerView> view;
    std::unique_ptr<ContextPool> contexts; // of the last job, for the next one (ContextLease)
    // A view changes the original model, so only one job at a time computes on it.
    std::mutex computing;
    std::atomic<bool> disposed{ false };

    ModelCore();
    ~ModelCore();
};

// Cancellation of one job: by its caller, or because the model was disposed of.
struct CancelFlag {
    std::atomic<bool> requested{ false };
};

inline bool is_cancelled(const ModelCore & core, const CancelFlag & flag) {
    return flag.requested.load(std::memory_order_relaxed) || core.disposed.load(std::memory_order_relaxed);
}
