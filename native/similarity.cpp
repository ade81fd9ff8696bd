#include "similarity.h"

#include "capture.h"
#include "contexts.h"
#include "parallel.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace {

using States = std::vector<StateRows>; // one row per token

class Comparison {
public:
    Comparison(ModelCore & core, const CancelFlag & cancel, const Windows & windows, int n_ubatch, int n_threads)
        : core(core), windows(windows), n_threads(n_threads), n_embd(llama_model_n_embd(core.model.get())), n_states(core.view->n_blocks() + 1),
          group(windows_at_once(windows, 0, n_ubatch)), capture{ core, cancel, {} },
          contexts(core, { windows.length, group, std::max(n_ubatch, windows.length * group), n_threads }, { Capture::on_tensor, Capture::on_abort, &capture }) {}

    Similarities run() {
        result.cosine.assign(size_t(n_states) * n_states, 0.0);
        result.angular.assign(size_t(n_states) * n_states, 0.0);
        std::vector<int> all(n_states - 1);
        for (int i = 0; i < n_states - 1; ++i) {
            all[i] = i;
        }
        for (int first = 0; first < windows.n_windows; first += group) {
            const int n = std::min(group, windows.n_windows - first);
            States states(n_states, StateRows(n_embd));
            // A block made the identity passes on the state before block 0.
            decode({}, first, n, { { state_name(0), &states[0] } });
            std::map<std::string, StateRows *> wanted;
            for (int i = 0; i < n_states - 1; ++i) {
                wanted[state_name(i)] = &states[i + 1];
            }
            decode(whole_blocks(all), first, n, wanted);
            compare(states, n * windows.length);
        }
        const double tokens = double(windows.n_windows) * windows.length;
        for (int a = 0; a < n_states; ++a) {
            for (int b = 0; b < n_states; ++b) {
                const size_t at = size_t(std::min(a, b)) * n_states + std::max(a, b);
                const size_t to = size_t(a) * n_states + b;
                if (a <= b) {
                    result.cosine[to] /= tokens;
                    result.angular[to] /= tokens;
                } else {
                    result.cosine[to] = result.cosine[at];
                    result.angular[to] = result.angular[at];
                }
            }
        }
        return result;
    }

private:
    ModelCore & core;
    const Windows & windows;
    int n_threads;
    int n_embd;
    int n_states;
    int group;
    Capture capture;
    ContextLease contexts;
    Similarities result;

    void decode(const Stack & kept, int first, int n, std::map<std::string, StateRows *> wanted) {
        const LayerView::Shown shown(*core.view, kept);
        capture.wanted = std::move(wanted);
        llama_context * context = contexts.take();
        llama_memory_clear(llama_get_memory(context), true);
        OwnedBatch owned(n * windows.length, 0);
        for (int w = 0; w < n; ++w) {
            for (int position = 0; position < windows.length; ++position) {
                owned.token() = windows.tokens[(size_t(first) + w) * windows.length + position];
                // All rows, although nothing reads the logits: a graph leaves tokens without output out of the last block.
                owned.place(position, w, true);
            }
        }
        const int32_t code = contexts.decode(owned.batch);
        check_decoded(code, is_cancelled(core, capture.cancel));
        contexts.check_fresh();
        for (const auto & [name, state] : capture.wanted) {
            if (state->n_values() != size_t(n) * windows.length * n_embd) {
                throw std::runtime_error("the graph of this architecture gave no hidden state " + name);
            }
        }
    }

    void compare(const States & states, int n_tokens) {
        const size_t cells = size_t(n_states) * n_states;
        const int n_workers = std::clamp(n_threads, 1, n_tokens);
        // All memory is allocated before the threads begin, since an exception in one of them would end the process.
        std::vector<Similarities> parts(n_workers);
        std::vector<std::vector<double>> norms(n_workers, std::vector<double>(n_states));
        for (Similarities & part : parts) {
            part.cosine.assign(cells, 0.0);
            part.angular.assign(cells, 0.0);
        }
        over_threads(n_workers, n_workers, [&](int64_t first, int64_t last) {
            for (int64_t worker = first; worker < last; ++worker) {
                for (int t = int(n_tokens * worker / n_workers); t < int(n_tokens * (worker + 1) / n_workers); ++t) {
                    compare_token(states, t, parts[worker], norms[worker]);
                }
            }
        });
        for (const Similarities & part : parts) {
            for (size_t i = 0; i < cells; ++i) {
                result.cosine[i] += part.cosine[i];
                result.angular[i] += part.angular[i];
            }
        }
    }

    void compare_token(const States & states, int token, Similarities & sums, std::vector<double> & norms) const {
        const auto dot = [&](int a, int b) {
            const float * x = states[a].row(token);
            const float * y = states[b].row(token);
            double sum = 0.0;
            for (int i = 0; i < n_embd; ++i) {
                sum += double(x[i]) * double(y[i]);
            }
            return sum;
        };
        for (int a = 0; a < n_states; ++a) {
            norms[a] = std::sqrt(dot(a, a));
        }
        for (int a = 0; a < n_states; ++a) {
            for (int b = a; b < n_states; ++b) {
                const double cosine = a == b ? 1.0 : std::clamp(dot(a, b) / std::max(norms[a] * norms[b], 1e-30), -1.0, 1.0);
                sums.cosine[size_t(a) * n_states + b] += cosine;
                sums.angular[size_t(a) * n_states + b] += std::acos(cosine) / 3.14159265358979323846;
            }
        }
    }
};

} // namespace

Similarities similarities(ModelCore & core, const CancelFlag & cancel, const Windows & windows, int n_ubatch, int n_threads) {
    const std::lock_guard<std::mutex> lock(core.computing);
    return Comparison(core, cancel, windows, n_ubatch, n_threads).run();
}
