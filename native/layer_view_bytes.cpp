// What a view takes in memory, and what a file of its blocks would take.
#include "layer_view_impl.h"

#include "llama-context.h"
#include "llama-cpp.h"
#include "llama-memory.h"

#include <algorithm>
#include <memory>
#include <stdexcept>

// The shown block, without the attention part that the view leaves out.
llama_layer LayerView::Impl::without_hidden_attention(size_t index) const {
    if (index >= shown.size() || shown[index].attends) {
        return model->layers[index];
    }
    llama_layer layer = {};
    take_pointers(layer, model->layers[index], feed_forward_pointers[shown[index].feed_forward]);
    return layer;
}

size_t LayerView::Impl::shown_bytes() const {
    Tensors all;
    for (const auto & [name, tensor] : model->tensors_by_name) {
        all.insert(tensor);
    }
    // Blocks may share a tensor, which is left out only if no shown block points to it.
    Tensors hidden;
    for (const auto & layer : layers) {
        hidden.merge(tensors_of(layer, all));
    }
    for (size_t i = 0; i < model->layers.size(); ++i) {
        for (const ggml_tensor * tensor : tensors_of(without_hidden_attention(i), all)) {
            hidden.erase(tensor);
        }
    }
    size_t bytes = 0;
    for (const ggml_tensor * tensor : all) {
        bytes += hidden.count(tensor) > 0 ? 0 : ggml_nbytes(tensor);
    }
    return bytes;
}

// Keys and values of the shown blocks. A view holds them for an attention that it leaves out too, a file does not.
size_t LayerView::Impl::memory_bytes(llama_context & context, llama_context_params params) const {
    const auto sum = [](llama_memory_t memory) {
        size_t bytes = 0;
        for (const auto & [type, size] : memory->memory_breakdown()) {
            bytes += size;
        }
        return bytes;
    };
    if (context.get_memory() == nullptr) {
        return 0;
    }
    if (std::all_of(shown.begin(), shown.end(), [](const StackedBlock & block) { return block.attends; })) {
        return sum(context.get_memory());
    }
    struct Restored {
        llama_hparams & hparams;
        const llama_hparams before;
        ~Restored() { hparams = before; }
    };
    const Restored restored{ model->hparams, model->hparams };
    for (size_t i = 0; i < shown.size(); ++i) {
        if (!shown[i].attends) {
            model->hparams.n_head_arr[i] = 0;
            model->hparams.n_head_kv_arr[i] = 0;
        }
    }
    const llama_memory_params wanted{ params.type_k, params.type_v, params.swa_full, params.ctx_type, nullptr };
    const std::unique_ptr<llama_memory_i> memory(model->create_memory(wanted, context.get_cparams()));
    return sum(memory.get());
}

ViewBytes LayerView::bytes(llama_context_params params) const {
    llama_hparams & hparams = impl->model->hparams;
    struct Restored {
        bool & value;
        const bool before;
        ~Restored() { value = before; }
    };
    // Keys and values may take gigabytes: this counts them without allocating them.
    const Restored restored{ hparams.no_alloc, hparams.no_alloc };
    hparams.no_alloc = true;
    llama_context_ptr context(llama_init_from_model(impl->model, params));
    if (!context) {
        throw std::runtime_error("llama.cpp could not make a context of " + std::to_string(params.n_ctx) + " tokens");
    }
    ViewBytes bytes;
    bytes.weights = impl->shown_bytes();
    bytes.memory = impl->memory_bytes(*context, params);
    // The compute buffers are small enough to be made. Their sizes are private, and are reported only for real ones.
    hparams.no_alloc = false;
    const bool causal = context->get_cparams().causal_attn;
    context->set_causal_attn(!causal);
    context->set_causal_attn(causal); // so that they are reserved again
    context->sched_reserve();
    for (const auto & [type, part] : context->memory_breakdown()) {
        bytes.compute += part.compute;
    }
    return bytes;
}
