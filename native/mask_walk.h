// The order in which a batch of masks is measured, and what is kept between them (no model here).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

// Masks as rows of bytes, 1 kept and 0 removed.
struct Masks {
    std::vector<uint8_t> bytes;
    int n_masks = 0;
    int n_blocks = 0;

    const uint8_t * row(int mask) const { return bytes.data() + size_t(mask) * n_blocks; }
    std::vector<int> kept(int mask, int from) const;
};

// A walk over the prefix tree of the masks: neighbours in the order share the longest prefixes, and of two masks the
// one that keeps the block where they part comes first. Hence whatever is needed of a common prefix is computed while
// a further block of the same mask follows it.
struct MaskWalk {
    std::vector<int> order;    // mask numbers
    std::vector<int> shared;   // shared[i]: blocks in which order[i] agrees with order[i - 1]; shared[0] = 0

    explicit MaskWalk(const Masks & masks);

    // Depths (> resumed) at which later masks leave the mask at position i: hidden states worth keeping, deepest first.
    std::vector<int> branch_depths(int i, int resumed) const;
};
