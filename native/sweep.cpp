#include "sweep.h"

#include "losses.h"

#include "ggml-backend.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <string>

namespace {

// The residual stream of all windows before a block: n_windows x length x n_embd.
using HiddenState = std::shared_ptr<std::vector<float>>;

// Collects the outputs of blocks while a graph runs (ggml_backend_sched_eval_callback).
struct Capture {
    const ModelCore & core;
    const CancelFlag & cancel;
    std::map<std::string, std::vector<float> *> wanted;

    static bool callback(ggml_tensor * tensor, bool ask, void * data) {
        auto & self = *static_cast<Capture *>(data);
        const auto it = self.wanted.find(tensor->name);
        if (ask) {
            return it != self.wanted.end();
        }
        if (it != self.wanted.end()) {
            const size_t n = ggml_nelements(tensor);
            auto & state = *it->second;
            state.resize(state.size() + n);
            ggml_backend_tensor_get(tensor, state.data() + state.size() - n, 0, n * sizeof(float));
        }
        return !is_cancelled(self.core, self.cancel);
    }
};

// FNV-1a over the bit patterns: equal digests mean equal bits, for all that a test can tell.
constexpr uint64_t digest_start = 0xcbf29ce484222325ull;

uint64_t digest_of(uint64_t hash, const float * values, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        uint32_t bits;
        std::memcpy(&bits, values + i, sizeof bits);
        hash = (hash ^ bits) * 0x100000001b3ull;
    }
    return hash;
}

class Sweep {
public:
    Sweep(ModelCore & core, const CancelFlag & cancel, const Masks & masks, const Windows & windows, const SweepSettings & settings)
        : core(core), cancel(cancel), masks(masks), windows(windows), settings(settings), walk(masks) {
        n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(core.model.get()));
        n_embd = llama_model_n_embd(core.model.get());
        const int wanted = settings.batch_windows > 0 ? settings.batch_windows : settings.n_ubatch / std::max(1, windows.length);
        group = std::clamp(wanted, 1, std::max(1, windows.n_windows));
        // llama.cpp interleaves windows that do not fit a ubatch together: their hidden states would come out of order.
        share_prefixes = settings.share_prefixes && (group == 1 || group * windows.length <= settings.n_ubatch);
        scored = windows.length - 1 - settings.score_from;
        state_size = size_t(windows.n_windows) * windows.length * n_embd * sizeof(float);
    }

    SweepStats run(const OnMask & on_mask) {
        for (int i = 0; i < masks.n_masks; ++i) {
            if (is_cancelled(core, cancel)) {
                throw Cancelled();
            }
            if (i > 0 && walk.shared[i] == masks.n_blocks) {
                last.mask = walk.order[i]; // the same mask again
            } else {
                measure(i);
            }
            stats.tokens_done += int64_t(windows.n_windows) * windows.length;
            on_mask(MaskResult(last), stats);
        }
        return stats;
    }

private:
    ModelCore & core;
    const CancelFlag & cancel;
    const Masks & masks;
    const Windows & windows;
    const SweepSettings & settings;
    MaskWalk walk;
    int n_vocab = 0;
    int n_embd = 0;
    bool share_prefixes = false;
    int group = 1;  // windows in one decode
    int scored = 0; // positions scored in a window
    size_t state_size = 0;
    std::map<int, HiddenState> states; // before block `depth` of the current mask
    SweepStats stats;
    MaskResult last;

    void measure(int i) {
        const int mask = walk.order[i];
        while (!states.empty() && states.rbegin()->first > walk.shared[i]) {
            states.erase(std::prev(states.end()));
        }
        const int depth = states.empty() ? 0 : states.rbegin()->first;
        const HiddenState from = states.empty() ? nullptr : states.rbegin()->second;
        const std::vector<int> kept = masks.kept(mask, depth);

        Capture capture{ core, cancel, {} };
        if (share_prefixes) {
            plan_captures(i, depth, from, kept, capture);
        }
        last = MaskResult{ mask, std::vector<double>(windows.n_windows, 0.0), {}, {} };
        if (settings.per_token) {
            last.tokens.resize(size_t(windows.n_windows) * scored);
        }
        if (settings.digest) {
            last.digests.resize(windows.n_windows);
        }
        decode(kept, from.get(), capture);
        check_captures(capture);

        const int64_t executed = int64_t(kept.size()) + core.view->identities_needed(kept);
        stats.blocks_done += executed;
        stats.blocks_saved += std::max<int64_t>(0, int64_t(masks.kept(mask, 0).size()) - executed);
    }

    // Asks for the hidden states from which later masks resume.
    void plan_captures(int i, int depth, const HiddenState & from, const std::vector<int> & kept, Capture & capture) {
        std::map<int, HiddenState> after; // kept blocks passed -> state, shared by depths with only removed blocks in between
        after[0] = from;
        for (const int branch : walk.branch_depths(i, depth)) {
            const int passed = int(std::lower_bound(kept.begin(), kept.end(), branch) - kept.begin());
            if (after.count(passed) == 0) {
                if (passed >= int(kept.size()) || (states.size() + 1) * state_size > settings.state_bytes) {
                    continue;
                }
                after[passed] = std::make_shared<std::vector<float>>();
                after[passed]->reserve(state_size / sizeof(float));
                capture.wanted["l_out-" + std::to_string(passed - 1)] = after[passed].get();
            }
            if (after[passed]) {
                states[branch] = after[passed];
            }
        }
    }

    void check_captures(const Capture & capture) const {
        for (const auto & [name, state] : capture.wanted) {
            if (state->size() * sizeof(float) != state_size) {
                throw std::runtime_error("the graph of this architecture gave no hidden state " + name + " (got " + std::to_string(state->size()) +
                                         " values, expected " + std::to_string(state_size / sizeof(float)) + ")");
            }
        }
    }

    llama_context_ptr make_context(Capture & capture) {
        llama_context_params params = llama_context_default_params();
        const uint32_t cells = (uint32_t(windows.length) + 255) / 256 * 256; // llama.cpp rounds the cells of a sequence up to 256
        params.n_ctx = cells * group;
        params.n_batch = group == 1 ? std::min(windows.length, settings.n_ubatch) : windows.length * group;
        params.n_ubatch = std::min<uint32_t>(params.n_batch, settings.n_ubatch);
        params.n_seq_max = group;
        params.kv_unified = false;
        params.n_threads = params.n_threads_batch = settings.n_threads;
        params.no_perf = true;
        params.abort_callback = [](void * data) { return is_cancelled(static_cast<Capture *>(data)->core, static_cast<Capture *>(data)->cancel); };
        params.abort_callback_data = &capture;
        if (!capture.wanted.empty()) {
            params.cb_eval = Capture::callback;
            params.cb_eval_user_data = &capture;
        }
        llama_context_ptr context(llama_init_from_model(core.model.get(), params));
        if (!context) {
            throw std::runtime_error("llama.cpp could not make a context for this set of blocks");
        }
        return context;
    }

    void decode(const std::vector<int> & kept, const std::vector<float> * from, Capture & capture) {
        struct Restore {
            LayerView & view;
            ~Restore() { view.restore(); }
        };
        core.view->apply(kept);
        Restore restore{ *core.view };
        // Declared after the guard: the context is freed while the view still stands.
        llama_context_ptr context = make_context(capture);

        // A window longer than a ubatch is decoded ubatch by ubatch, as llama.cpp would do inside: only one ubatch's logits are held.
        const int piece = group == 1 ? std::min(windows.length, settings.n_ubatch) : windows.length;
        const int n_tokens = group * piece;
        struct BatchGuard {
            llama_batch batch;
            ~BatchGuard() { llama_batch_free(batch); }
        } guard{ llama_batch_init(n_tokens, from != nullptr ? n_embd : 0, 1) };
        for (int first = 0; first < windows.n_windows; first += group) {
            const int n = std::min(group, windows.n_windows - first);
            // Cleared to zeros, not only forgotten: a NaN left by one group of windows must not reach the next.
            llama_memory_clear(llama_get_memory(context.get()), true);
            begin_scores(first, n);
            for (int at = 0; at < windows.length; at += piece) {
                const int end = std::min(windows.length, at + piece);
                fill_batch(guard.batch, first, n, at, end, from);
                const int32_t code = llama_decode(context.get(), guard.batch);
                if (is_cancelled(core, cancel)) {
                    throw Cancelled();
                }
                if (code != 0) {
                    throw std::runtime_error("llama_decode failed with code " + std::to_string(code));
                }
                llama_synchronize(context.get());
                if (outputs_between(at, end) > 0) {
                    score(llama_get_logits(context.get()), first, n, at, end);
                }
            }
            end_scores(first, n);
        }
    }

    bool is_output(int position) const {
        return position >= settings.score_from && (settings.output_last || position + 1 < windows.length);
    }

    int outputs_between(int at, int end) const {
        const int last = settings.output_last ? windows.length : windows.length - 1;
        return std::max(0, std::min(end, last) - std::max(at, settings.score_from));
    }

    // Positions at..end-1 of n windows.
    void fill_batch(llama_batch & batch, int first, int n, int at, int end, const std::vector<float> * from) const {
        int k = 0;
        for (int w = 0; w < n; ++w) {
            const size_t row = (size_t(first) + w) * windows.length;
            for (int position = at; position < end; ++position, ++k) {
                if (from == nullptr) {
                    batch.token[k] = windows.tokens[row + position];
                } else {
                    std::memcpy(batch.embd + size_t(k) * n_embd, from->data() + (row + position) * n_embd, n_embd * sizeof(float));
                }
                batch.pos[k] = position;
                batch.n_seq_id[k] = 1;
                batch.seq_id[k][0] = w;
                batch.logits[k] = is_output(position);
            }
        }
        batch.n_tokens = k;
    }

    void begin_scores(int first, int n) {
        for (int w = first; w < first + n; ++w) {
            last.losses[w] = 0.0;
            if (settings.digest) {
                last.digests[w] = digest_start;
            }
        }
    }

    void end_scores(int first, int n) {
        for (int w = first; w < first + n; ++w) {
            last.losses[w] /= scored;
        }
    }

    // Adds the losses of positions at..end-1, whose logits these are.
    void score(const float * logits, int first, int n, int at, int end) {
        const int rows = outputs_between(at, end);
        const int start = std::max(at, settings.score_from);
        const int targets_n = std::min(rows, windows.length - 1 - start);
        std::vector<double> losses(std::max(0, targets_n));
        for (int w = 0; w < n; ++w) {
            const float * block = logits + size_t(w) * rows * n_vocab;
            const int32_t * tokens = windows.tokens.data() + (size_t(first) + w) * windows.length;
            if (settings.digest) {
                last.digests[first + w] = digest_of(last.digests[first + w], block, size_t(std::max(0, targets_n)) * n_vocab);
            }
            token_losses(block, n_vocab, tokens + start + 1, targets_n, settings.n_threads, losses.data());
            for (int t = 0; t < targets_n; ++t) {
                last.losses[first + w] += losses[t];
                if (settings.per_token) {
                    last.tokens[(size_t(first) + w) * scored + (start - settings.score_from) + t] = float(losses[t]);
                }
            }
        }
    }
};

} // namespace

SweepStats sweep(ModelCore & core, const CancelFlag & cancel, const Masks & masks, const Windows & windows, const SweepSettings & settings, const OnMask & on_mask) {
    const std::lock_guard<std::mutex> lock(core.computing);
    return Sweep(core, cancel, masks, windows, settings).run(on_mask);
}
