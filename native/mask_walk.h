// The order in which a batch of masks is measured, and what is kept between them (no model here).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

// Masks as rows of bytes: 0 removed, 1 kept, 2 + i kept in the i-th version of a block.
struct Masks {
    std::vector<uint8_t> bytes;
    int n_masks = 0;
    int n_blocks = 0;
    // n_masks x (n_blocks + 1) flags: 1 where the kept blocks from a depth on can run from a hidden state; empty if all can.
    std::vector<uint8_t> resumable;

    const uint8_t * row(int mask) const { return bytes.data() + size_t(mask) * n_blocks; }
    std::vector<int> kept(int mask, int from) const;
    bool resumes(int mask, int depth) const { return resumable.empty() || resumable[size_t(mask) * (n_blocks + 1) + depth] != 0; }
};

// A walk over the prefix tree of the masks: neighbors in the order share the longest prefixes.
struct MaskWalk {
    // Which of two masks comes first where they part: the one without the block, so that a mask that another one begins with
    // ends before the other goes on from it; or the one with the block, where the state after a mask's last block cannot be
    // kept, and must be taken while a further block follows it.
    enum class First { without, with };

    std::vector<int> order;    // mask numbers
    std::vector<int> shared;   // shared[i]: blocks in which order[i] agrees with order[i - 1]; shared[0] = 0

    MaskWalk(const Masks & masks, First first);

    // Whether a mask may go on from the hidden state at a depth. Where only some positions are scored, its last kept block must be
    // among those that run: llama.cpp runs the end of that block for the scored rows only, and the number of rows can change their bits.
    bool resumes(const Masks & masks, int mask, int depth) const;

    // Depths (> resumed) from which later masks may go on, of those that they share with the mask at position i: hidden states worth
    // keeping, deepest first. A mask goes on where it leaves the one before, or as close before that as it can be resumed (from where a
    // mask in between may leave another state).
    std::vector<int> branch_depths(const Masks & masks, int i, int resumed) const;

private:
    First first;
};
