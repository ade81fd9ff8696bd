#include "healing_rows.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace {

// Rows that are multiplied at a time.
constexpr int most_rows = 1024;

double mean_square(const float * values, int n) {
    double sum = 0.0;
    for (int i = 0; i < n; ++i) {
        sum += double(values[i]) * values[i];
    }
    return sum / n;
}

// The sum, with each value limited to ten medians. A token with a huge state (the first of a window in many models) may exceed all others
// together, and must not decide what a ridge means for them.
double usual_sum(std::vector<double> values) {
    constexpr double most_medians = 10.0;
    if (values.empty()) {
        return 0.0;
    }
    const auto middle = values.begin() + values.size() / 2;
    std::nth_element(values.begin(), middle, values.end());
    const double most = *middle > 0.0 ? most_medians * *middle : HUGE_VAL;
    double sum = 0.0;
    for (const double value : values) {
        sum += std::min(value, most);
    }
    return sum;
}

// The normalized value of an RMS norm with weights w that brings w z as close to `wanted` as the length of z allows: z = w y / (w^2 + l)
// with the smallest l >= 0 for which its mean square is at most `most`. Without l, channels of small weights would take all of it.
// Returns the mean square.
double nearest_normed(const std::vector<float> & weights, const std::vector<double> & wanted, double most, std::vector<double> & normed) {
    const size_t n = weights.size();
    const auto at = [&](double l) {
        double sum = 0.0;
        for (size_t i = 0; i < n; ++i) {
            const double w = weights[i];
            normed[i] = w == 0.0 ? 0.0 : w * wanted[i] / (w * w + l);
            sum += normed[i] * normed[i];
        }
        return sum / double(n);
    };
    double square = at(0.0);
    if (square <= most) {
        return square;
    }
    double low = 0.0, high = mean_square(weights.data(), int(n));
    while (at(high) > most) {
        low = high;
        high *= 4.0;
    }
    // The length is corrected afterwards: a small error here only turns the direction a little.
    while (high > low * (1.0 + 1e-4) && high > 1e-30) {
        const double middle = low > 0.0 ? std::sqrt(low * high) : 1e-3 * high;
        (at(middle) > most ? low : high) = middle;
    }
    return at(high);
}

} // namespace

double divisor_of(const EquationSettings & settings, const float * output, int n) {
    return std::sqrt(mean_square(output, n) + settings.norm_epsilon);
}

bool EquationRows::Features::add(const float * row, double weight) {
    const int n = into.equations->n_in;
    for (int i = 0; i < n; ++i) {
        values.push_back(float(weight * row[i]));
    }
    lengths.push_back(weight * weight * mean_square(row, n) * n);
    return std::isfinite(lengths.back());
}

EquationRows::EquationRows(const EquationSettings & settings, int n_in, int n_out) : settings(settings), n_out(n_out) {
    if (settings.on_inputs) {
        kinds.push_back({ { false, std::make_shared<NormalEquations>(n_in, n_out) }, {}, {} });
    }
    if (settings.on_outputs) {
        kinds.push_back({ { true, std::make_shared<NormalEquations>(n_out, n_out) }, {}, {} });
    }
    for (const Features & kind : kinds) {
        for (const float weight : settings.norm) {
            kind.into.equations->counts.push_back(double(weight) * weight);
        }
    }
}

void EquationRows::add(const TokenRow & token, const Workers & workers) {
    double weight = settings.relative == 0.0f ? 1.0 : std::pow(std::max(1e-20, mean_square(token.wanted, n_out)), -0.5 * settings.relative);
    weight /= aim(token);
    for (Features & kind : kinds) {
        if (!kind.add(kind.into.on_outputs ? token.output : token.input, weight)) {
            throw std::runtime_error("the states are not finite");
        }
    }
    for (int i = 0; i < n_out; ++i) {
        targets.push_back(float(weight * missing[i]));
    }
    if (++count == most_rows) {
        flush(workers);
    }
}

void EquationRows::flush(const Workers & workers) {
    for (Features & kind : kinds) {
        if (count > 0) {
            kind.into.equations->add(kind.values, targets, count, workers);
        }
        kind.values.clear();
    }
    targets.clear();
    count = 0;
}

std::vector<FittedEquations> EquationRows::finish(const Workers & workers) {
    flush(workers);
    std::vector<FittedEquations> made;
    for (Features & kind : kinds) {
        kind.into.equations->unit = usual_sum(std::move(kind.lengths)) / kind.into.equations->n_in;
        made.push_back(kind.into);
    }
    return made;
}

// Stores in `missing` what the matrix should give in addition. Returns the divisor of a norm behind it: errors count by that much less.
double EquationRows::aim(const TokenRow & token) {
    missing.resize(n_out);
    if (settings.norm.empty()) {
        for (int i = 0; i < n_out; ++i) {
            missing[i] = (double(token.wanted[i]) - token.state[i]) / settings.scale;
        }
        return 1.0;
    }
    const double standing = divisor_of(settings, token.output, n_out);
    wanted.resize(n_out);
    normed.resize(n_out);
    for (int i = 0; i < n_out; ++i) {
        wanted[i] = settings.norm[i] * (token.output[i] / standing) + (double(token.wanted[i]) - token.state[i]) / settings.scale;
    }
    const double length = mean_square(token.output, n_out) / (standing * standing);
    const double square = nearest_normed(settings.norm, wanted, length, normed);
    if (!std::isfinite(square)) {
        throw std::runtime_error("the states are not finite");
    }
    // The norm restores the length of what is too short, so only its direction is a target.
    const double times = square > 0.0 ? standing * std::sqrt(length / square) : 0.0;
    for (int i = 0; i < n_out; ++i) {
        missing[i] = times > 0.0 ? times * normed[i] - token.output[i] : 0.0;
    }
    return standing;
}
