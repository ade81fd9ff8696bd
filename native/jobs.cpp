#include "jobs.h"

#include "arguments.h"
#include "contexts.h"
#include "log_capture.h"
#include "model_wrap.h"

#include <algorithm>
#include <cstdio>

namespace {

Napi::Object stats_object(Napi::Env env, const SweepStats & stats) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("blocksDone", double(stats.blocks_done));
    object.Set("blocksSaved", double(stats.blocks_saved));
    object.Set("tokensDone", double(stats.tokens_done));
    return object;
}

template <class Array, class T> Napi::Value typed_array(Napi::Env env, const std::vector<T> & values) {
    if (values.empty()) {
        return env.Undefined();
    }
    Array array = Array::New(env, values.size());
    std::copy(values.begin(), values.end(), array.Data());
    return array;
}

Napi::Value digest_texts(Napi::Env env, const std::vector<uint64_t> & digests) {
    if (digests.empty()) {
        return env.Undefined();
    }
    Napi::Array texts = Napi::Array::New(env, digests.size());
    for (size_t i = 0; i < digests.size(); ++i) {
        char text[17];
        std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(digests[i]));
        texts.Set(uint32_t(i), Napi::String::New(env, text));
    }
    return texts;
}

// Names as in src/model/runtime/addon.ts (MaskFigures).
Napi::Object figures_object(Napi::Env env, const MaskResult & result) {
    Napi::Object object = Napi::Object::New(env);
    const auto set = [&](const char * name, Napi::Value value) {
        if (!value.IsUndefined()) {
            object.Set(name, value);
        }
    };
    set("losses", typed_array<Napi::Float64Array>(env, result.losses));
    set("tokenLosses", typed_array<Napi::Float32Array>(env, result.tokens));
    set("divergences", typed_array<Napi::Float64Array>(env, result.divergences));
    set("agreements", typed_array<Napi::Float64Array>(env, result.agreements));
    set("tokenDivergences", typed_array<Napi::Float32Array>(env, result.token_divergences));
    set("tokenAgreements", typed_array<Napi::Uint8Array>(env, result.token_agreements));
    set("digests", digest_texts(env, result.digests));
    return object;
}

} // namespace

Windows windows_of(const Napi::Value & tokens, const Napi::Object & options) {
    Windows windows;
    windows.length = number<int>(options, "windowLength");
    windows.tokens = values_of<int32_t>(tokens);
    if (windows.length < 1 || windows.tokens.empty() || windows.tokens.size() % size_t(windows.length) != 0) {
        throw Napi::RangeError::New(options.Env(), "expected whole windows of windowLength tokens, at least one window of one token");
    }
    windows.n_windows = int(windows.tokens.size() / size_t(windows.length));
    return windows;
}

LoadJob::LoadJob(std::shared_ptr<CancelFlag> cancel, std::string path, int gpu_layers, bool use_mmap)
    : Job(std::move(cancel), "MODEL_LOAD_FAILED"), path(std::move(path)), gpu_layers(gpu_layers), use_mmap(use_mmap) {}

void LoadJob::run() {
    give_up_contexts();
    llama_model_params params = llama_model_default_params();
    params.n_gpu_layers = gpu_layers;
    params.load_mode = use_mmap ? LLAMA_LOAD_MODE_MMAP : LLAMA_LOAD_MODE_NONE;
    params.progress_callback = [](float progress, void * data) {
        auto & self = *static_cast<LoadJob *>(data);
        const int percent = int(progress * 100.0f);
        if (percent != self.last_percent) {
            self.last_percent = percent;
            self.post([percent](Napi::Env env, Napi::Function on_progress) { on_progress.Call({ Napi::Number::New(env, percent / 100.0) }); });
        }
        return !self.cancel->requested.load();
    };
    params.progress_callback_user_data = this;
    llama_model_ptr model(llama_model_load_from_file(path.c_str(), params));
    if (cancel->requested) {
        throw Cancelled();
    }
    if (!model) {
        throw std::runtime_error("llama.cpp could not load " + path);
    }
    core = std::make_shared<ModelCore>();
    core->model = std::move(model);
}

Napi::Value LoadJob::result(Napi::Env env) {
    return env.GetInstanceData<AddonData>()->model_class.New({ handle_of(env, core, 0) });
}

EvaluateJob::EvaluateJob(std::shared_ptr<CancelFlag> cancel, std::shared_ptr<ModelCore> core) : Job(std::move(cancel), "EVALUATION_FAILED"), core(std::move(core)) {}

void EvaluateJob::run() {
    stats = sweep(*core, *cancel, masks, windows, settings, [this](MaskResult && finished, const SweepStats & now) {
        auto shared = std::make_shared<MaskResult>(std::move(finished));
        post([shared, now](Napi::Env env, Napi::Function on_mask) {
            const Napi::HandleScope scope(env);
            on_mask.Call({ Napi::Number::New(env, shared->mask), figures_object(env, *shared), stats_object(env, now) });
        });
    });
}

// { stats, reference? }: the reference is an opaque handle, to be given back to evaluate().
Napi::Value EvaluateJob::result(Napi::Env env) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("stats", stats_object(env, stats));
    if (settings.keep) {
        object.Set("reference", handle_of(env, settings.keep, int64_t(settings.keep->steps.size() * sizeof(uint16_t))));
    }
    return object;
}

SimilarityJob::SimilarityJob(std::shared_ptr<CancelFlag> cancel, std::shared_ptr<ModelCore> core) : Job(std::move(cancel), "EVALUATION_FAILED"), core(std::move(core)) {}

void SimilarityJob::run() {
    found = similarities(*core, *cancel, windows, n_ubatch, n_threads);
}

Napi::Value SimilarityJob::result(Napi::Env env) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("cosine", typed_array<Napi::Float64Array>(env, found.cosine));
    object.Set("angular", typed_array<Napi::Float64Array>(env, found.angular));
    return object;
}

SampleJob::SampleJob(std::shared_ptr<CancelFlag> cancel, std::shared_ptr<ModelCore> core) : Job(std::move(cancel), "EVALUATION_FAILED"), core(std::move(core)) {}

void SampleJob::run() {
    sequences = sample(*core, *cancel, prompts, settings, [this](int64_t done, int64_t total) {
        post([done, total](Napi::Env env, Napi::Function on_progress) { on_progress.Call({ Napi::Number::New(env, double(done)), Napi::Number::New(env, double(total)) }); });
    });
}

Napi::Value SampleJob::result(Napi::Env env) {
    Napi::Array array = Napi::Array::New(env, sequences.size());
    for (size_t i = 0; i < sequences.size(); ++i) {
        Napi::Int32Array tokens = Napi::Int32Array::New(env, sequences[i].size());
        std::copy(sequences[i].begin(), sequences[i].end(), tokens.Data());
        array.Set(uint32_t(i), tokens);
    }
    return array;
}

SpeedJob::SpeedJob(std::shared_ptr<CancelFlag> cancel) : Job(std::move(cancel), "EVALUATION_FAILED") {}

void SpeedJob::run() {
    results = measure_speed(sides, *cancel, settings, [this](int64_t done, int64_t total) {
        post([done, total](Napi::Env env, Napi::Function on_progress) { on_progress.Call({ Napi::Number::New(env, double(done)), Napi::Number::New(env, double(total)) }); });
    });
}

// Names as in src/model/runtime/addon.ts (SpeedFigures).
Napi::Value SpeedJob::result(Napi::Env env) {
    Napi::Array array = Napi::Array::New(env, results.size());
    for (size_t i = 0; i < results.size(); ++i) {
        std::vector<double> prompt;
        std::vector<double> generation;
        for (const SpeedRun & run : results[i].runs) {
            prompt.push_back(run.prompt);
            generation.push_back(run.generation);
        }
        Napi::Object object = Napi::Object::New(env);
        object.Set("promptSeconds", typed_array<Napi::Float64Array>(env, prompt));
        object.Set("generationSeconds", typed_array<Napi::Float64Array>(env, generation));
        object.Set("weights", double(results[i].bytes.weights));
        object.Set("kvCache", double(results[i].bytes.memory));
        object.Set("compute", double(results[i].bytes.compute));
        array.Set(uint32_t(i), object);
    }
    return array;
}

QuantizeJob::QuantizeJob(std::shared_ptr<CancelFlag> cancel, std::string input, std::string output)
    : Job(std::move(cancel), "QUANTIZE_FAILED"), input(std::move(input)), output(std::move(output)) {}

void QuantizeJob::run() {
    give_up_contexts();
    llama_model_quantize_params params = llama_model_quantize_default_params();
    params.ftype = llama_ftype(file_type);
    params.nthread = n_threads;
    params.allow_requantize = true;
    params.pure = pure;
    // llama.cpp has no callback here, but names each tensor in its log ("[  3/ 272] ..."), between the work of its threads.
    std::string problems;
    {
        const LogCapture log([this](const char * line) {
            int done = 0;
            int total = 0;
            if (std::sscanf(line, "[%d/%d]", &done, &total) != 2) {
                return;
            }
            if (cancel->requested) {
                throw Cancelled();
            }
            post([done, total](Napi::Env env, Napi::Function on_progress) { on_progress.Call({ Napi::Number::New(env, done), Napi::Number::New(env, total) }); });
        });
        const uint32_t code = llama_model_quantize(input.c_str(), output.c_str(), &params);
        if (code == 0) {
            return;
        }
        problems = log.problems();
    }
    if (cancel->requested) {
        throw Cancelled();
    }
    throw std::runtime_error("llama.cpp could not quantize " + input + (problems.empty() ? "" : ": " + problems));
}

Napi::Value QuantizeJob::result(Napi::Env env) {
    return env.Undefined();
}
