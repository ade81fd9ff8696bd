#include "layer_view.h"

#include "layer_view_hparams.h"
#include "layer_view_impl.h"

#include "llama-context.h"

#include <algorithm>
#include <map>
#include <stdexcept>

bool LayerView::Impl::any(const Stack & kept, bool (Impl::*is)(int) const) const {
    for (const StackedBlock & block : kept) {
        if (block.attends && (this->*is)(block.attention)) {
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
std::vector<int> LayerView::Impl::missing_kinds(const Stack & kept) const {
    if (kept.empty()) {
        if (rules.empty.empty()) {
            throw std::runtime_error("the empty set of blocks cannot run: no block of this architecture can be made the identity");
        }
        return rules.empty;
    }
    Stack all;
    for (int i = 0; i < n_blocks(); ++i) {
        all.push_back({ i, i });
    }
    std::vector<int> missing;
    const auto need = [&](bool (Impl::*is)(int) const, bool (Impl::*can_be)(int) const) {
        if (!any(all, is) || any(kept, is) || any(whole_blocks(missing), is)) {
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

namespace {

std::vector<std::vector<size_t>> feed_forward_pointers(const llama_model & model, const std::vector<std::vector<std::string>> & names) {
    std::multimap<std::string, const ggml_tensor *> by_name;
    for (const auto & [name, tensor] : model.tensors_by_name) {
        by_name.emplace(name, tensor);
    }
    std::vector<std::vector<size_t>> pointers(model.layers.size());
    for (size_t block = 0; block < std::min(pointers.size(), names.size()); ++block) {
        Tensors tensors;
        for (const std::string & name : names[block]) {
            const auto [first, last] = by_name.equal_range(name);
            std::for_each(first, last, [&](const auto & found) { tensors.insert(found.second); });
        }
        pointers[block] = pointers_to(model.layers[block], tensors);
    }
    return pointers;
}

} // namespace

LayerView::Impl::Impl(llama_model * model, ViewRules given)
    : model(model), rules(std::move(given)), hparams(model->hparams), layers(model->layers), devices(*model),
      feed_forward_pointers(::feed_forward_pointers(*model, rules.feed_forward)) {}

LayerView::LayerView(llama_model * model, ViewRules rules) : impl(new Impl(model, std::move(rules))) {}

LayerView::~LayerView() {
    while (!impl->replacements.empty()) {
        restore_tensor(std::string(impl->replacements.begin()->first));
    }
    restore();
}

int LayerView::n_blocks() const {
    return impl->n_blocks();
}

int LayerView::identities_needed(const Stack & kept) const {
    return int(impl->missing_kinds(kept).size());
}

llama_layer LayerView::Impl::layer_of(const StackedBlock & block) {
    if (!block.attends) {
        return without_attention(block.feed_forward);
    }
    llama_layer layer = layers[block.attention];
    if (block.whole()) {
        return layer;
    }
    for (const int part_of : { block.attention, block.feed_forward }) {
        if (feed_forward_pointers[part_of].empty()) {
            throw std::runtime_error("block " + std::to_string(part_of) + " has no feed-forward part of its own, so parts of blocks cannot be left out here");
        }
        take_pointers(layer, layers[block.feed_forward], feed_forward_pointers[part_of]);
    }
    return layer;
}

void LayerView::apply(const Stack & kept) {
    const Stack extra = whole_blocks(impl->missing_kinds(kept));
    std::vector<llama_layer> layers;
    layers.reserve(kept.size() + extra.size());
    for (const StackedBlock & block : kept) {
        layers.push_back(impl->layer_of(block));
    }
    for (const StackedBlock & block : extra) {
        layers.push_back(impl->identity(block.attention));
    }
    layers.insert(layers.end(), impl->layers.begin() + impl->n_blocks(), impl->layers.begin() + int(impl->hparams.n_layer_all));

    Stack trunk = kept;
    trunk.insert(trunk.end(), extra.begin(), extra.end());
    std::vector<int> blocks;
    for (const StackedBlock & block : trunk) {
        blocks.push_back(block.attention); // whose memory it is
    }
    for (int tail = impl->n_blocks(); tail < int(impl->hparams.n_layer_all); ++tail) {
        blocks.push_back(tail);
    }
    impl->devices.show(blocks);
    impl->shown = trunk;
    impl->model->hparams = hparams_of(impl->hparams, trunk, impl->rules.leading_counts);
    impl->model->layers = std::move(layers);
}

void LayerView::Impl::restore() {
    model->hparams = hparams;
    model->layers = layers;
    devices.restore();
    shown.clear();
}

void LayerView::restore() {
    impl->restore();
}

std::vector<std::string> LayerView::devices() const {
    std::vector<std::string> names;
    for (size_t i = 0; i < impl->model->layers.size(); ++i) {
        names.push_back(ggml_backend_dev_name(impl->devices.at(int(i))));
    }
    names.push_back(ggml_backend_dev_name(impl->devices.output()));
    return names;
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
        kind += ggml_backend_dev_name(impl->devices.at(int(i)));
        shape.blocks.push_back(std::move(kind));
    }
    return shape;
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
    std::vector<int> blocks;
    Stack shown;
};

LayerView::Whole::Whole(LayerView & view, bool active) : view(view) {
    if (active) {
        before = std::make_unique<Before>(Before{ view.impl->model->hparams, view.impl->model->layers, view.impl->devices.shown(), view.impl->shown });
        view.restore();
    }
}

LayerView::Whole::~Whole() {
    if (before) {
        view.impl->model->hparams = before->hparams;
        view.impl->model->layers = std::move(before->layers);
        view.impl->devices.show(before->blocks);
        view.impl->shown = std::move(before->shown);
    }
}
