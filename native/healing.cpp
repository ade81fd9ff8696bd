#include "healing.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace {

// Rows that are multiplied at a time.
constexpr int most_rows = 1024;
// Positions at the start of each window whose states are huge in many models.
constexpr int huge_positions = 1;

int position_of(const std::vector<int> & kept, int block) {
    const auto at = std::find(kept.begin(), kept.end(), block);
    if (at == kept.end()) {
        throw std::runtime_error("block " + std::to_string(block) + " is not among those that run");
    }
    return int(at - kept.begin());
}

std::vector<int> up_to(const std::vector<int> & kept, int last) {
    std::vector<int> blocks;
    std::copy_if(kept.begin(), kept.end(), std::back_inserter(blocks), [&](int block) { return block <= last; });
    return blocks;
}

double mean_square(const float * values, int n) {
    double sum = 0.0;
    for (int i = 0; i < n; ++i) {
        sum += double(values[i]) * values[i];
    }
    return sum / n;
}

// The sum, with at most ten medians of each: a token with a huge state (the first of a window in many models) may be longer than all
// others together, and must not say what a ridge means for them.
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

// What an RMS norm divides by.
double divisor_of(const EquationSettings & settings, const float * output, int n) {
    return std::sqrt(mean_square(output, n) + settings.norm_epsilon);
}

// What an RMS norm with weights w should divide to, so that w z comes as near to `wanted` as the length of z allows: z = w y / (w^2 + l)
// with the smallest l >= 0 for which its mean square is no more than `most`. Without l channels of small weights would take all of it.
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
    // The length is made right afterwards: a little off here only turns the direction a little.
    while (high > low * (1.0 + 1e-4) && high > 1e-30) {
        const double middle = low > 0.0 ? std::sqrt(low * high) : 1e-3 * high;
        (at(middle) > most ? low : high) = middle;
    }
    return at(high);
}

Workers workers_of(const ModelCore & core, const CancelFlag & cancel, int n_threads) {
    return { n_threads, [&core, &cancel] {
                if (is_cancelled(core, cancel)) {
                    throw Cancelled();
                }
            } };
}

// Weighted rows on their way into the normal equations of one kind of features.
struct Features {
    FittedEquations into;
    std::vector<float> values;
    std::vector<double> lengths; // squares of each row

    // Returns whether they are finite.
    bool add(const float * row, double weight) {
        const int n = into.equations->n_in;
        for (int i = 0; i < n; ++i) {
            values.push_back(float(weight * row[i]));
        }
        lengths.push_back(weight * weight * mean_square(row, n) * n);
        return std::isfinite(lengths.back());
    }
};

class Rows {
public:
    Rows(const EquationSettings & settings, int n_in, int n_out) : settings(settings), n_out(n_out) {
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

    // One token: what the matrix is multiplied with and what it gives, the state that stands and the one that is wanted.
    void add(const float * input, const float * output, const float * state, const float * target) {
        double weight = settings.relative == 0.0f ? 1.0 : std::pow(std::max(1e-20, mean_square(target, n_out)), -0.5 * settings.relative);
        weight /= aim(output, state, target);
        for (Features & kind : kinds) {
            if (!kind.add(kind.into.on_outputs ? output : input, weight)) {
                throw std::runtime_error("the states are not finite");
            }
        }
        for (int i = 0; i < n_out; ++i) {
            targets.push_back(float(weight * missing[i]));
        }
        ++count;
    }

    void flush(const Workers & workers) {
        for (Features & kind : kinds) {
            if (count > 0) {
                kind.into.equations->add(kind.values, targets, count, workers);
            }
            kind.values.clear();
        }
        targets.clear();
        count = 0;
    }

    // Of all rows.
    std::vector<FittedEquations> finish(const Workers & workers) {
        flush(workers);
        std::vector<FittedEquations> made;
        for (Features & kind : kinds) {
            kind.into.equations->unit = usual_sum(std::move(kind.lengths)) / kind.into.equations->n_in;
            made.push_back(kind.into);
        }
        return made;
    }

    int count = 0;

private:
    // Into `missing` what the matrix should give more. Returns by what a norm behind it would divide the sum: errors count by as much less.
    double aim(const float * output, const float * state, const float * target) {
        missing.resize(n_out);
        if (settings.norm.empty()) {
            for (int i = 0; i < n_out; ++i) {
                missing[i] = (double(target[i]) - state[i]) / settings.scale;
            }
            return 1.0;
        }
        const double standing = divisor_of(settings, output, n_out);
        wanted.resize(n_out);
        normed.resize(n_out);
        for (int i = 0; i < n_out; ++i) {
            wanted[i] = settings.norm[i] * (output[i] / standing) + (double(target[i]) - state[i]) / settings.scale;
        }
        const double length = mean_square(output, n_out) / (standing * standing);
        const double square = nearest_normed(settings.norm, wanted, length, normed);
        if (!std::isfinite(square)) {
            throw std::runtime_error("the states are not finite");
        }
        // The norm makes what is shorter than what stands as long: its direction is what can be given.
        const double times = square > 0.0 ? standing * std::sqrt(length / square) : 0.0;
        for (int i = 0; i < n_out; ++i) {
            missing[i] = times > 0.0 ? times * normed[i] - output[i] : 0.0;
        }
        return standing;
    }

    const EquationSettings & settings;
    int n_out;
    std::vector<double> wanted;
    std::vector<double> normed;
    std::vector<double> missing;
    std::vector<Features> kinds;
    std::vector<float> targets;
};

} // namespace

std::vector<std::shared_ptr<StateRows>> hidden_states(ModelCore & core, const CancelFlag & cancel, const HealingRun & run, const std::vector<int> & after) {
    const std::lock_guard<std::mutex> lock(core.computing);
    BlockRun blocks(core, cancel, run.windows, run.n_ubatch, run.n_threads);
    GraphTap tap;
    std::vector<std::shared_ptr<StateRows>> states;
    std::vector<std::string> names;
    for (const int block : after) {
        names.push_back(state_name(position_of(run.kept, block)));
        tap.named[names.back()];
        states.push_back(std::make_shared<StateRows>(blocks.n_embd));
        states.back()->reserve(run.windows.tokens.size());
    }
    blocks.run(up_to(run.kept, *std::max_element(after.begin(), after.end())), run.from.get(), tap, [&](int, int) {
        for (size_t i = 0; i < after.size(); ++i) {
            const std::vector<float> & values = tap.named[names[i]];
            states[i]->append(values.size(), [&](float * to) { std::copy(values.begin(), values.end(), to); });
        }
    });
    return states;
}

// What a matrix does to each token: its inputs and outputs, the state that stands after the block and the one that is wanted.
struct TokenRow {
    const float * input;
    const float * output;
    const float * state;
    const float * wanted;
    int position;
};

// `begin` gets the numbers of inputs and of outputs before the first token.
static void for_each_token(ModelCore & core, const CancelFlag & cancel, const HealingRun & run, const EquationSettings & settings, const StateRows & target,
                           const std::function<void(int n_in, int n_out)> & begin, const std::function<void(const TokenRow &)> & on_token) {
    const std::lock_guard<std::mutex> lock(core.computing);
    BlockRun blocks(core, cancel, run.windows, run.n_ubatch, run.n_threads);
    const int n_out = blocks.n_embd;
    if (target.n_values() != run.windows.tokens.size() * n_out || (!settings.norm.empty() && settings.norm.size() != size_t(n_out))) {
        throw std::runtime_error("the wanted states are of other windows, or the norm is of another width");
    }
    const std::string state = state_name(position_of(run.kept, settings.after));
    GraphTap tap;
    tap.named[state];
    tap.weight = settings.weight;
    tap.want_outputs = true;
    bool begun = false;
    std::vector<float> wanted(n_out);
    blocks.run(up_to(run.kept, settings.after), run.from.get(), tap, [&](int first, int n) {
        const int n_tokens = n * run.windows.length;
        const int n_in = int(tap.inputs.size() / n_tokens);
        if (tap.outputs.size() != size_t(n_tokens) * n_out) {
            throw std::runtime_error(settings.weight + " does not give one value for each of the residual stream");
        }
        if (!begun) {
            begin(n_in, n_out);
            begun = true;
        }
        const std::vector<float> & states = tap.named[state];
        for (int k = 0; k < n_tokens; ++k) {
            target.read(size_t(first) * run.windows.length + k, wanted.data());
            on_token({ &tap.inputs[size_t(k) * n_in], &tap.outputs[size_t(k) * n_out], &states[size_t(k) * n_out], wanted.data(), k % run.windows.length });
        }
    });
}

std::vector<FittedEquations> normal_equations(ModelCore & core, const CancelFlag & cancel, const HealingRun & run, const EquationSettings & settings,
                                              const StateRows & target) {
    const Workers workers = workers_of(core, cancel, run.n_threads);
    std::unique_ptr<Rows> rows;
    const auto begin = [&](int n_in, int n_out) { rows = std::make_unique<Rows>(settings, n_in, n_out); };
    for_each_token(core, cancel, run, settings, target, begin, [&](const TokenRow & row) {
        rows->add(row.input, row.output, row.state, row.wanted);
        if (rows->count == most_rows) {
            rows->flush(workers);
        }
    });
    return rows->finish(workers);
}

NormSums norm_sums(ModelCore & core, const CancelFlag & cancel, const HealingRun & run, const EquationSettings & settings, const StateRows & target) {
    const size_t n = settings.norm.size();
    NormSums sums{ std::vector<double>(n), std::vector<double>(n) };
    for_each_token(core, cancel, run, settings, target, [](int, int) {}, [&](const TokenRow & row) {
        // A weight for each channel cannot hold one token apart from the others, as a matrix can.
        if (row.position < huge_positions) {
            return;
        }
        const double divisor = divisor_of(settings, row.output, int(n));
        for (size_t i = 0; i < n; ++i) {
            const double normed = double(row.output[i]) / divisor;
            sums.products[i] += normed * (settings.norm[i] * normed + (double(row.wanted[i]) - row.state[i]) / settings.scale);
            sums.squares[i] += normed * normed;
        }
    });
    return sums;
}

OutputPath output_path(ModelCore & core, const CancelFlag & cancel, const HealingRun & run, const EquationSettings & settings) {
    const std::lock_guard<std::mutex> lock(core.computing);
    BlockRun blocks(core, cancel, run.windows, run.n_ubatch, run.n_threads);
    const int n_out = blocks.n_embd;
    const std::string state = state_name(position_of(run.kept, settings.after));
    const std::vector<int> kept = up_to(run.kept, settings.after);
    GraphTap tap;
    tap.named[state];
    tap.weight = settings.weight;
    tap.want_outputs = true;
    std::vector<float> with;
    std::vector<float> given;
    blocks.run(kept, run.from.get(), tap, [&](int, int) {
        with.insert(with.end(), tap.named[state].begin(), tap.named[state].end());
        given.insert(given.end(), tap.outputs.begin(), tap.outputs.end());
    });
    if (given.size() != with.size()) {
        return {};
    }
    if (!settings.norm.empty()) {
        for (size_t row = 0; row + n_out <= given.size(); row += n_out) {
            const double divisor = divisor_of(settings, &given[row], n_out);
            for (int i = 0; i < n_out; ++i) {
                given[row + i] *= float(settings.norm[i] / divisor);
            }
        }
    }
    const LayerView::Zeroed zeroed(*core.view, settings.weight);
    GraphTap other;
    other.named[state];
    size_t at = 0;
    double product = 0.0, squares = 0.0, difference = 0.0;
    blocks.run(kept, run.from.get(), other, [&](int, int) {
        for (const float without : other.named[state]) {
            // What is taken from a huge state is lost in rounding.
            if (int(at / n_out) % run.windows.length < huge_positions) {
                ++at;
                continue;
            }
            const double step = double(with[at]) - without;
            product += step * given[at];
            squares += double(given[at]) * given[at];
            difference += step * step;
            ++at;
        }
    });
    OutputPath path;
    if (squares > 0.0 && difference > 0.0) {
        path.scale = product / squares;
        path.unexplained = std::max(0.0, 1.0 - product * product / (squares * difference));
    }
    return path;
}
