// Losses, divergences and agreements of rows of logits.
#pragma once

#include <cstdint>
#include <vector>

// The original model's distributions at scored positions, in 16 bits per entry: steps[row * n_vocab + i] is how far the
// log-probability of token i lies below the row's largest, in units of 1/2048 nat. They are normalized again when read, so each
// log-probability is off by less than 2^-11 nat; a token 32 nats or more below the largest counts as impossible.
struct Reference {
    static constexpr float unit = 1.0f / 2048.0f;
    static constexpr uint16_t far = 65535;   // 32 nats or more
    static constexpr int32_t broken = -1;    // replaces the most likely token of a row that is not finite: its divergences are NaN
    int64_t n_vocab = 0;
    std::vector<uint16_t> steps;
    std::vector<int32_t> top; // most likely token of each row, the lowest of equal ones

    int64_t n_rows() const { return int64_t(top.size()); }
};

// Destination of the figures of rows: pointers to arrays of one entry per row, null if not requested.
struct RowFigures {
    double * losses = nullptr;      // log(sum_j exp(logits[j])) - logits[target], nats
    float * divergences = nullptr;  // KL(reference || row), nats
    uint8_t * agreements = nullptr; // 1 if the most likely token is the reference's
};

// Rows are split over threads; one thread sums a row in a fixed order, so that figures do not depend on n_threads.
// `reference` (null: none) starts at the first of these rows with row `reference_row`.
void score_rows(const float * logits, int64_t n_vocab, const int32_t * targets, int64_t n_rows, int n_threads, const Reference * reference,
                int64_t reference_row, const RowFigures & figures);

// Keeps the distributions of rows in the reference, from row `reference_row` on (it must be large enough).
void keep_rows(const float * logits, int64_t n_rows, int n_threads, Reference & reference, int64_t reference_row);
