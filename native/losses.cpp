#include "losses.h"

#include "parallel.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace {

// exp(x) for x <= 0, relative error below 2e-7, flushed to 0 under -87. Written so that compilers vectorize the loop over it
// given -fno-trapping-math (range reduction by ln 2, then the Taylor polynomial of degree 7 on |r| <= ln(2) / 2).
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
    uint32_t bits; // unsigned: the bits above the exponent fall out of the shift
    std::memcpy(&bits, &rounded, sizeof bits);
    const uint32_t scale_bits = (bits + 127) << 23;
    float scale;
    std::memcpy(&scale, &scale_bits, sizeof scale);
    return x < -87.0f ? 0.0f : p * scale;
}

constexpr int lanes = 16;
// Floats that stay in the innermost cache between the search for their maximum and their sum.
constexpr int64_t chunk = 2048;
// Lanes of float are added to a double after so many entries: the error stays near 1e-7 for any vocabulary.
constexpr int64_t batch = 256;

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

// Values per batch at most. Compilers vectorize a loop that fills an array, and a sum in lanes, but not both in one.
double sum_of(const float * values, int64_t n) {
    float sums[lanes] = {};
    int64_t i = 0;
    for (; i + lanes <= n; i += lanes) {
        for (int k = 0; k < lanes; ++k) {
            sums[k] += values[i + k];
        }
    }
    double total = 0.0;
    for (float sum : sums) {
        total += sum;
    }
    for (; i < n; ++i) {
        total += values[i];
    }
    return total;
}

double sum_exp(const float * row, int64_t n, float max) {
    double total = 0.0;
    float values[batch];
    for (int64_t at = 0; at < n; at += batch) {
        const int64_t size = std::min(batch, n - at);
        for (int64_t i = 0; i < size; ++i) {
            values[i] = exp_nonpositive(row[at + i] - max);
        }
        total += sum_of(values, size);
    }
    return total;
}

struct LogSum {
    float max;    // of the row
    double log_z; // log(sum(exp)), or NaN
};

// Memory is read once: the sum is rescaled if a chunk has a larger maximum. A comparison is false for NaN, so a NaN could
// hide behind the maximum; the sum shows it.
LogSum log_sum(const float * row, int64_t n) {
    float max = -INFINITY;
    double total = 0.0;
    for (int64_t at = 0; at < n; at += chunk) {
        const int64_t size = std::min(chunk, n - at);
        const float here = maximum(row + at, size);
        if (here > max) {
            total *= std::exp(double(max) - double(here));
            max = here;
        }
        // Only -inf so far, which adds nothing, or NaN.
        total += sum_exp(row + at, size, max == -INFINITY ? 0.0f : max);
    }
    return { max, std::isfinite(max) ? double(max) + std::log(total) : NAN };
}

int32_t first_index_of(const float * row, int64_t n, float value) {
    return int32_t(std::find(row, row + n, value) - row);
}

// sum_i w_i and sum_i w_i (log w_i - logits_i) with w_i = exp(-steps_i / 2048), in lanes as sum_exp().
struct Cross {
    double weights = 0.0;
    double differences = 0.0;
};

Cross cross(const float * row, const uint16_t * steps, int64_t n, float max) {
    Cross total;
    float weights[batch];
    float differences[batch];
    for (int64_t at = 0; at < n; at += batch) {
        const int64_t size = std::min(batch, n - at);
        for (int64_t i = 0; i < size; ++i) {
            const float log_weight = -Reference::unit * float(steps[at + i]);
            const bool far = steps[at + i] == Reference::far;
            const float weight = far ? 0.0f : exp_nonpositive(log_weight);
            const float difference = weight * (log_weight - (row[at + i] - max));
            weights[i] = weight;
            differences[i] = far ? 0.0f : difference;
        }
        total.weights += sum_of(weights, size);
        total.differences += sum_of(differences, size);
    }
    return total;
}

// KL = sum p (log p - log q), p = w / sum(w), log q_i = logits_i - log_z.
float divergence(const float * row, const uint16_t * steps, int64_t n, float max, double log_z) {
    const Cross sums = cross(row, steps, n, max);
    const double value = sums.differences / sums.weights - std::log(sums.weights) + (log_z - double(max));
    // Rounding may leave a value slightly below zero.
    return value < 0.0 ? 0.0f : float(value);
}

} // namespace

void score_rows(const float * logits, int64_t n_vocab, const int32_t * targets, int64_t n_rows, int n_threads, const Reference * reference,
                int64_t reference_row, const RowFigures & figures) {
    over_threads(n_rows, n_threads, [=](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) {
            const float * row = logits + i * n_vocab;
            const auto [max, log_z] = log_sum(row, n_vocab);
            figures.losses[i] = log_z - double(row[targets[i]]);
            if (reference == nullptr) {
                continue;
            }
            const int32_t top = reference->top[reference_row + i];
            if (top == Reference::broken) {
                figures.divergences[i] = NAN;
                figures.agreements[i] = 0;
                continue;
            }
            figures.divergences[i] = divergence(row, reference->steps.data() + (reference_row + i) * n_vocab, n_vocab, max, log_z);
            figures.agreements[i] = std::isfinite(log_z) && row[top] == max && first_index_of(row, n_vocab, max) == top;
        }
    });
}

void keep_rows(const float * logits, int64_t n_rows, int n_threads, Reference & reference, int64_t reference_row) {
    const int64_t n_vocab = reference.n_vocab;
    over_threads(n_rows, n_threads, [=, &reference](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) {
            const float * row = logits + i * n_vocab;
            uint16_t * steps = reference.steps.data() + (reference_row + i) * n_vocab;
            const auto [max, log_z] = log_sum(row, n_vocab);
            if (!std::isfinite(log_z)) {
                reference.top[reference_row + i] = Reference::broken;
                continue;
            }
            for (int64_t k = 0; k < n_vocab; ++k) {
                const float below = (max - row[k]) / Reference::unit + 0.5f;
                steps[k] = below < float(Reference::far) ? uint16_t(below) : Reference::far;
            }
            reference.top[reference_row + i] = first_index_of(row, n_vocab, max);
        }
    });
}
