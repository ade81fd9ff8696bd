// The devices that llama.cpp has assigned the blocks of a model to. A view moves them together with the blocks: llama.cpp puts the memory
// of a block, and some of its operations, on the device that it finds under the block's index.
#pragma once

#include "ggml-backend.h"

#include <memory>
#include <vector>

struct llama_model;

class BlockDevices {
public:
    // Remembers the devices of a model that no view changes yet.
    explicit BlockDevices(llama_model & model);
    ~BlockDevices();
    BlockDevices(const BlockDevices &) = delete;
    BlockDevices & operator=(const BlockDevices &) = delete;

    // Assigns to each index the device of the block that a view shows there: numbers of blocks of the original model, its tail included.
    void show(const std::vector<int> & blocks);
    // Assigns the original devices again.
    void restore();
    // Blocks that are shown.
    const std::vector<int> & shown() const;

    // Device of the block that is shown at an index, and that of the LM head.
    ggml_backend_dev_t at(int index) const;
    ggml_backend_dev_t output() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl;
};
