#include "mask_walk.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>
#include <set>

MaskWalk::MaskWalk(const Masks & masks, First first) : order(masks.n_masks), shared(masks.n_masks, 0), first(first) {
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
        const int difference = std::memcmp(masks.row(a), masks.row(b), masks.n_blocks);
        return first == First::with ? difference > 0 : difference < 0;
    });
    for (int i = 1; i < masks.n_masks; ++i) {
        const uint8_t * a = masks.row(order[i - 1]);
        const uint8_t * b = masks.row(order[i]);
        shared[i] = int(std::mismatch(a, a + masks.n_blocks, b).first - a);
    }
}

bool MaskWalk::resumes(const Masks & masks, int mask, int depth) const {
    return masks.resumes(mask, depth) && (first == First::without || !masks.kept(mask, depth).empty());
}

std::vector<int> MaskWalk::branch_depths(const Masks & masks, int i, int resumed) const {
    std::set<int, std::greater<int>> depths;
    int lowest = INT32_MAX;
    for (size_t j = i + 1; j < order.size(); ++j) {
        lowest = std::min(lowest, shared[j]);
        if (lowest <= resumed) {
            break;
        }
        if (shared[j] == masks.n_blocks) {
            continue; // the same mask does not run again
        }
        int depth = lowest;
        while (depth > resumed && !resumes(masks, order[j], depth)) {
            --depth;
        }
        if (depth > resumed) {
            depths.insert(depth);
        }
    }
    return { depths.begin(), depths.end() };
}
