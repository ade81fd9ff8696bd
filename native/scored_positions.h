// Which positions of which windows are scored: at position p the loss of the next token, p + 1, counts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

class ScoredPositions {
public:
    // All positions from `from` on except the last, which predicts nothing; or, if given, those whose flag
    // (n_windows x length) is not 0.
    ScoredPositions(int n_windows, int length, int from, const std::vector<uint8_t> & given);

    bool at(int window, int position) const { return flags[size_t(window) * length + position] != 0; }
    int in_window(int window) const { return int(before[window + 1] - before[window]); }
    // Number of scored positions in earlier windows, and in this window before a position: the row in a table of all of them.
    int64_t row(int window, int position) const;
    int64_t total() const { return before.back(); }

private:
    int length;
    std::vector<uint8_t> flags;
    std::vector<int64_t> before;
};
