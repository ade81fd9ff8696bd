// A loaded model seen through a mask of its blocks, without copying a weight.
#pragma once

#include "stacked_block.h"

#include "llama.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

// What the architecture table says about a model; see src/model/architectures.
struct ViewRules {
    // Members of llama_hparams that count blocks from the start: lowered by the removed blocks below them.
    std::vector<std::string> leading_counts;
    // outputs[block]: names of the tensors whose zeroing makes the block the identity in the residual stream.
    std::vector<std::vector<std::string>> outputs;
    // feed_forward[block]: names of the tensors of its feed-forward part; none if blocks of this model can only be removed as a whole.
    std::vector<std::vector<std::string>> feed_forward;
    // Blocks that run as identities if none is kept; none if that is impossible.
    std::vector<int> empty;
};

// What the memory of a context depends on: a context made for one row of blocks serves every prefix of that row.
struct MemoryShape {
    std::string counts;              // must be equal
    std::vector<std::string> blocks; // kind of each block

    bool fits(const MemoryShape & made_for) const;
};

// A block with other values in some of its matrices, each in ggml's layout of its type.
struct BlockVersion {
    struct Matrix {
        std::string name;
        ggml_type type;
        std::vector<uint8_t> bytes;
    };
    int block = 0;
    std::vector<Matrix> matrices;
};

// Bytes of a view.
struct ViewBytes {
    size_t weights = 0; // tensors of the shown blocks, and those of no block
    size_t memory = 0;  // keys and values, or recurrent states
    size_t compute = 0; // buffers that the graphs compute in
};

class LayerView {
public:
    LayerView(llama_model * model, ViewRules rules);
    ~LayerView();
    LayerView(const LayerView &) = delete;
    LayerView & operator=(const LayerView &) = delete;

    // Number of maskable blocks (without the multi-token-prediction tail, which stays last in every view).
    int n_blocks() const;

    // Shows the kept blocks from now on, each with the tensors and numbers of its two parts. The output of an attention that is left out is
    // zero, so that it adds nothing.
    // An older context serves only if the memory shape fits
    // and the graph is discarded.
    // If the kept blocks alone cannot be a graph (none left; only one kind of a model that mixes two kinds of
    // attention or memory), blocks with zeroed outputs are appended: the identity, bit for bit.
    void apply(const Stack & kept);

    // Shows the original model again.
    void restore();

    // Number of identity blocks that apply(kept) would append.
    int identities_needed(const Stack & kept) const;

    // Shape of the current view.
    MemoryShape memory_shape() const;

    // Memory of the current view with such a context, as llama.cpp counts it. Keys and values and compute buffers are counted
    // without being allocated. Throws if there can be no such context.
    ViewBytes bytes(llama_context_params params) const;

    // Whether the memories of all blocks are of one kind.
    bool uniform() const;

    // Whether the model was loaded for other devices than the processor.
    bool offloaded() const;

    // Names of the devices of the blocks that are shown, and of the LM head's.
    std::vector<std::string> devices() const;

    // Replaces a matrix of a block in every view until restore_tensor(): `bytes` in ggml's layout of `type`. The new
    // tensor lies where llama.cpp would put it if a file held it, so that the same kernels run.
    void replace_tensor(const std::string & name, ggml_type type, const std::vector<uint8_t> & bytes);
    void restore_tensor(const std::string & name);

    // Makes llama.cpp build the next graph of the context again; `generation` must differ from the last one.
    void forget_graph(llama_context * context, int32_t generation) const;

    // Shows the kept blocks as long as it lives.
    class Shown {
    public:
        Shown(LayerView & view, const Stack & kept) : view(view) { view.apply(kept); }
        ~Shown() { view.restore(); }
        Shown(const Shown &) = delete;
        Shown & operator=(const Shown &) = delete;

    private:
        LayerView & view;
    };

    // Shows the original model for a while, if `active`.
    class Whole {
    public:
        Whole(LayerView & view, bool active);
        ~Whole();
        Whole(const Whole &) = delete;
        Whole & operator=(const Whole &) = delete;

    private:
        struct Before;
        LayerView & view;
        std::unique_ptr<Before> before;
    };

    // Versions of blocks that take turns between graphs, as long as it lives.
    class Versions {
    public:
        Versions(LayerView & view, const std::vector<BlockVersion> & list);
        ~Versions();
        Versions(const Versions &) = delete;
        Versions & operator=(const Versions &) = delete;

        // From the next view on: the versions that the bytes of `row` name, one per block (version_in).
        void show(const uint8_t * row);

    private:
        struct Made;
        LayerView & view;
        std::unique_ptr<Made> made;
    };

    // Zeros in place of a matrix of a block, as long as it lives.
    class Zeroed {
    public:
        Zeroed(LayerView & view, const std::string & name);
        ~Zeroed();
        Zeroed(const Zeroed &) = delete;
        Zeroed & operator=(const Zeroed &) = delete;

    private:
        struct Before;
        LayerView & view;
        std::unique_ptr<Before> before;
    };

private:
    struct Impl;
    std::unique_ptr<Impl> impl;
};
