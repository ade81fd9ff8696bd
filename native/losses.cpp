#include "losses.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <thread>
#include <vector>

namespace {

// exp(x) for x <= 0, relative error below 2e-7, flushed to 0 under -87. Written so that compilers vectorise the loop over it
// (range reduction by ln 2, then the Taylor polynomial of degree 7 on |r| <= ln(2) / 2).
inline float exp_nonpositive(float x) {
    const float clamped = x < -87.0f ? -87.0f : x;
    const float rounded = clamped * 1.44269504088896341f + 12582912.0f; // 1.5 * 2^23: rounds to nearest in the low mantissa bits
    const float n = rounded - 12582912.0f;
    const float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.0f / 5040.0f;
    p = p * r + 1.0f / 720.0f;
    p = p * r + 1.0f / 120.0f;
    p = p * r + 1.0f / 24.0f;
    p = p * r + 1.0f / 6.0f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    int32_t bits;
    std::memcpy(&bits, &rounded, sizeof bits);
    const int32_t scale_bits = (bits + 127) << 23;
    float scale;
    std::memcpy(&scale, &scale_bits, sizeof scale);
    return x < -87.0f ? 0.0f : p * scale;
}

constexpr int lanes = 16;

float maximum(const float * row, int64_t n) {
    float best[lanes];
    std::fill(best, best + lanes, -INFINITY);
    int64_t i = 0;
    for (; i + lanes <= n; i += lanes) {
        for (int k = 0; k < lanes; ++k) {
            best[k] = row[i + k] > best[k] ? row[i + k] : best[k];
        }
    }
    float value = *std::max_element(best, best + lanes);
    for (; i < n; ++i) {
        value = std::max(value, row[i]);
    }
    return value;
}

// Lanes of float are emptied into a double every 256 entries: the error stays near 1e-7 for any vocabulary.
double sum_exp(const float * row, int64_t n, float max) {
    double total = 0.0;
    int64_t i = 0;
    while (i + lanes <= n) {
        const int64_t end = std::min(n - n % lanes, i + 256);
        float sums[lanes] = {};
        for (; i < end; i += lanes) {
            for (int k = 0; k < lanes; ++k) {
                sums[k] += exp_nonpositive(row[i + k] - max);
            }
        }
        for (float sum : sums) {
            total += sum;
        }
    }
    for (; i < n; ++i) {
        total += exp_nonpositive(row[i] - max);
    }
    return total;
}

double token_loss(const float * row, int64_t n, int32_t target) {
    // A comparison is false for NaN, so a NaN elsewhere could hide behind the maximum; the sum shows it.
    const float max = maximum(row, n);
    if (!std::isfinite(max)) {
        return NAN;
    }
    return std::log(sum_exp(row, n, max)) - (double(row[target]) - double(max));
}

} // namespace

void token_losses(const float * logits, int64_t n_vocab, const int32_t * targets, int64_t n_rows, int n_threads, double * losses) {
    if (n_rows <= 0) {
        return;
    }
    const auto work = [=](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) {
            losses[i] = token_loss(logits + i * n_vocab, n_vocab, targets[i]);
        }
    };
    const int64_t n_workers = std::clamp<int64_t>(n_threads, 1, std::max<int64_t>(1, n_rows));
    std::vector<std::thread> threads;
    for (int64_t w = 1; w < n_workers; ++w) {
        threads.emplace_back(work, n_rows * w / n_workers, n_rows * (w + 1) / n_workers);
    }
    work(0, n_rows / n_workers);
    for (auto & thread : threads) {
        thread.join();
    }
}
