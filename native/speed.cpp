#include "speed.h"

#include "contexts.h"
#include "random.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <string>

namespace {

struct Abort {
    const std::vector<SpeedSide> & sides;
    const CancelFlag & cancel;

    bool requested() const {
        return std::any_of(sides.begin(), sides.end(), [&](const SpeedSide & side) { return is_cancelled(*side.core, cancel); });
    }
};

class Seconds {
public:
    double take() {
        const auto now = std::chrono::steady_clock::now();
        const double passed = std::chrono::duration<double>(now - before).count();
        before = now;
        return passed;
    }

private:
    std::chrono::steady_clock::time_point before = std::chrono::steady_clock::now();
};

// Contexts as other programs make them, without the evaluator's sharing.
llama_context_params params_of(const SpeedSettings & settings, uint32_t n_tokens) {
    llama_context_params params = llama_context_default_params();
    params.n_ctx = cells_of(n_tokens);
    params.n_ubatch = uint32_t(settings.n_ubatch);
    params.n_batch = std::max(params.n_ubatch, std::min(2048u, params.n_ctx));
    params.n_seq_max = 1;
    params.n_threads = params.n_threads_batch = settings.n_threads;
    params.no_perf = true;
    return params;
}

// One model with its context, which is made for this view and runs under no other.
class Runner {
public:
    Runner(const SpeedSide & side, const SpeedSettings & settings, const Abort & abort) : side(side), settings(settings), abort(abort) {
        const LayerView::Shown shown(*side.core->view, side.kept);
        llama_context_params params = params_of(settings, uint32_t(settings.prompt_tokens + settings.generated_tokens));
        params.abort_callback = [](void * data) { return static_cast<const Abort *>(data)->requested(); };
        params.abort_callback_data = const_cast<Abort *>(&abort);
        context.reset(llama_init_from_model(side.core->model.get(), params));
        if (!context) {
            throw std::runtime_error("llama.cpp could not make a context to measure the speed with");
        }
        n_batch = int(params.n_batch);
        n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(side.core->model.get()));
    }

    SpeedRun run() {
        const LayerView::Shown shown(*side.core->view, side.kept);
        llama_memory_clear(llama_get_memory(context.get()), false);
        position = 0;
        Seconds seconds;
        SpeedRun run;
        for (int left = settings.prompt_tokens; left > 0;) {
            const int n = std::min(left, n_batch);
            decode(n);
            left -= n;
        }
        llama_synchronize(context.get());
        run.prompt = seconds.take();
        for (int i = 0; i < settings.generated_tokens; ++i) {
            decode(1);
            llama_synchronize(context.get());
        }
        run.generation = seconds.take();
        return run;
    }

private:
    SpeedSide side;
    const SpeedSettings & settings;
    const Abort & abort;
    llama_context_ptr context;
    int n_batch = 1;
    int n_vocab = 1;
    int position = 0;

    // Tokens drawn from the whole vocabulary, the same for every side; logits only for the last one.
    void decode(int n) {
        OwnedBatch owned(n, 0);
        for (int i = 0; i < n; ++i, ++position) {
            owned.token() = int32_t(mix(uint64_t(position)) % uint64_t(n_vocab));
            owned.place(position, 0, i + 1 == n);
        }
        const int32_t code = llama_decode(context.get(), owned.batch);
        check_decoded(code, abort.requested());
    }
};

// The locks of all models, each once and always in the same order.
std::vector<std::unique_lock<std::mutex>> lock_all(const std::vector<SpeedSide> & sides) {
    std::vector<ModelCore *> cores;
    for (const auto & side : sides) {
        cores.push_back(side.core.get());
    }
    std::sort(cores.begin(), cores.end(), std::less<ModelCore *>());
    cores.erase(std::unique(cores.begin(), cores.end()), cores.end());
    std::vector<std::unique_lock<std::mutex>> locks;
    for (ModelCore * core : cores) {
        locks.emplace_back(core->computing);
    }
    return locks;
}

} // namespace

std::vector<SpeedResult> measure_speed(const std::vector<SpeedSide> & sides, const CancelFlag & cancel, const SpeedSettings & settings,
                                       const std::function<void(int64_t, int64_t)> & on_progress) {
    give_up_contexts();
    const auto locks = lock_all(sides);
    const Abort abort{ sides, cancel };
    std::vector<SpeedResult> results(sides.size());
    for (size_t i = 0; i < sides.size(); ++i) {
        const LayerView::Shown shown(*sides[i].core->view, sides[i].kept);
        results[i].bytes = sides[i].core->view->bytes(params_of(settings, uint32_t(settings.context)));
    }
    std::vector<std::unique_ptr<Runner>> runners;
    for (const auto & side : sides) {
        runners.push_back(std::make_unique<Runner>(side, settings, abort));
    }
    const int64_t total = int64_t(settings.repetitions + 1) * int64_t(sides.size());
    for (int repetition = 0; repetition <= settings.repetitions; ++repetition) {
        for (size_t i = 0; i < runners.size(); ++i) {
            // Every other time in reverse: the first side would otherwise always find a cooler machine.
            const size_t side = repetition % 2 == 0 ? i : runners.size() - 1 - i;
            const SpeedRun run = runners[side]->run();
            // The first one pages in the weights and builds the graphs.
            if (repetition > 0) {
                results[side].runs.push_back(run);
            }
            on_progress(repetition * int64_t(sides.size()) + int64_t(i) + 1, total);
        }
    }
    return results;
}
