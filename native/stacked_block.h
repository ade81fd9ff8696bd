// The blocks of a view, and the bytes of the masks that name them.
#pragma once

#include <cstdint>
#include <vector>

// The attention part of one block of the model, then the feed-forward part of the same or a later one. A block without attention goes by
// the number of its feed-forward part in both.
struct StackedBlock {
    int attention = 0;
    int feed_forward = 0;
    bool attends = true;

    bool whole() const { return attends && attention == feed_forward; }
};

inline StackedBlock without_attention(int block) {
    return { block, block, false };
}

// In order: each part comes from a later block than the same part of the one before.
using Stack = std::vector<StackedBlock>;

inline Stack whole_blocks(const std::vector<int> & blocks) {
    Stack stack;
    for (const int block : blocks) {
        stack.push_back({ block, block });
    }
    return stack;
}

// What a byte of a mask says about its block; MASK in src/game/coalition.ts. Those from first_version on and below attention name versions.
namespace mask_byte {
constexpr uint8_t removed = 0;
constexpr uint8_t kept = 1;
constexpr uint8_t first_version = 2;
constexpr uint8_t attention = 254;    // only this part is kept
constexpr uint8_t feed_forward = 255; // only this part is kept: of the attention before it, or by itself
} // namespace mask_byte

// Number of the version that a byte names, or -1.
inline int version_in(uint8_t byte) {
    return byte >= mask_byte::first_version && byte < mask_byte::attention ? byte - mask_byte::first_version : -1;
}

// Whether a feed-forward part follows each attention part before the next one, so that a row of bytes is a stack.
inline bool is_stack(const uint8_t * row, int n_blocks) {
    bool open = false; // an attention part waits for its feed-forward part
    for (int i = 0; i < n_blocks; ++i) {
        if (row[i] == mask_byte::removed) {
            continue;
        }
        if (open && row[i] != mask_byte::feed_forward) {
            return false;
        }
        open = row[i] == mask_byte::attention;
    }
    return !open;
}

// The stack that a row of bytes names, from a depth on that lies in no merged block.
inline Stack stack_of(const uint8_t * row, int n_blocks, int from = 0) {
    Stack stack;
    int open = -1; // block of an attention part that waits for its feed-forward part
    for (int i = from; i < n_blocks; ++i) {
        if (row[i] == mask_byte::attention) {
            open = i;
        } else if (row[i] == mask_byte::feed_forward) {
            stack.push_back(open < 0 ? without_attention(i) : StackedBlock{ open, i });
            open = -1;
        } else if (row[i] != mask_byte::removed) {
            stack.push_back({ i, i });
        }
    }
    return stack;
}

// Whether a depth lies between the attention part and the feed-forward part of one merged block.
inline bool inside_merged(const uint8_t * row, int depth) {
    for (int i = depth - 1; i >= 0; --i) {
        if (row[i] != mask_byte::removed) {
            return row[i] == mask_byte::attention;
        }
    }
    return false;
}
