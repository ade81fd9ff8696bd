#include "jobs.h"

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

} // namespace

LoadJob::LoadJob(std::shared_ptr<CancelFlag> cancel, std::string path, int gpu_layers, bool use_mmap)
    : Job(std::move(cancel), "MODEL_LOAD_FAILED"), path(std::move(path)), gpu_layers(gpu_layers), use_mmap(use_mmap) {}

void LoadJob::run() {
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
    return env.GetInstanceData<AddonData>()->model_class.New({ Napi::External<std::shared_ptr<ModelCore>>::New(env, &core) });
}

EvaluateJob::EvaluateJob(std::shared_ptr<CancelFlag> cancel, std::shared_ptr<ModelCore> core) : Job(std::move(cancel), "EVALUATION_FAILED"), core(std::move(core)) {}

void EvaluateJob::run() {
    stats = sweep(*core, *cancel, masks, windows, settings, [this](MaskResult && finished, const SweepStats & now) {
        auto shared = std::make_shared<MaskResult>(std::move(finished));
        post([shared, now](Napi::Env env, Napi::Function on_mask) {
            const Napi::HandleScope scope(env);
            Napi::Float64Array losses = Napi::Float64Array::New(env, shared->losses.size());
            std::copy(shared->losses.begin(), shared->losses.end(), losses.Data());
            Napi::Value tokens = env.Undefined();
            if (!shared->tokens.empty()) {
                Napi::Float32Array array = Napi::Float32Array::New(env, shared->tokens.size());
                std::copy(shared->tokens.begin(), shared->tokens.end(), array.Data());
                tokens = array;
            }
            Napi::Array digests = Napi::Array::New(env, shared->digests.size());
            for (size_t i = 0; i < shared->digests.size(); ++i) {
                char text[17];
                std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(shared->digests[i]));
                digests.Set(uint32_t(i), Napi::String::New(env, text));
            }
            on_mask.Call({ Napi::Number::New(env, shared->mask), losses, tokens, digests, stats_object(env, now) });
        });
    });
}

Napi::Value EvaluateJob::result(Napi::Env env) {
    return stats_object(env, stats);
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
