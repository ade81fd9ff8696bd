// Contexts of llama.cpp, used again for other sets of blocks where their memory fits.
//
// A context is made for the number and the kinds of blocks (its memory holds one entry a block) and keeps the last graph.
// One that was made for a longer row of the same kinds fits; its graph must be built anew for every set, since llama.cpp
// compares shapes and not weights when it decides whether the last graph can run again.
#pragma once

#include "model_core.h"

#include <cstdint>
#include <string>

// A batch that is freed with its owner.
struct OwnedBatch {
    llama_batch batch;
    OwnedBatch(int n_tokens, int n_embd) : batch(llama_batch_init(n_tokens, n_embd, 1)) {}
    ~OwnedBatch() { llama_batch_free(batch); }
    OwnedBatch(const OwnedBatch &) = delete;
    OwnedBatch & operator=(const OwnedBatch &) = delete;
};

struct ContextShape {
    int length = 0;   // tokens in a window
    int group = 1;    // windows in one decode
    int n_ubatch = 512;
    int n_threads = 1;
};

class ContextPool {
public:
    // `eval` is asked about every tensor of a graph (ggml_backend_sched_eval_callback) with `data`; `abort` stops a graph.
    ContextPool(ModelCore & core, const ContextShape & shape, ggml_backend_sched_eval_callback eval, ggml_abort_callback abort, void * data)
        : core(core), shape(shape), eval(eval), abort(abort), data(data) {}

    // A context for the view that stands, with an empty memory and without a graph of another view.
    llama_context * take();

    // To be called after the first decode since take(): throws where that ran a graph of another view.
    void check_fresh() const;

private:
    ModelCore & core;
    ContextShape shape;
    ggml_backend_sched_eval_callback eval;
    ggml_abort_callback abort;
    void * data;
    llama_context_ptr context;
    MemoryShape memory;      // that the context was made for
    int32_t generation = 0;  // of views that this context ran
    int32_t reused = 0;      // graphs that llama.cpp ran again, when the context was taken

    void make();
};
