// test/model/architectures/guard.test.ts compares the members below with src/llama-hparams.h of the pinned llama.cpp.
#include "layer_view_hparams.h"

#include <stdexcept>

namespace {

// A part of each block of a view.
using Part = int StackedBlock::*;
constexpr Part attention = &StackedBlock::attention;
constexpr Part feed_forward = &StackedBlock::feed_forward;

template <class Array> void gather(Array & to, const Array & from, const Stack & blocks, Part part) {
    for (size_t i = 0; i < blocks.size(); ++i) {
        to[i] = from[blocks[i].*part];
    }
}

// Every member of llama_hparams that holds one entry per block. Those that only the feed-forward part reads come from its block.
void gather_per_block(llama_hparams & to, const llama_hparams & from, const Stack & blocks) {
    gather(to.n_head_arr, from.n_head_arr, blocks, attention);
    gather(to.n_head_kv_arr, from.n_head_kv_arr, blocks, attention);
    gather(to.n_ff_arr, from.n_ff_arr, blocks, feed_forward);
    gather(to.n_ff_exp_arr, from.n_ff_exp_arr, blocks, feed_forward);
    gather(to.n_expert_used_arr, from.n_expert_used_arr, blocks, feed_forward);
    gather(to.rope_pattern, from.rope_pattern, blocks, attention);
    gather(to.is_swa_impl, from.is_swa_impl, blocks, attention);
    gather(to.is_recr_impl, from.is_recr_impl, blocks, attention);
    gather(to.xielu_alpha_n, from.xielu_alpha_n, blocks, feed_forward);
    gather(to.xielu_alpha_p, from.xielu_alpha_p, blocks, feed_forward);
    gather(to.xielu_beta, from.xielu_beta, blocks, feed_forward);
    gather(to.xielu_eps, from.xielu_eps, blocks, feed_forward);
    gather(to.is_indexer_full_impl, from.is_indexer_full_impl, blocks, attention);
    gather(to.dsv4_compress_ratios, from.dsv4_compress_ratios, blocks, attention);
    gather(to.is_ple_impl, from.is_ple_impl, blocks, attention);
    gather(to.deepstack_mapping_arr, from.deepstack_mapping_arr, blocks, attention);
    gather(to.swiglu_clamp_exp, from.swiglu_clamp_exp, blocks, feed_forward);
    gather(to.swiglu_clamp_shexp, from.swiglu_clamp_shexp, blocks, feed_forward);
}

int kept_below(const Stack & blocks, Part part, int count) {
    int n = 0;
    for (const StackedBlock & block : blocks) {
        n += block.*part < count ? 1 : 0;
    }
    return n;
}

// The graphs ask for the feed-forward part whether a block is dense, and whether a hash chooses its experts; all else concerns the attention
// part, or what happens before it.
void lower_leading_count(llama_hparams & to, const llama_hparams & from, const std::string & name, const Stack & blocks) {
    if (name == "n_layer_dense_lead") {
        to.n_layer_dense_lead = kept_below(blocks, feed_forward, int(from.n_layer_dense_lead));
    } else if (name == "dsv4_hash_layer_count") {
        to.dsv4_hash_layer_count = kept_below(blocks, feed_forward, int(from.dsv4_hash_layer_count));
    } else if (name == "n_layer_kv_from_start") {
        if (from.n_layer_kv_from_start >= 0) {
            to.n_layer_kv_from_start = kept_below(blocks, attention, from.n_layer_kv_from_start);
            if (to.n_layer_kv_from_start < 2) { // llama-model.cpp asserts it
                throw std::runtime_error("these blocks cannot run on their own: at least two must hold keys and values of their own");
            }
        }
    } else if (name == "n_no_rope_layer_step") {
        to.n_no_rope_layer_step = kept_below(blocks, attention, int(from.n_no_rope_layer_step));
    } else if (name == "n_deepstack_layers") {
        to.n_deepstack_layers = kept_below(blocks, attention, int(from.n_deepstack_layers));
    } else if (name == "router_layer") {
        if (from.router_layer >= 0) {
            to.router_layer = kept_below(blocks, attention, from.router_layer);
        }
    } else {
        throw std::runtime_error("the layer view does not know the leading count '" + name + "'");
    }
}

} // namespace

llama_hparams hparams_of(const llama_hparams & original, const Stack & trunk, const std::vector<std::string> & leading_counts) {
    Stack blocks = trunk;
    for (int i = int(original.n_layer()); i < int(original.n_layer_all); ++i) {
        blocks.push_back({ i, i });
    }
    llama_hparams hparams = original;
    gather_per_block(hparams, original, blocks);
    hparams.n_layer_all = uint32_t(blocks.size());
    for (const std::string & name : leading_counts) {
        lower_leading_count(hparams, original, name, trunk);
    }
    return hparams;
}
