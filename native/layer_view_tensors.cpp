// Tensors that stand in for those of the file.
#include "layer_view_impl.h"

#include <algorithm>
#include <stdexcept>

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

// Those of the block's outputs that are not of its feed-forward part.
std::vector<std::string> LayerView::Impl::attention_outputs(int block) const {
    std::vector<std::string> names;
    const auto & feed_forward = rules.feed_forward[block];
    for (const std::string & name : rules.outputs[block]) {
        if (std::find(feed_forward.begin(), feed_forward.end(), name) == feed_forward.end()) {
            names.push_back(name);
        }
    }
    return names;
}

// Zeros of a tensor's type and size, where it lies.
ggml_tensor * LayerView::Impl::zeros_for(const ggml_tensor * tensor) {
    for (const OwnTensor & zeros : attention_zeros) {
        const bool same_place = ggml_backend_buffer_get_type(zeros.tensor->buffer) == ggml_backend_buffer_get_type(tensor->buffer);
        if (same_place && zeros.tensor->type == tensor->type && ggml_are_same_shape(zeros.tensor, tensor)) {
            return zeros.tensor;
        }
    }
    attention_zeros.push_back(zeros_like(tensor));
    return attention_zeros.back().tensor;
}

llama_layer LayerView::Impl::without_attention(int block) {
    const std::vector<std::string> outputs = feed_forward_pointers[block].empty() ? std::vector<std::string>() : attention_outputs(block);
    if (outputs.empty()) {
        throw std::runtime_error("the attention of block " + std::to_string(block) + " cannot be left out: it is not known which tensor is its output");
    }
    llama_layer layer = layers[block];
    for (const std::string & name : outputs) {
        const ggml_tensor * tensor = standing(name);
        exchange_pointers(layer, tensor, zeros_for(tensor));
    }
    return layer;
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
    restore();
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
        const int version = version_in(row[block]);
        if (version < 0) {
            continue;
        }
        for (const Made::Matrix & matrix : made->versions[version]) {
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
