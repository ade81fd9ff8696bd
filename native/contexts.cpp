#include "contexts.h"

#include "ggml-backend.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <utility>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace {

// Asks for large pages for a buffer that graphs compute in, before it is written. If kinds of attention alternate, each set of blocks
// needs a new context, which would get the logits of a ubatch from the system page by page. Only a hint.
void prefer_large_pages([[maybe_unused]] ggml_backend_buffer_t buffer) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    constexpr uintptr_t page = 4096;
    constexpr size_t worth = size_t(16) << 20;
    const size_t size = ggml_backend_buffer_get_size(buffer);
    if (size < worth || !ggml_backend_buffer_is_host(buffer)) {
        return;
    }
    const uintptr_t base = (reinterpret_cast<uintptr_t>(ggml_backend_buffer_get_base(buffer)) + page - 1) / page * page;
    madvise(reinterpret_cast<void *>(base), (size - page) / page * page, MADV_HUGEPAGE);
#endif
}

} // namespace

llama_context * ContextPool::take() {
    if (!context || !core.view->memory_shape().fits(memory)) {
        make();
    }
    core.view->forget_graph(context.get(), ++generation);
    reused = llama_perf_context(context.get()).n_reused;
    return context.get();
}

void ContextPool::check_fresh() const {
    // A decode of one ubatch. With several, the later ones may run the first one's graph again (the caller decodes ubatch by ubatch).
    if (llama_perf_context(context.get()).n_reused != reused) {
        throw std::runtime_error("llama.cpp ran the graph of another set of blocks: native/contexts.cpp must be adapted to this version of it");
    }
}

namespace {

std::atomic<int64_t> bytes_moved{ 0 };

// What a batch takes to the device, and its logits back.
size_t bytes_of(const llama_model * model, const llama_batch & batch) {
    const auto scored = size_t(std::count_if(batch.logits, batch.logits + batch.n_tokens, [](int8_t flag) { return flag != 0; }));
    const size_t width = batch.embd == nullptr ? 1 : size_t(llama_model_n_embd(model));
    const auto vocabulary = size_t(llama_vocab_n_tokens(llama_model_get_vocab(model)));
    return sizeof(float) * (size_t(batch.n_tokens) * width + scored * vocabulary);
}

} // namespace

int64_t ContextPool::moved() {
    return bytes_moved;
}

void ContextPool::count_moved(const ModelCore & core, size_t bytes) {
    if (core.view->offloaded()) {
        bytes_moved += int64_t(bytes);
    }
}

// Backends compute large batches of blocks whose weights lie in the computer's memory on the device, from copies of these weights. The
// scheduler of ggml names a copy DEVICE#blk.3.ffn_up.weight#0, and makes one in a graph however many operations read it.
void ContextPool::count_weights(const ggml_tensor * tensor) {
    for (const ggml_tensor * source : tensor->src) {
        const char * name = source == nullptr ? nullptr : std::strchr(source->name, '#');
        if (name != nullptr && std::strncmp(name + 1, "blk.", 4) == 0 && copied.insert(source).second) {
            count_moved(core, ggml_nbytes(source));
        }
    }
}

int32_t ContextPool::decode(const llama_batch & batch) {
    count_moved(core, bytes_of(core.model.get(), batch));
    copied.clear();
    const int32_t code = llama_decode(context.get(), batch);
    if (problem) {
        std::rethrow_exception(std::exchange(problem, nullptr));
    }
    return code;
}

bool ContextPool::on_tensor(ggml_tensor * tensor, bool ask, void * data) {
    auto & self = *static_cast<ContextPool *>(data);
    if (tensor->buffer != nullptr && tensor->buffer != self.compute_buffer && ggml_backend_buffer_get_usage(tensor->buffer) == GGML_BACKEND_BUFFER_USAGE_COMPUTE) {
        self.compute_buffer = tensor->buffer;
        prefer_large_pages(tensor->buffer);
    }
    if (ask && self.offloaded) {
        self.count_weights(tensor);
    }
    if (self.watch.eval == nullptr) {
        return !ask;
    }
    if (self.problem) {
        return ask; // the graph stops after this tensor
    }
    // Most GPU backends know no abort callback: graphs stop after a block, when the answer to ask == false is no.
    const bool pause = ask && self.offloaded && std::strncmp(tensor->name, "l_out-", 6) == 0;
    try {
        return pause || self.watch.eval(tensor, ask, self.watch.data);
    } catch (...) {
        self.problem = std::current_exception(); // decode() throws it
        return ask;
    }
}

bool ContextPool::on_abort(void * data) {
    const auto & self = *static_cast<const ContextPool *>(data);
    return self.problem || (self.watch.abort != nullptr && self.watch.abort(self.watch.data));
}

namespace {

std::atomic<int64_t> contexts_made{ 0 };
std::atomic<int64_t> contexts_freed{ 0 };

} // namespace

ContextPool::ContextPool(ModelCore & core, const ContextShape & shape) : shape(shape), core(core), offloaded(core.view->offloaded()) {}

ContextPool::~ContextPool() {
    contexts_freed += context ? 1 : 0;
}

int64_t ContextPool::made() {
    return contexts_made;
}

int64_t ContextPool::live() {
    return contexts_made - contexts_freed;
}

void ContextPool::make() {
    compute_buffer = nullptr;
    contexts_freed += context ? 1 : 0;
    context.reset(); // before the next one is made: one set of buffers at a time
    llama_context_params params = llama_context_default_params();
    params.n_ctx = cells_of(uint32_t(shape.length)) * shape.group;
    params.n_batch = shape.group == 1 ? std::min(shape.length, shape.n_ubatch) : shape.length * shape.group;
    params.n_ubatch = std::min<uint32_t>(params.n_batch, shape.n_ubatch);
    params.n_seq_max = shape.group;
    params.kv_unified = false;
    params.n_threads = params.n_threads_batch = shape.n_threads;
    params.no_perf = true;
    params.abort_callback = on_abort;
    params.cb_eval = on_tensor;
    params.abort_callback_data = params.cb_eval_user_data = this;
    // If all blocks are of one kind, a context of the original model fits every view.
    const LayerView::Whole whole(*core.view, core.view->uniform());
    memory = core.view->memory_shape();
    context.reset(llama_init_from_model(core.model.get(), params));
    if (!context) {
        throw std::runtime_error("llama.cpp could not make a context for this set of blocks");
    }
    ++contexts_made;
}

namespace {

// The model whose contexts are kept.
struct Keeper {
    std::mutex mutex;
    ModelCore * core = nullptr;
};

Keeper & keeper() {
    static Keeper & one = *new Keeper; // models may outlive the statics of a process
    return one;
}

// A model that computes now needs its contexts, and frees them itself when it is done. The keeper's mutex is held.
void give_up(ModelCore * core) {
    if (core != nullptr) {
        const std::unique_lock<std::mutex> idle(core->computing, std::try_to_lock);
        if (idle) {
            core->contexts.reset();
        }
    }
}

} // namespace

void give_up_contexts() {
    const std::lock_guard<std::mutex> lock(keeper().mutex);
    give_up(keeper().core);
}

ModelCore::ModelCore() = default;

ModelCore::~ModelCore() {
    {
        const std::lock_guard<std::mutex> lock(keeper().mutex);
        if (keeper().core == this) {
            keeper().core = nullptr;
        }
    }
    contexts.reset();
    view.reset();
}

ContextLease::ContextLease(ModelCore & core, const ContextShape & shape, const GraphWatch & watch) : core(core), exceptions(std::uncaught_exceptions()) {
    {
        const std::lock_guard<std::mutex> lock(keeper().mutex);
        if (keeper().core != &core) {
            give_up(keeper().core);
        }
        keeper().core = &core;
    }
    if (!core.contexts || !(core.contexts->shape == shape)) {
        core.contexts.reset();
        core.contexts = std::make_unique<ContextPool>(core, shape);
    }
    pool = core.contexts.get();
    pool->watch = watch;
    finite = std::exchange(pool->finite, false);
}

ContextLease::~ContextLease() {
    const std::lock_guard<std::mutex> lock(keeper().mutex);
    const bool stopped = std::uncaught_exceptions() > exceptions; // in the middle of a graph
    if (stopped || keeper().core != &core) {
        core.contexts.reset();
    } else {
        pool->watch = {};
    }
}
