// The order in which a batch of masks is measured, and which states are kept between them (without a model).
#pragma once

#include "stacked_block.h"

#include <cstddef>
#include <cstdint>
#include <vector>

// Masks as rows of bytes, each of which is a stack (is_stack). A depth of a mask is the place before the block of that number.
struct Masks {
    std::vector<uint8_t> bytes;
    int n_masks = 0;
    int n_blocks = 0;
    // n_masks x (n_blocks + 1) flags: 1 if the kept blocks from a depth on can run from a hidden state; empty if all can.
    std::vector<uint8_t> resumable;

    const uint8_t * row(int mask) const { return bytes.data() + size_t(mask) * n_blocks; }
    // From a depth that lies in no merged block.
    Stack kept(int mask, int from) const { return stack_of(row(mask), n_blocks, from); }
    // There is no state inside a merged block. Whether a depth lies in one depends on the blocks before it only, so masks that share
    // these agree about it.
    bool resumes(int mask, int depth) const {
        return !inside_merged(row(mask), depth) && (resumable.empty() || resumable[size_t(mask) * (n_blocks + 1) + depth] != 0);
    }
};

// A walk over the prefix tree of the masks: neighbors in the order share the longest prefixes.
struct MaskWalk {
    // Which of two masks comes first where they part. Usually it is the one without the block: a mask that is a prefix of another one
    // then ends before the other resumes from it. If the state after a mask's last block cannot be kept, it is the one with the block:
    // the state must be taken while a further block follows it.
    enum class First { without, with };

    std::vector<int> order;    // mask numbers
    std::vector<int> shared;   // shared[i]: blocks in which order[i] agrees with order[i - 1]; shared[0] = 0

    MaskWalk(const Masks & masks, First first);

    // Whether a mask may resume from the hidden state at a depth. If only some positions are scored, its last kept block must be among those
    // that run: llama.cpp runs the end of that block only for the scored rows, and the number of rows can change their bits.
    bool resumes(const Masks & masks, int mask, int depth) const;

    // Depths (> resumed) from which later masks may resume, among those that they share with the mask at position i: hidden states worth
    // keeping, deepest first. A mask resumes where it differs from the one before, or at the nearest possible depth before that. There a
    // mask in between may have left another state.
    std::vector<int> branch_depths(const Masks & masks, int i, int resumed) const;

private:
    First first;
};
