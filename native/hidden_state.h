// The residual stream before a block, kept between masks.
#pragma once

#include "ggml.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

// Rows of n_embd values, in the order in which the tokens run: n_windows x length of them once it is complete.
class StateRows {
public:
    explicit StateRows(size_t n_embd, bool half = false) : n_embd(n_embd), half(half) {}

    void reserve(size_t n_rows) {
        if (half) {
            halves.reserve(n_rows * n_embd);
            exponents.reserve(n_rows);
        } else {
            values.reserve(n_rows * n_embd);
        }
    }

    // Adds n values, which `fill` writes.
    template <class Fill> void append(size_t n, const Fill & fill) {
        if (!half) {
            values.resize(values.size() + n);
            fill(values.data() + values.size() - n);
            return;
        }
        std::vector<float> & rows = scratch();
        rows.resize(n);
        fill(rows.data());
        for (size_t at = 0; at + n_embd <= n; at += n_embd) {
            append_half(rows.data() + at);
        }
    }

    // Bytes of n_rows rows.
    static size_t size(size_t n_rows, size_t n_embd, bool half) {
        return n_rows * (half ? n_embd * sizeof(ggml_fp16_t) + sizeof(int) : n_embd * sizeof(float));
    }

    size_t n_values() const { return half ? halves.size() : values.size(); }

    void read(size_t row, float * to) const {
        if (!half) {
            std::memcpy(to, values.data() + row * n_embd, n_embd * sizeof(float));
            return;
        }
        ggml_fp16_to_fp32_row(halves.data() + row * n_embd, to, int64_t(n_embd));
        const float scale = std::ldexp(1.0f, exponents[row]);
        for (size_t i = 0; i < n_embd; ++i) {
            to[i] *= scale;
        }
    }

    // For full precision only.
    const float * row(size_t row) const { return values.data() + row * n_embd; }

private:
    size_t n_embd;
    bool half;
    std::vector<float> values;
    std::vector<ggml_fp16_t> halves;
    std::vector<int> exponents; // of each row's power of two: residual streams hold single values beyond 65504

    // The rows of one ubatch in full precision: one buffer for all states of a job.
    static std::vector<float> & scratch() {
        static thread_local std::vector<float> rows;
        return rows;
    }

    void append_half(float * row) {
        float largest = 0.0f;
        for (size_t i = 0; i < n_embd; ++i) {
            largest = std::max(largest, std::fabs(row[i]));
        }
        int exponent = 0;
        if (std::isfinite(largest) && largest > 0.0f) {
            std::frexp(largest, &exponent);
            exponent = std::max(exponent - 15, -100); // the largest lies in [2^14, 2^15), except for rows of almost nothing
        }
        const float scale = std::ldexp(1.0f, -exponent);
        for (size_t i = 0; i < n_embd; ++i) {
            row[i] *= scale;
        }
        halves.resize(halves.size() + n_embd);
        ggml_fp32_to_fp16_row(row, halves.data() + halves.size() - n_embd, int64_t(n_embd));
        exponents.push_back(exponent);
    }
};

using HiddenState = std::shared_ptr<StateRows>;

// The name that graphs give to the state after the n-th of the shown blocks.
inline std::string state_name(int n) {
    return "l_out-" + std::to_string(n);
}
