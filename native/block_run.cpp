#include "block_run.h"

#include "ggml-backend.h"

#include <algorithm>
#include <cstring>

struct BlockRun::Callbacks {
    const ModelCore & core;
    const CancelFlag & cancel;
    GraphTap * tap = nullptr;
    size_t left = 0; // values that are still wanted

    bool is_product(const ggml_tensor * tensor) const {
        if (tap->weight.empty() || tensor->op != GGML_OP_MUL_MAT || tensor->src[0] == nullptr) {
            return false;
        }
        // On a device other than the weight's, a copy is multiplied whose name contains the weight's.
        const char * found = std::strstr(tensor->src[0]->name, tap->weight.c_str());
        return found != nullptr;
    }

    bool is_wanted(const ggml_tensor * tensor) const { return tap != nullptr && (tap->named.count(tensor->name) > 0 || is_product(tensor)); }

    static void take(const ggml_tensor * tensor, std::vector<float> & to) {
        if (tensor->type != GGML_TYPE_F32 || !ggml_is_contiguous(tensor)) {
            throw std::runtime_error(std::string("the values of ") + tensor->name + " cannot be read from the graph of this architecture");
        }
        const size_t n = ggml_nelements(tensor);
        to.resize(n);
        ggml_backend_tensor_get(tensor, to.data(), 0, n * sizeof(float));
    }

    static bool on_tensor(ggml_tensor * tensor, bool ask, void * data) {
        auto & self = *static_cast<Callbacks *>(data);
        if (ask || !self.is_wanted(tensor)) {
            return ask ? self.is_wanted(tensor) : !is_cancelled(self.core, self.cancel);
        }
        const auto named = self.tap->named.find(tensor->name);
        if (named != self.tap->named.end()) {
            take(tensor, named->second);
        }
        if (self.is_product(tensor)) {
            take(tensor->src[1], self.tap->inputs);
            if (self.tap->want_outputs) {
                take(tensor, self.tap->outputs);
            }
        }
        --self.left;
        return self.left > 0 && !is_cancelled(self.core, self.cancel);
    }

    static bool on_abort(void * data) {
        const auto & self = *static_cast<Callbacks *>(data);
        return is_cancelled(self.core, self.cancel);
    }
};

BlockRun::BlockRun(ModelCore & core, const CancelFlag & cancel, const Windows & windows, int n_ubatch, int n_threads)
    : n_embd(llama_model_n_embd(core.model.get())), core(core), cancel(cancel), windows(windows),
      group(windows_at_once(windows, 0, n_ubatch)),
      callbacks(new Callbacks{ core, cancel, nullptr, 0 }),
      contexts(core, { windows.length, group, std::max(n_ubatch, windows.length * group), n_threads },
               { Callbacks::on_tensor, Callbacks::on_abort, callbacks.get() }) {}

void BlockRun::run(const Stack & kept, const StateRows * from, GraphTap & tap, const std::function<void(int, int)> & on_group) {
    if (from != nullptr && from->n_values() != windows.tokens.size() * size_t(n_embd)) {
        throw std::runtime_error("the states to resume from belong to other windows");
    }
    const LayerView::Shown shown(*core.view, kept);
    llama_context * context = contexts.take();
    callbacks->tap = &tap;
    OwnedBatch owned(group * windows.length, from != nullptr ? n_embd : 0);
    bool first_decode = true;
    for (int first = 0; first < windows.n_windows; first += group) {
        const int n = std::min(group, windows.n_windows - first);
        // The graph stops early, so the memory of later blocks may hold anything.
        llama_memory_clear(llama_get_memory(context), true);
        fill(owned, first, n, from);
        for (auto & [name, values] : tap.named) {
            values.clear();
        }
        tap.inputs.clear();
        tap.outputs.clear();
        callbacks->left = tap.named.size() + (tap.weight.empty() ? 0 : 1);
        const int32_t code = contexts.decode(owned.batch);
        check_decoded(code, is_cancelled(core, cancel));
        if (first_decode) {
            contexts.check_fresh();
        }
        first_decode = false;
        check(tap, size_t(n) * windows.length);
        on_group(first, n);
    }
}

void BlockRun::fill(OwnedBatch & owned, int first, int n, const StateRows * from) const {
    owned.clear();
    for (int w = 0; w < n; ++w) {
        for (int position = 0; position < windows.length; ++position) {
            const size_t row = (size_t(first) + w) * windows.length + position;
            if (from == nullptr) {
                owned.token() = windows.tokens[row];
            } else {
                from->read(row, owned.state());
            }
            // All rows, although nothing reads the logits: a graph leaves tokens without output out of the last block.
            owned.place(position, w, true);
        }
    }
}

void BlockRun::check(const GraphTap & tap, size_t n_tokens) const {
    for (const auto & [name, values] : tap.named) {
        if (values.size() != n_tokens * n_embd) {
            throw std::runtime_error("the graph of this architecture gave no hidden state " + name);
        }
    }
    if (!tap.weight.empty() && (tap.inputs.empty() || tap.inputs.size() % n_tokens != 0)) {
        throw std::runtime_error("the graph of this architecture does not multiply each token with " + tap.weight);
    }
}
