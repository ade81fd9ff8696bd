#include "sampler.h"

#include "contexts.h"
#include "parallel.h"
#include "random.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>
#include <string>

namespace {

constexpr int32_t not_finite = -1;

// A token, or not_finite if the logits are not finite.
int32_t draw(const float * logits, int n_vocab, float temperature, std::mt19937_64 & random) {
    const float * most = std::max_element(logits, logits + n_vocab);
    const float max = *most;
    if (!std::isfinite(max)) {
        return not_finite;
    }
    if (temperature == 0.0f) {
        return int32_t(most - logits);
    }
    static thread_local std::vector<double> weights;
    weights.resize(n_vocab);
    double total = 0.0;
    for (int i = 0; i < n_vocab; ++i) {
        weights[i] = std::exp(double(logits[i] - max) / temperature);
        total += weights[i];
    }
    if (!std::isfinite(total)) {
        return not_finite;
    }
    // 53 random bits: the same on every standard library, unlike std::uniform_real_distribution.
    double left = double(random() >> 11) * 0x1.0p-53 * total;
    int32_t last_possible = 0;
    for (int i = 0; i < n_vocab; ++i) {
        if (weights[i] > 0.0) {
            last_possible = i;
        }
        left -= weights[i];
        if (left < 0.0) {
            return i;
        }
    }
    return last_possible;
}

struct Sequence {
    std::vector<int32_t> tokens;
    std::mt19937_64 random;
    size_t decoded = 0; // tokens already in the context
    bool done = false;
};

struct Abort {
    const ModelCore & core;
    const CancelFlag & cancel;
};

llama_context_ptr make_context(const Abort & abort, const SampleSettings & settings, int n_sequences) {
    llama_context_params params = llama_context_default_params();
    params.n_ctx = cells_of(uint32_t(settings.length)) * n_sequences;
    params.n_batch = std::max(512, n_sequences);
    params.n_seq_max = n_sequences;
    params.kv_unified = false;
    params.n_threads = params.n_threads_batch = settings.n_threads;
    params.no_perf = true;
    params.abort_callback = [](void * data) { return is_cancelled(static_cast<const Abort *>(data)->core, static_cast<const Abort *>(data)->cancel); };
    params.abort_callback_data = const_cast<Abort *>(&abort);
    llama_context_ptr context(llama_init_from_model(abort.core.model.get(), params));
    if (!context) {
        throw std::runtime_error("llama.cpp could not make a context for sampling");
    }
    return context;
}

void decode(llama_context * context, const Abort & abort, const OwnedBatch & owned) {
    const int32_t code = llama_decode(context, owned.batch);
    check_decoded(code, is_cancelled(abort.core, abort.cancel));
}

// Decodes each prompt except for its last token, in pieces that fit a batch.
void decode_prompts(llama_context * context, const Abort & abort, std::vector<Sequence> & sequences, int n_batch) {
    for (size_t s = 0; s < sequences.size(); ++s) {
        auto & sequence = sequences[s];
        while (sequence.decoded + 1 < sequence.tokens.size()) {
            OwnedBatch owned(n_batch, 0);
            while (owned.batch.n_tokens < n_batch && sequence.decoded + 1 < sequence.tokens.size()) {
                owned.token() = sequence.tokens[sequence.decoded];
                owned.place(int(sequence.decoded), int(s), false);
                ++sequence.decoded;
            }
            decode(context, abort, owned);
        }
    }
}

// The next token of each sequence, in the order of the last decode's logits. A sequence has its own random numbers, so threads change nothing.
std::vector<int32_t> draw_all(llama_context * context, int n_vocab, const SampleSettings & settings, std::vector<Sequence> & sequences,
                              const std::vector<size_t> & active) {
    std::vector<const float *> logits;
    for (size_t k = 0; k < active.size(); ++k) {
        logits.push_back(llama_get_logits_ith(context, int32_t(k)));
    }
    std::vector<int32_t> drawn(active.size());
    over_threads(int64_t(active.size()), settings.n_threads, [&](int64_t first, int64_t last) {
        for (int64_t k = first; k < last; ++k) {
            drawn[k] = draw(logits[k], n_vocab, settings.temperature, sequences[active[k]].random);
        }
    });
    if (std::find(drawn.begin(), drawn.end(), not_finite) != drawn.end()) {
        throw std::runtime_error("the model gives logits that are not finite, so nothing can be sampled from it");
    }
    return drawn;
}

// Sequences that are drawn together, starting with the first of these prompts.
std::vector<Sequence> sequences_of(const std::vector<std::vector<int32_t>> & prompts, size_t first, size_t n, const SampleSettings & settings) {
    std::vector<Sequence> sequences(n);
    for (size_t s = 0; s < n; ++s) {
        sequences[s].tokens = prompts[first + s];
        sequences[s].random.seed(mix(settings.seed ^ mix(first + s + 1)));
        sequences[s].done = int(sequences[s].tokens.size()) >= settings.length;
    }
    return sequences;
}

// Puts the last token of each unfinished sequence into the batch. Returns these sequences.
std::vector<size_t> place_last(OwnedBatch & owned, const std::vector<Sequence> & sequences) {
    std::vector<size_t> active;
    for (size_t s = 0; s < sequences.size(); ++s) {
        const auto & tokens = sequences[s].tokens;
        if (!sequences[s].done) {
            owned.token() = tokens.back();
            owned.place(int(tokens.size()) - 1, int(s), true);
            active.push_back(s);
        }
    }
    return active;
}

// Draws tokens until all sequences are finished. `on_progress` gets their number of tokens; a sequence that ended early counts in full.
void finish(const Abort & abort, const SampleSettings & settings, std::vector<Sequence> & sequences, const std::function<void(int64_t)> & on_progress) {
    const llama_vocab * vocab = llama_model_get_vocab(abort.core.model.get());
    const int n_vocab = llama_vocab_n_tokens(vocab);
    const llama_context_ptr context = make_context(abort, settings, int(sequences.size()));
    decode_prompts(context.get(), abort, sequences, 512);
    for (;;) {
        OwnedBatch owned(int(sequences.size()), 0);
        const std::vector<size_t> active = place_last(owned, sequences);
        if (active.empty()) {
            return;
        }
        decode(context.get(), abort, owned);
        const std::vector<int32_t> drawn = draw_all(context.get(), n_vocab, settings, sequences, active);
        for (size_t k = 0; k < active.size(); ++k) {
            auto & sequence = sequences[active[k]];
            sequence.tokens.push_back(drawn[k]);
            sequence.done = int(sequence.tokens.size()) >= settings.length || (settings.stop_at_eog && llama_vocab_is_eog(vocab, drawn[k]));
        }
        int64_t done = 0;
        for (const auto & sequence : sequences) {
            done += sequence.done ? settings.length : int64_t(sequence.tokens.size());
        }
        on_progress(done);
    }
}

} // namespace

std::vector<std::vector<int32_t>> sample(ModelCore & core, const CancelFlag & cancel, const std::vector<std::vector<int32_t>> & prompts,
                                         const SampleSettings & settings, const std::function<void(int64_t, int64_t)> & on_progress) {
    give_up_contexts();
    const std::lock_guard<std::mutex> lock(core.computing);
    std::optional<LayerView::Shown> shown;
    if (!settings.kept.empty()) {
        shown.emplace(*core.view, settings.kept);
    }
    const Abort abort{ core, cancel };
    const int64_t total = int64_t(prompts.size()) * settings.length;
    const int at_once = std::clamp(settings.max_batch_tokens / std::max(1, settings.length), 1, 64);

    std::vector<std::vector<int32_t>> finished;
    for (size_t first = 0; first < prompts.size(); first += at_once) {
        const size_t n = std::min<size_t>(at_once, prompts.size() - first);
        std::vector<Sequence> sequences = sequences_of(prompts, first, n, settings);
        finish(abort, settings, sequences, [&](int64_t done) { on_progress(int64_t(first) * settings.length + done, total); });
        for (auto & sequence : sequences) {
            finished.push_back(std::move(sequence.tokens));
        }
    }
    return finished;
}
