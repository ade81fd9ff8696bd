#include "scored_positions.h"

#include <stdexcept>

ScoredPositions::ScoredPositions(int n_windows, int length, int from, const std::vector<uint8_t> & given)
    : length(length), flags(size_t(n_windows) * length, 0), before(size_t(n_windows) + 1, 0) {
    if (!given.empty() && given.size() != flags.size()) {
        throw std::runtime_error("flags of scored positions must be windows x length");
    }
    for (int window = 0; window < n_windows; ++window) {
        int64_t count = 0;
        for (int position = 0; position + 1 < length; ++position) {
            const size_t i = size_t(window) * length + position;
            flags[i] = given.empty() ? position >= from : given[i] != 0;
            count += flags[i];
        }
        before[window + 1] = before[window] + count;
    }
}

int64_t ScoredPositions::row(int window, int position) const {
    int64_t row = before[window];
    for (int p = 0; p < position; ++p) {
        row += at(window, p) ? 1 : 0;
    }
    return row;
}
