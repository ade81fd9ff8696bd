// What the files of the layer view share. They alone read llama.cpp's private headers.
#pragma once

#include "layer_view.h"

#include "layer_view_devices.h"
#include "layer_view_pointers.h"
#include "own_tensor.h"

#include "llama-model.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

struct LayerView::Impl {
    llama_model * model;
    ViewRules rules;
    llama_hparams hparams;           // of the original model
    std::vector<llama_layer> layers; // of the original model
    BlockDevices devices;
    // Numbers of the pointers in each block that point to tensors of its feed-forward part.
    std::vector<std::vector<size_t>> feed_forward_pointers;

    // Tensors that replace those of the file, by name.
    struct Replacement {
        ggml_tensor * original;
        OwnTensor own;
    };
    std::map<std::string, Replacement> replacements;

    // Blocks whose output tensors are replaced by zeros, made on first use, and these zeros.
    std::map<int, llama_layer> identities;
    std::vector<OwnTensor> identity_zeros;

    // Zeros for the outputs of attentions that are left out. Blocks share those that are equal.
    std::vector<OwnTensor> attention_zeros;
    // What the view shows now, without the tail.
    Stack shown;

    Impl(llama_model * model, ViewRules rules);

    int n_blocks() const { return int(hparams.n_layer()); }

    std::vector<int> missing_kinds(const Stack & kept) const;
    int block_of_kind(bool (Impl::*is)(int) const) const;
    bool is_swa(int i) const { return hparams.is_swa_impl[i] != 0; }
    bool is_recurrent(int i) const { return hparams.is_recr_impl[i] != 0; }
    bool is_attention(int i) const { return hparams.is_recr_impl[i] == 0 && hparams.n_head_kv_arr[i] > 0; }
    // The heads of a block that only feeds forward may be stated nevertheless.
    bool attends(int i) const {
        const auto & names = rules.outputs[i];
        return is_attention(i) && std::any_of(names.begin(), names.end(), [](const std::string & name) { return name.find(".attn_") != std::string::npos; });
    }
    bool any(const Stack & kept, bool (Impl::*is)(int) const) const;
    size_t shown_bytes() const;
    llama_layer without_hidden_attention(size_t index) const;
    const llama_layer & identity(int block);
    llama_layer without_attention(int block);
    ggml_tensor * zeros_for(const ggml_tensor * tensor);
    std::vector<std::string> attention_outputs(int block) const;
    size_t memory_bytes(llama_context & context, llama_context_params params) const;
    llama_layer layer_of(const StackedBlock & block);
    ggml_tensor * tensor_named(const std::string & name) const;
    ggml_tensor * standing(const std::string & name) const;
    Replacement replacement(const std::string & name, ggml_type type, const std::vector<uint8_t> & bytes) const;
    void exchange(ggml_tensor * from, ggml_tensor * to);
    void restore();
};
