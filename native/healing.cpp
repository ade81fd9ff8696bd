#include "healing.h"

#include "healing_rows.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace {

// Positions at the start of each window whose states are huge in many models.
constexpr int huge_positions = 1;

int position_of(const Stack & kept, int block) {
    const auto at = std::find_if(kept.begin(), kept.end(), [&](const StackedBlock & one) { return one.feed_forward == block; });
    if (at == kept.end()) {
        throw std::runtime_error("block " + std::to_string(block) + " is not among those that run");
    }
    return int(at - kept.begin());
}

Stack up_to(const Stack & kept, int last) {
    Stack blocks;
    std::copy_if(kept.begin(), kept.end(), std::back_inserter(blocks), [&](const StackedBlock & block) { return block.feed_forward <= last; });
    return blocks;
}

Workers workers_of(const ModelCore & core, const CancelFlag & cancel, int n_threads) {
    return { n_threads, [&core, &cancel] {
                if (is_cancelled(core, cancel)) {
                    throw Cancelled();
                }
            } };
}

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

// `begin` gets the numbers of inputs and of outputs before the first token.
static void for_each_token(ModelCore & core, const CancelFlag & cancel, const HealingRun & run, const EquationSettings & settings, const StateRows & target,
                           const std::function<void(int n_in, int n_out)> & begin, const std::function<void(const TokenRow &)> & on_token) {
    const std::lock_guard<std::mutex> lock(core.computing);
    BlockRun blocks(core, cancel, run.windows, run.n_ubatch, run.n_threads);
    const int n_out = blocks.n_embd;
    if (target.n_values() != run.windows.tokens.size() * n_out || (!settings.norm.empty() && settings.norm.size() != size_t(n_out))) {
        throw std::runtime_error("the wanted states belong to other windows, or the norm has another width");
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
            throw std::runtime_error(settings.weight + " does not give as many values as the residual stream is wide");
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
    std::unique_ptr<EquationRows> rows;
    const auto begin = [&](int n_in, int n_out) { rows = std::make_unique<EquationRows>(settings, n_in, n_out); };
    for_each_token(core, cancel, run, settings, target, begin, [&](const TokenRow & row) { rows->add(row, workers); });
    return rows->finish(workers);
}

NormSums norm_sums(ModelCore & core, const CancelFlag & cancel, const HealingRun & run, const EquationSettings & settings, const StateRows & target) {
    const size_t n = settings.norm.size();
    NormSums sums{ std::vector<double>(n), std::vector<double>(n) };
    for_each_token(core, cancel, run, settings, target, [](int, int) {}, [&](const TokenRow & row) {
        // A weight per channel cannot treat one token differently from the others, as a matrix can.
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
    const Stack kept = up_to(run.kept, settings.after);
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
            // What is subtracted from a huge state is lost in rounding.
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
