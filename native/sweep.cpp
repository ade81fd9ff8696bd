#include "sweep.h"

#include "capture.h"
#include "contexts.h"
#include "scored_positions.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <set>
#include <string>

namespace {

// FNV-1a over the bit patterns: in practice, equal digests mean equal bits.
constexpr uint64_t digest_start = 0xcbf29ce484222325ull;

uint64_t digest_of(uint64_t hash, const float * values, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        uint32_t bits;
        std::memcpy(&bits, values + i, sizeof bits);
        hash = (hash ^ bits) * 0x100000001b3ull;
    }
    return hash;
}

// If every position that predicts something is scored, the last one of a window also gets logits, which nothing reads. The last
// block then runs for all rows, so that the state after it can be kept for masks that resume there.
bool every_output(const SweepSettings & settings) {
    return settings.scored.empty() && settings.score_from == 0;
}

class Sweep {
public:
    Sweep(ModelCore & core, const CancelFlag & cancel, const Masks & masks, const Windows & windows, const SweepSettings & settings,
          LayerView::Versions & versions)
        : versions(versions), core(core), cancel(cancel), masks(masks), windows(windows), settings(settings), all_outputs(every_output(settings)),
          output_last(all_outputs || settings.output_last), walk(masks, all_outputs ? MaskWalk::First::without : MaskWalk::First::with),
          group(windows_at_once(windows, settings.batch_windows, settings.n_ubatch)),
          positions(windows.n_windows, windows.length, settings.score_from, settings.scored), capture{ core, cancel, {} },
          contexts(core, { windows.length, group, settings.n_ubatch, settings.n_threads }, { Capture::on_tensor, Capture::on_abort, &capture }) {
        dirty = contexts.dirty();
        n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(core.model.get()));
        n_embd = llama_model_n_embd(core.model.get());
        // llama.cpp interleaves windows that do not fit a ubatch together, so their hidden states would come out of order.
        one_ubatch = group == 1 || group * windows.length <= settings.n_ubatch;
        share_prefixes = settings.share_prefixes && one_ubatch;
        plain_memory = core.view->uniform() && !llama_model_is_recurrent(core.model.get()) && !llama_model_is_hybrid(core.model.get());
        state_rows = size_t(windows.n_windows) * windows.length;
        state_size = StateRows::size(state_rows, n_embd, settings.half_states);
        if (settings.keep) {
            settings.keep->n_vocab = n_vocab;
            settings.keep->steps.resize(size_t(positions.total()) * n_vocab);
            settings.keep->top.resize(positions.total());
        }
        if (settings.reference && (settings.reference->n_vocab != n_vocab || settings.reference->n_rows() != positions.total())) {
            throw std::runtime_error("the reference was made for another vocabulary or for other positions");
        }
    }

    SweepStats run(const OnMask & on_mask) {
        for (int i = 0; i < masks.n_masks; ++i) {
            if (is_cancelled(core, cancel)) {
                throw Cancelled();
            }
            if (i > 0 && walk.shared[i] == masks.n_blocks) {
                last.mask = walk.order[i]; // the same mask again
                stats.blocks_saved += int64_t(masks.kept(last.mask, 0).size());
            } else {
                measure(i);
            }
            stats.tokens_done += int64_t(windows.n_windows) * windows.length;
            on_mask(MaskResult(last), stats);
        }
        // Drawn positions do not show every value, and no loss shows the last position of a window. A decode of whole windows always
        // overwrites that one.
        contexts.leave(dirty || !settings.scored.empty() || !one_ubatch || windows.length > settings.n_ubatch);
        return stats;
    }

private:
    LayerView::Versions & versions;
    ModelCore & core;
    const CancelFlag & cancel;
    const Masks & masks;
    const Windows & windows;
    const SweepSettings & settings;
    bool all_outputs;        // every position has logits
    bool output_last;        // the last position of a window has logits, which nothing reads
    MaskWalk walk;
    int group = 1;
    ScoredPositions positions;
    Capture capture;
    ContextLease contexts;
    int n_vocab = 0;
    int n_embd = 0;
    bool one_ubatch = false; // a decode is one ubatch
    bool share_prefixes = false;
    bool plain_memory = false; // keys and values of one kind only
    bool dirty;              // the memory may hold values that are not finite
    size_t state_rows = 0;
    size_t state_size = 0;   // bytes
    std::map<int, HiddenState> states; // before block `depth` of the current mask
    SweepStats stats;
    MaskResult last;

    void measure(int i) {
        const int mask = walk.order[i];
        while (!states.empty() && states.rbegin()->first > walk.shared[i]) {
            states.erase(std::prev(states.end()));
        }
        auto last_state = states.rbegin();
        while (last_state != states.rend() && !walk.resumes(masks, mask, last_state->first)) {
            ++last_state;
        }
        const int depth = last_state == states.rend() ? 0 : last_state->first;
        const HiddenState from = last_state == states.rend() ? nullptr : last_state->second;
        const Stack kept = masks.kept(mask, depth);

        capture.wanted.clear();
        if (share_prefixes) {
            plan_captures(i, depth, from, kept);
        }
        begin_scores(mask);
        versions.show(masks.row(mask));
        decode(kept, from.get());
        end_scores();
        check_captures();

        const int64_t executed = int64_t(kept.size()) + core.view->identities_needed(kept);
        stats.blocks_done += executed;
        stats.blocks_saved += std::max<int64_t>(0, int64_t(masks.kept(mask, 0).size()) - executed);
    }

    // Asks for the hidden states from which later masks resume.
    void plan_captures(int i, int depth, const HiddenState & from, const Stack & kept) {
        std::map<int, HiddenState> after; // kept blocks passed -> state, shared by depths with only removed blocks in between
        after[0] = from;
        for (const int branch : walk.branch_depths(masks, i, depth)) {
            if (states.count(branch) > 0) {
                continue; // this mask could not be resumed from it
            }
            const int passed = int(std::count_if(kept.begin(), kept.end(), [&](const StackedBlock & block) { return block.feed_forward < branch; }));
            if (after.count(passed) == 0) {
                const bool whole = passed < int(kept.size()) || all_outputs;
                if (!whole || (held_states() + 1) * state_size > settings.state_bytes) {
                    continue;
                }
                const auto state = std::make_shared<StateRows>(n_embd, settings.half_states);
                try {
                    state->reserve(state_rows);
                } catch (const std::bad_alloc &) {
                    continue; // computed again
                }
                after[passed] = state;
                capture.wanted[state_name(passed - 1)] = after[passed].get();
            }
            if (after[passed]) {
                states[branch] = after[passed];
            }
        }
    }

    // Depths with only removed blocks in between share one.
    size_t held_states() const {
        std::set<const StateRows *> distinct;
        for (const auto & [depth, state] : states) {
            if (state) {
                distinct.insert(state.get());
            }
        }
        return distinct.size();
    }

    void check_captures() const {
        for (const auto & [name, state] : capture.wanted) {
            if (state->n_values() != state_rows * n_embd) {
                throw std::runtime_error("the graph of this architecture gave no hidden state " + name + " (got " + std::to_string(state->n_values()) +
                                         " values, expected " + std::to_string(state_rows * n_embd) + ")");
            }
        }
    }

    void decode(const Stack & kept, const StateRows * from) {
        const LayerView::Shown shown(*core.view, kept);
        llama_context * context = contexts.take();

        // A window longer than a ubatch is decoded ubatch by ubatch, as llama.cpp does internally: only one ubatch's logits are held.
        const int piece = group == 1 ? std::min(windows.length, settings.n_ubatch) : windows.length;
        OwnedBatch owned(group * piece, from != nullptr ? n_embd : 0);
        bool first_decode = true;
        for (int first = 0; first < windows.n_windows; first += group) {
            const int n = std::min(group, windows.n_windows - first);
            clear_memory(context);
            for (int at = 0; at < windows.length; at += piece) {
                const int end = std::min(windows.length, at + piece);
                const int outputs = fill(owned, { first, n, at, end }, from);
                const int32_t code = contexts.decode(owned.batch);
                check_decoded(code, is_cancelled(core, cancel));
                if (first_decode && one_ubatch) {
                    contexts.check_fresh();
                }
                first_decode = false;
                llama_synchronize(context);
                if (outputs > 0) {
                    score(llama_get_logits(context), { first, n, at, end });
                }
            }
        }
    }

    // Cells are masked until they are written again, but masking does not stop a NaN. So values are zeroed if one may be left:
    // the losses of drawn positions do not show all of them.
    void clear_memory(llama_context * context) {
        llama_memory_clear(llama_get_memory(context), dirty || !plain_memory || !settings.scored.empty());
        dirty = false;
    }

    bool is_output(int window, int position) const {
        return positions.at(window, position) || (output_last && position + 1 == windows.length);
    }

    // Positions at..end-1 of n windows, starting with window `first`.
    struct Span {
        int first;
        int n;
        int at;
        int end;
    };

    // Returns how many rows of logits the span has.
    int fill(OwnedBatch & owned, const Span & span, const StateRows * from) const {
        int outputs = 0;
        owned.clear();
        for (int w = 0; w < span.n; ++w) {
            const size_t row = (size_t(span.first) + w) * windows.length;
            for (int position = span.at; position < span.end; ++position) {
                if (from == nullptr) {
                    owned.token() = windows.tokens[row + position];
                } else {
                    from->read(row + position, owned.state());
                }
                const bool output = is_output(span.first + w, position);
                owned.place(position, w, output);
                outputs += output;
            }
        }
        return outputs;
    }

    void begin_scores(int mask) {
        last = MaskResult();
        last.mask = mask;
        last.losses.assign(windows.n_windows, 0.0);
        last.tokens.resize(settings.per_token ? positions.total() : 0);
        if (settings.digest) {
            last.digests.assign(windows.n_windows, digest_start);
        }
        if (settings.reference) {
            last.divergences.assign(windows.n_windows, 0.0);
            last.agreements.assign(windows.n_windows, 0.0);
            last.token_divergences.resize(settings.per_token ? positions.total() : 0);
            last.token_agreements.resize(settings.per_token ? positions.total() : 0);
        }
    }

    void end_scores() {
        for (int w = 0; w < windows.n_windows; ++w) {
            last.losses[w] /= positions.in_window(w);
            if (settings.reference) {
                last.divergences[w] /= positions.in_window(w);
                last.agreements[w] /= positions.in_window(w);
            }
        }
    }

    // The span's logits, row by row.
    void score(const float * logits, const Span & span) {
        for (int w = span.first; w < span.first + span.n; ++w) {
            std::vector<int32_t> targets;
            for (int position = span.at; position < span.end; ++position) {
                if (positions.at(w, position)) {
                    targets.push_back(windows.tokens[size_t(w) * windows.length + position + 1]);
                }
            }
            score_window(logits, w, positions.row(w, span.at), targets);
            const bool extra = output_last && span.end == windows.length;
            logits += (targets.size() + (extra ? 1 : 0)) * size_t(n_vocab);
        }
    }

    void score_window(const float * logits, int window, int64_t row, const std::vector<int32_t> & targets) {
        const size_t n = targets.size();
        std::vector<double> losses(n);
        std::vector<float> divergences(settings.reference ? n : 0);
        std::vector<uint8_t> agreements(settings.reference ? n : 0);
        if (settings.digest) {
            last.digests[window] = digest_of(last.digests[window], logits, n * n_vocab);
        }
        if (settings.keep) {
            keep_rows(logits, int64_t(n), settings.n_threads, *settings.keep, row);
        }
        score_rows(logits, n_vocab, targets.data(), int64_t(n), settings.n_threads, settings.reference.get(), row,
                   { losses.data(), divergences.data(), agreements.data() });
        for (size_t i = 0; i < n; ++i) {
            last.losses[window] += losses[i];
            dirty = dirty || !(losses[i] < 1e30);
            if (settings.per_token) {
                last.tokens[row + i] = float(losses[i]);
            }
            if (settings.reference) {
                last.divergences[window] += divergences[i];
                last.agreements[window] += agreements[i];
                if (settings.per_token) {
                    last.token_divergences[row + i] = divergences[i];
                    last.token_agreements[row + i] = agreements[i];
                }
            }
        }
    }
};

// Graphs hold the matrices that they were built with, so contexts that ran versions of blocks are freed with them.
struct ContextsGone {
    ModelCore & core;
    bool active;
    ~ContextsGone() {
        if (active) {
            core.contexts.reset();
        }
    }
};

} // namespace

SweepStats sweep(ModelCore & core, const CancelFlag & cancel, const Masks & masks, const Windows & windows, const SweepSettings & settings, const OnMask & on_mask) {
    const std::lock_guard<std::mutex> lock(core.computing);
    LayerView::Versions versions(*core.view, settings.versions);
    const ContextsGone gone{ core, !settings.versions.empty() };
    return Sweep(core, cancel, masks, windows, settings, versions).run(on_mask);
}
