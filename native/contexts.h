// Contexts of llama.cpp, reused for other sets of blocks and by later jobs if their memory fits.
//
// A context is made for the number and the kinds of blocks (its memory holds one entry per block) and keeps the last graph.
// A context for a longer row of the same kinds fits too. Its graph must be built again for every set, since llama.cpp compares
// shapes and not weights when it decides whether the last graph can run again.
#pragma once

#include "model_core.h"

#include <cstdint>
#include <exception>
#include <set>
#include <stdexcept>
#include <string>

// A batch that is freed with its owner. To add to it, write the next token, or its hidden state, and place it.
struct OwnedBatch {
    llama_batch batch;
    OwnedBatch(int n_tokens, int n_embd) : batch(llama_batch_init(n_tokens, n_embd, 1)), n_embd(n_embd) {}
    ~OwnedBatch() { llama_batch_free(batch); }
    OwnedBatch(const OwnedBatch &) = delete;
    OwnedBatch & operator=(const OwnedBatch &) = delete;

    void clear() { batch.n_tokens = 0; }

    int32_t & token() { return batch.token[batch.n_tokens]; }
    float * state() { return batch.embd + size_t(batch.n_tokens) * n_embd; }

    // `logits`: whether the token gives a row of them.
    void place(int position, int sequence, bool logits) {
        const int k = batch.n_tokens++;
        batch.pos[k] = position;
        batch.n_seq_id[k] = 1;
        batch.seq_id[k][0] = sequence;
        batch.logits[k] = logits;
    }

private:
    int n_embd;
};

// The result of llama_decode(): throws Cancelled, or std::runtime_error with its code.
inline void check_decoded(int32_t code, bool cancelled) {
    if (cancelled) {
        throw Cancelled();
    }
    if (code != 0) {
        throw std::runtime_error("llama_decode failed with code " + std::to_string(code));
    }
}

// Cells of memory for a sequence of so many tokens: llama.cpp rounds them up to 256.
inline uint32_t cells_of(uint32_t n_tokens) {
    return (n_tokens + 255) / 256 * 256;
}

struct ContextShape {
    int length = 0;   // tokens in a window
    int group = 1;    // windows in one decode
    int n_ubatch = 512;
    int n_threads = 1;

    bool operator==(const ContextShape & other) const {
        return length == other.length && group == other.group && n_ubatch == other.n_ubatch && n_threads == other.n_threads;
    }
};

// Callbacks of a job while graphs run.
struct GraphWatch {
    ggml_backend_sched_eval_callback eval = nullptr; // about every tensor
    ggml_abort_callback abort = nullptr;             // whether to stop
    void * data = nullptr;                           // argument of both
};

class ContextPool {
public:
    ContextPool(ModelCore & core, const ContextShape & shape);
    ContextPool(const ContextPool &) = delete;
    ContextPool & operator=(const ContextPool &) = delete;

    ~ContextPool();

    // Contexts of this process: how many were made, and how many exist.
    static int64_t made();
    static int64_t live();

    // Bytes that decodes of this process took to another device and back, if blocks run there: tokens or hidden states, logits, captured
    // states, and weights that a backend copies to compute with. What llama.cpp copies besides (positions, masks) is not counted.
    static int64_t moved();
    static void count_moved(const ModelCore & core, size_t bytes);

    // A context for the current view, without a graph of another view. The caller clears its memory.
    llama_context * take();

    // llama_decode() with the context. Rethrows what the watch threw while the graph ran; exceptions never pass through llama.cpp.
    int32_t decode(const llama_batch & batch);

    // To be called after the first decode since take(): throws if that ran a graph of another view.
    void check_fresh() const;

    const ContextShape shape;
    GraphWatch watch;    // of the job that uses the contexts
    bool finite = false; // the memory holds finite values only

private:
    ModelCore & core;
    const bool offloaded; // blocks may run on another device than the processor
    llama_context_ptr context;
    MemoryShape memory;      // that the context was made for
    int32_t generation = 0;  // of views that this context ran
    const void * compute_buffer = nullptr; // that graphs compute in, as last seen
    int32_t reused = 0;      // graphs that llama.cpp ran again, when the context was taken
    std::exception_ptr problem; // thrown by the watch
    std::set<const ggml_tensor *> copied; // weights that this decode has copied to a device

    void count_weights(const ggml_tensor * tensor);
    void make();
    static bool on_tensor(ggml_tensor * tensor, bool ask, void * data);
    static bool on_abort(void * data);
};

// Frees the contexts that a model keeps but does not compute with now, before something else needs the memory. Must not be called while
// a model is locked.
void give_up_contexts();

// The pool of a model for as long as a job computes on it (the caller holds the model's lock). It stays with the model for the next job of
// the same shape, unless the job failed. Only one model keeps contexts: the last one that began a job.
class ContextLease {
public:
    ContextLease(ModelCore & core, const ContextShape & shape, const GraphWatch & watch);
    ~ContextLease();
    ContextLease(const ContextLease &) = delete;
    ContextLease & operator=(const ContextLease &) = delete;

    llama_context * take() { return pool->take(); }
    int32_t decode(const llama_batch & batch) { return pool->decode(batch); }
    void check_fresh() const { pool->check_fresh(); }

    // Whether the memory may hold values that are not finite, which masked cells do not exclude. True again for the next job unless this one
    // sets it to false.
    bool dirty() const { return !finite; }
    void leave(bool dirty) { pool->finite = !dirty; }

private:
    ModelCore & core;
    ContextPool * pool;
    int exceptions; // in flight when it was created
    bool finite;
};
