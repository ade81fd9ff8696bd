// The only file that reads llama.cpp's private headers. test/model/architectures/guard.test.ts compares the list of
// per-block members below with src/llama-hparams.h of the pinned llama.cpp.
#include "layer_view.h"

#include "own_tensor.h"

#include "llama-context.h"
#include "llama-cpp.h"
#include "llama-model.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <stdexcept>

namespace {

template <class Array> void gather(Array & to, const Array & from, const std::vector<int> & blocks) {
    for (size_t i = 0; i < blocks.size(); ++i) {
        to[i] = from[blocks[i]];
    }
}

// Every member of llama_hparams that holds one entry per block.
void gather_per_block(llama_hparams & to, const llama_hparams & from, const std::vector<int> & blocks) {
    gather(to.n_head_arr, from.n_head_arr, blocks);
    gather(to.n_head_kv_arr, from.n_head_kv_arr, blocks);
    gather(to.n_ff_arr, from.n_ff_arr, blocks);
    gather(to.n_ff_exp_arr, from.n_ff_exp_arr, blocks);
    gather(to.n_expert_used_arr, from.n_expert_used_arr, blocks);
    gather(to.rope_pattern, from.rope_pattern, blocks);
    gather(to.is_swa_impl, from.is_swa_impl, blocks);
    gather(to.is_recr_impl, from.is_recr_impl, blocks);
    gather(to.xielu_alpha_n, from.xielu_alpha_n, blocks);
    gather(to.xielu_alpha_p, from.xielu_alpha_p, blocks);
    gather(to.xielu_beta, from.xielu_beta, blocks);
    gather(to.xielu_eps, from.xielu_eps, blocks);
    gather(to.is_indexer_full_impl, from.is_indexer_full_impl, blocks);
    gather(to.dsv4_compress_ratios, from.dsv4_compress_ratios, blocks);
    gather(to.is_ple_impl, from.is_ple_impl, blocks);
    gather(to.deepstack_mapping_arr, from.deepstack_mapping_arr, blocks);
    gather(to.swiglu_clamp_exp, from.swiglu_clamp_exp, blocks);
    gather(to.swiglu_clamp_shexp, from.swiglu_clamp_shexp, blocks);
}

int kept_below(const std::vector<int> & blocks, int count) {
    int n = 0;
    for (int block : blocks) {
        n += block < count ? 1 : 0;
    }
    return n;
}

void lower_leading_count(llama_hparams & to, const llama_hparams & from, const std::string & name, const std::vector<int> & blocks) {
    if (name == "n_layer_dense_lead") {
        to.n_layer_dense_lead = kept_below(blocks, int(from.n_layer_dense_lead));
    } else if (name == "dsv4_hash_layer_count") {
        to.dsv4_hash_layer_count = kept_below(blocks, int(from.dsv4_hash_layer_count));
    } else if (name == "n_layer_kv_from_start") {
        if (from.n_layer_kv_from_start >= 0) {
            to.n_layer_kv_from_start = kept_below(blocks, from.n_layer_kv_from_start);
            if (to.n_layer_kv_from_start < 2) { // llama-model.cpp asserts it
                throw std::runtime_error("these blocks cannot run on their own: at least two must hold keys and values of their own");
            }
        }
    } else if (name == "n_no_rope_layer_step") {
        to.n_no_rope_layer_step = kept_below(blocks, int(from.n_no_rope_layer_step));
    } else if (name == "n_deepstack_layers") {
        to.n_deepstack_layers = kept_below(blocks, int(from.n_deepstack_layers));
    } else if (name == "router_layer") {
        if (from.router_layer >= 0) {
            to.router_layer = kept_below(blocks, from.router_layer);
        }
    } else {
        throw std::runtime_error("the layer view does not know the leading count '" + name + "'");
    }
}

} // namespace

struct LayerView::Impl {
    llama_model * model;
    ViewRules rules;
    llama_hparams hparams;           // of the original model
    std::vector<llama_layer> layers; // of the original model

    // Tensors that replace those of the file, by name.
    struct Replacement {
        ggml_tensor * original;
        OwnTensor own;
    };
    std::map<std::string, Replacement> replacements;

    // Blocks whose output tensors are replaced by zeros, made on first use, and these zeros.
    std::map<int, llama_layer> identities;
    std::vector<OwnTensor> identity_zeros;

    int n_blocks() const { return int(hparams.n_layer()); }

    std::vector<int> missing_kinds(const std::vector<int> & kept) const;
    int block_of_kind(bool (Impl::*is)(int) const) const;
    bool is_swa(int i) const { return hparams.is_swa_impl[i] != 0; }
    bool is_recurrent(int i) const { return hparams.is_recr_impl[i] != 0; }
    bool is_attention(int i) const { return hparams.is_recr_impl[i] == 0 && hparams.n_head_kv_arr[i] > 0; }
    // The heads of a block that only feeds forward may be stated nevertheless.
    bool attends(int i) const {
        const auto & names = rules.outputs[i];
        return is_attention(i) && std::any_of(names.begin(), names.end(), [](const std::string & name) { return name.find(".attn_") != std::string::npos; });
    }
    bool any(const std::vector<int> & kept, bool (Impl::*is)(int) const) const;
    size_t shown_bytes() const;
    const llama_layer & identity(int block);
    ggml_tensor * tensor_named(const std::string & name) const;
    ggml_tensor * standing(const std::string & name) const;
    Replacement replacement(const std::string & name, ggml_type type, const std::vector<uint8_t> & bytes) const;
    void exchange(ggml_tensor * from, ggml_tensor * to);
};

namespace {

// llama_layer is a plain struct of tensor pointers: replacing by value avoids a list of its 300 members.
void exchange_pointers(llama_layer & layer, const ggml_tensor * from, const ggml_tensor * to) {
    auto * words = reinterpret_cast<unsigned char *>(&layer);
    for (size_t at = 0; at + sizeof(void *) <= sizeof(llama_layer); at += sizeof(void *)) {
        if (std::memcmp(words + at, &from, sizeof(void *)) == 0) {
            std::memcpy(words + at, &to, sizeof(void *));
        }
    }
}

} // namespace

bool LayerView::Impl::any(const std::vector<int> & kept, bool (Impl::*is)(int) const) const {
    for (int block : kept) {
        if ((this->*is)(block)) {
            return true;
        }
    }
    return false;
}

// After the last block: an identity is appended to the kept blocks if one of the leading blocks would otherwise run as one of the others.
int LayerView::Impl::block_of_kind(bool (Impl::*is)(int) const) const {
    for (int block = n_blocks() - 1; block >= 0; --block) {
        if ((this->*is)(block) && block < int(rules.outputs.size()) && !rules.outputs[block].empty()) {
            return block;
        }
    }
    return -1;
}

// Blocks to append as identities. A sliding-window memory needs one sliding-window block, a hybrid memory one block of each
// kind (llama-kv-cache-iswa.cpp, llama-memory-hybrid.cpp), and a graph at least one block.
std::vector<int> LayerView::Impl::missing_kinds(const std::vector<int> & kept) const {
    if (kept.empty()) {
        if (rules.empty.empty()) {
            throw std::runtime_error("the empty set of blocks cannot run: no block of this architecture can be made the identity");
        }
        return rules.empty;
    }
    std::vector<int> all(n_blocks());
    for (int i = 0; i < n_blocks(); ++i) {
        all[i] = i;
    }
    std::vector<int> missing;
    const auto need = [&](bool (Impl::*is)(int) const, bool (Impl::*can_be)(int) const) {
        if (!any(all, is) || any(kept, is) || any(missing, is)) {
            return;
        }
        const int block = block_of_kind(can_be);
        if (block < 0) {
            throw std::runtime_error("these blocks cannot run on their own in this architecture, and none can be made the identity");
        }
        missing.push_back(block);
    };
    if (hparams.swa_type != LLAMA_SWA_TYPE_NONE) {
        need(&Impl::is_swa, &Impl::is_swa);
    }
    if (llama_model_is_hybrid(model)) {
        need(&Impl::is_recurrent, &Impl::is_recurrent);
        need(&Impl::is_attention, &Impl::attends);
    }
    return missing;
}

const llama_layer & LayerView::Impl::identity(int block) {
    const auto found = identities.find(block);
    if (found != identities.end()) {
        return found->second;
    }
    llama_layer layer = layers[block];
    for (const std::string & name : rules.outputs[block]) {
        ggml_tensor * tensor = standing(name);
        identity_zeros.push_back(zeros_like(tensor));
        exchange_pointers(layer, tensor, identity_zeros.back().tensor);
    }
    return identities.emplace(block, layer).first->second;
}

ggml_tensor * LayerView::Impl::tensor_named(const std::string & name) const {
    auto * tensor = const_cast<ggml_tensor *>(model->get_tensor(name.c_str()));
    if (tensor == nullptr) {
        throw std::runtime_error("the model has no tensor " + name);
    }
    return tensor;
}

// The tensor of that name that blocks use: the file's, or its replacement.
ggml_tensor * LayerView::Impl::standing(const std::string & name) const {
    const auto found = replacements.find(name);
    return found != replacements.end() ? found->second.own.tensor : tensor_named(name);
}

void LayerView::Impl::exchange(ggml_tensor * from, ggml_tensor * to) {
    for (llama_layer & layer : layers) {
        exchange_pointers(layer, from, to);
    }
    model->hparams = hparams;
    model->layers = layers;
    identities.clear(); // made from the old tensors
    identity_zeros.clear();
}

LayerView::Impl::Replacement LayerView::Impl::replacement(const std::string & name, ggml_type type, const std::vector<uint8_t> & bytes) const {
    ggml_tensor * original = tensor_named(name);
    return { original, tensor_in_place_of(original, name, type, bytes) };
}

void LayerView::replace_tensor(const std::string & name, ggml_type type, const std::vector<uint8_t> & bytes) {
    Impl::Replacement made = impl->replacement(name, type, bytes);
    impl->exchange(impl->standing(name), made.own.tensor);
    impl->replacements[name] = std::move(made);
}

void LayerView::restore_tensor(const std::string & name) {
    const auto found = impl->replacements.find(name);
    if (found != impl->replacements.end()) {
        impl->exchange(found->second.own.tensor, found->second.original);
        impl->replacements.erase(found);
    }
}

struct LayerView::Versions::Made {
    struct Matrix {
        std::string name;
        Impl::Replacement values;
    };
    std::vector<std::vector<Matrix>> versions;
    std::map<std::string, ggml_tensor *> shown; // of every matrix that has versions
};

LayerView::Versions::Versions(LayerView & view, const std::vector<BlockVersion> & list) : view(view), made(new Made) {
    for (const BlockVersion & version : list) {
        std::vector<Made::Matrix> matrices;
        for (const auto & [name, type, bytes] : version.matrices) {
            matrices.push_back({ name, view.impl->replacement(name, type, bytes) });
            made->shown[name] = view.impl->standing(name);
        }
        made->versions.push_back(std::move(matrices));
    }
}

LayerView::Versions::~Versions() {
    show(nullptr);
}

void LayerView::Versions::show(const uint8_t * row) {
    std::map<std::string, ggml_tensor *> wanted;
    for (int block = 0; row != nullptr && block < view.n_blocks(); ++block) {
        for (size_t i = 0; row[block] >= 2 && i < made->versions[row[block] - 2].size(); ++i) {
            const Made::Matrix & matrix = made->versions[row[block] - 2][i];
            wanted[matrix.name] = matrix.values.own.tensor;
        }
    }
    for (auto & [name, tensor] : made->shown) {
        const auto found = wanted.find(name);
        ggml_tensor * next = found != wanted.end() ? found->second : view.impl->standing(name);
        if (next != tensor) {
            view.impl->exchange(tensor, next);
            tensor = next;
        }
    }
}

struct LayerView::Zeroed::Before {
    ggml_tensor * standing;
    OwnTensor zeros;
};

LayerView::Zeroed::Zeroed(LayerView & view, const std::string & name) : view(view) {
    ggml_tensor * standing = view.impl->standing(name);
    before = std::make_unique<Before>(Before{ standing, zeros_like(standing) });
    view.impl->exchange(before->standing, before->zeros.tensor);
}

LayerView::Zeroed::~Zeroed() {
    view.impl->exchange(before->zeros.tensor, before->standing);
}

LayerView::LayerView(llama_model * model, ViewRules rules) : impl(new Impl{ model, std::move(rules), model->hparams, model->layers, {}, {}, {} }) {}

LayerView::~LayerView() {
    while (!impl->replacements.empty()) {
        restore_tensor(std::string(impl->replacements.begin()->first));
    }
    restore();
}

int LayerView::n_blocks() const {
    return impl->n_blocks();
}

int LayerView::identities_needed(const std::vector<int> & kept) const {
    return int(impl->missing_kinds(kept).size());
}

void LayerView::apply(const std::vector<int> & kept) {
    const std::vector<int> extra = impl->missing_kinds(kept);
    std::vector<int> blocks = kept;
    blocks.insert(blocks.end(), extra.begin(), extra.end());
    const std::vector<int> trunk = blocks;
    for (int i = impl->n_blocks(); i < int(impl->hparams.n_layer_all); ++i) {
        blocks.push_back(i);
    }

    std::vector<llama_layer> layers;
    layers.reserve(blocks.size());
    for (size_t i = 0; i < blocks.size(); ++i) {
        const bool is_extra = i >= kept.size() && i < kept.size() + extra.size();
        layers.push_back(is_extra ? impl->identity(blocks[i]) : impl->layers[blocks[i]]);
    }

    llama_hparams hparams = impl->hparams;
    gather_per_block(hparams, impl->hparams, blocks);
    hparams.n_layer_all = uint32_t(blocks.size());
    for (const std::string & name : impl->rules.leading_counts) {
        lower_leading_count(hparams, impl->hparams, name, trunk);
    }
    impl->model->hparams = hparams;
    impl->model->layers = std::move(layers);
}

void LayerView::restore() {
    impl->model->hparams = impl->hparams;
    impl->model->layers = impl->layers;
}

// The members below are those that llama-kv-cache*.cpp and llama-memory-*.cpp read for a block when a memory is made.
MemoryShape LayerView::memory_shape() const {
    const llama_hparams & hparams = impl->model->hparams;
    MemoryShape shape;
    const auto add = [](std::string & text, int64_t value) { text += std::to_string(value) + ","; };
    add(shape.counts, hparams.n_layer_dense_lead);
    add(shape.counts, hparams.dsv4_hash_layer_count);
    add(shape.counts, hparams.n_layer_kv_from_start);
    add(shape.counts, hparams.n_layer_nextn);
    for (uint32_t i = 0; i < hparams.n_layer_all; ++i) {
        std::string kind;
        add(kind, hparams.n_head_arr[i]);
        add(kind, hparams.n_head_kv_arr[i]);
        add(kind, hparams.is_swa_impl[i]);
        add(kind, hparams.is_recr_impl[i]);
        add(kind, hparams.is_indexer_full_impl[i]);
        add(kind, hparams.dsv4_compress_ratios[i]);
        add(kind, hparams.is_ple_impl[i]);
        add(kind, hparams.rope_pattern[i]);
        shape.blocks.push_back(std::move(kind));
    }
    return shape;
}

// Tensors that a block points to. llama_layer is a plain struct of tensor pointers.
static std::set<const ggml_tensor *> tensors_of(const llama_layer & layer, const std::set<const ggml_tensor *> & all) {
    std::set<const ggml_tensor *> found;
    const auto * words = reinterpret_cast<const unsigned char *>(&layer);
    for (size_t at = 0; at + sizeof(void *) <= sizeof(llama_layer); at += sizeof(void *)) {
        const ggml_tensor * tensor = nullptr;
        std::memcpy(&tensor, words + at, sizeof(void *));
        if (all.count(tensor) > 0) {
            found.insert(tensor);
        }
    }
    return found;
}

size_t LayerView::Impl::shown_bytes() const {
    std::set<const ggml_tensor *> all;
    for (const auto & [name, tensor] : model->tensors_by_name) {
        all.insert(tensor);
    }
    // Blocks may share a tensor, which is left out only if no shown block points to it.
    std::set<const ggml_tensor *> hidden;
    for (const auto & layer : layers) {
        hidden.merge(tensors_of(layer, all));
    }
    for (const auto & layer : model->layers) {
        for (const ggml_tensor * tensor : tensors_of(layer, all)) {
            hidden.erase(tensor);
        }
    }
    size_t bytes = 0;
    for (const ggml_tensor * tensor : all) {
        bytes += hidden.count(tensor) > 0 ? 0 : ggml_nbytes(tensor);
    }
    return bytes;
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
    if (llama_memory_t memory = context->get_memory()) {
        for (const auto & [type, size] : memory->memory_breakdown()) {
            bytes.memory += size;
        }
    }
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

bool MemoryShape::fits(const MemoryShape & made_for) const {
    return counts == made_for.counts && blocks.size() <= made_for.blocks.size() && std::equal(blocks.begin(), blocks.end(), made_for.blocks.begin());
}

bool LayerView::uniform() const {
    if (impl->hparams.n_layer_nextn > 0 || impl->hparams.n_layer_kv_from_start >= 0 || !impl->rules.leading_counts.empty()) {
        return false;
    }
    const LayerView::Whole whole(const_cast<LayerView &>(*this), true);
    const MemoryShape shape = memory_shape();
    return std::all_of(shape.blocks.begin(), shape.blocks.end(), [&](const std::string & kind) { return kind == shape.blocks.front(); });
}

bool LayerView::offloaded() const {
    return !impl->model->devices.empty();
}

// The offset of a multi-token-prediction block is part of what llama.cpp compares, but has no meaning for the graphs used here
// (llm_graph_params::allow_reuse in llama-graph.h). ContextPool::check_fresh() notices when that changes.
void LayerView::forget_graph(llama_context * context, int32_t generation) const {
    context->set_nextn_layer_offset(generation);
}

struct LayerView::Whole::Before {
    llama_hparams hparams;
    std::vector<llama_layer> layers;
};

LayerView::Whole::Whole(LayerView & view, bool active) : view(view) {
    if (active) {
        before = std::make_unique<Before>(Before{ view.impl->model->hparams, view.impl->model->layers });
        view.restore();
    }
}

LayerView::Whole::~Whole() {
    if (before) {
        view.impl->model->hparams = before->hparams;
        view.impl->model->layers = std::move(before->layers);
    }
}
