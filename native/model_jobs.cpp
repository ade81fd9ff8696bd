// Other jobs on a model, as JavaScript calls them: comparing hidden states, self-generated text, and speed.
#include "job.h"
#include "model_arguments.h"
#include "model_wrap.h"
#include "results.h"
#include "sampler.h"
#include "similarity.h"
#include "speed.h"

namespace {

class SimilarityJob : public ModelJob {
public:
    using ModelJob::ModelJob;
    Windows windows;
    int n_ubatch = 512;
    int n_threads = 1;

protected:
    void run() override { found = similarities(*core, *cancel, windows, n_ubatch, n_threads); }

    Napi::Value result(Napi::Env env) override {
        Napi::Object object = Napi::Object::New(env);
        object.Set("cosine", typed_array(env, found.cosine));
        object.Set("angular", typed_array(env, found.angular));
        return object;
    }

private:
    Similarities found;
};

class SampleJob : public ModelJob {
public:
    using ModelJob::ModelJob;
    std::vector<std::vector<int32_t>> prompts;
    SampleSettings settings;

protected:
    void run() override {
        sequences = sample(*core, *cancel, prompts, settings, [this](int64_t done, int64_t total) { post_progress(done, total); });
    }

    Napi::Value result(Napi::Env env) override {
        return array_of(env, sequences.size(), [&](size_t i) { return typed_array(env, sequences[i]); });
    }

private:
    std::vector<std::vector<int32_t>> sequences;
};

// Several models, or views of one.
class SpeedJob : public Job {
public:
    using Job::Job;
    std::vector<SpeedSide> sides;
    SpeedSettings settings;

protected:
    void run() override {
        results = ::measure_speed(sides, *cancel, settings, [this](int64_t done, int64_t total) { post_progress(done, total); });
    }

    // Names as in src/model/runtime/addon.ts (SpeedFigures).
    Napi::Value result(Napi::Env env) override {
        return array_of(env, results.size(), [&](size_t i) {
            const auto seconds = [&](double SpeedRun::* part) {
                std::vector<double> values;
                for (const SpeedRun & run : results[i].runs) {
                    values.push_back(run.*part);
                }
                return typed_array(env, values);
            };
            Napi::Object object = Napi::Object::New(env);
            object.Set("promptSeconds", seconds(&SpeedRun::prompt));
            object.Set("generationSeconds", seconds(&SpeedRun::generation));
            object.Set("weights", double(results[i].bytes.weights));
            object.Set("kvCache", double(results[i].bytes.memory));
            object.Set("compute", double(results[i].bytes.compute));
            return object;
        });
    }

private:
    std::vector<SpeedResult> results;
};

} // namespace

// similarities(windows: Int32Array, { windowLength, ubatch, threads }, cancel): Promise<{ cosine, angular }>
Napi::Value NativeModel::similarities(const Napi::CallbackInfo & info) {
    viewed(info.Env());
    const Napi::Object options = info[1].As<Napi::Object>();
    auto job = std::make_unique<SimilarityJob>(flag_of(info[2]), core);
    job->windows = windows_of(*core, info[0], options);
    job->n_ubatch = number<int>(options, "ubatch");
    job->n_threads = number<int>(options, "threads");
    return Job::start(info.Env(), std::move(job));
}

// sample(prompts: Int32Array[], options, cancel, onProgress): Promise<Int32Array[]>
Napi::Value NativeModel::sample(const Napi::CallbackInfo & info) {
    alive(info.Env());
    const Napi::Array given = info[0].As<Napi::Array>();
    const Napi::Object options = info[1].As<Napi::Object>();
    auto job = std::make_unique<SampleJob>(flag_of(info[2]), core);
    for (uint32_t i = 0; i < given.Length(); ++i) {
        job->prompts.push_back(values_of<int32_t>(given.Get(i)));
    }
    job->settings.length = number<int>(options, "length");
    job->settings.stop_at_eog = boolean(options, "stopAtEog");
    job->settings.temperature = number<float>(options, "temperature");
    if (!options.Get("mask").IsUndefined()) {
        job->settings.kept = kept_of(viewed(info.Env()), options.Get("mask"));
    }
    job->settings.seed = number<uint64_t>(options, "seed");
    job->settings.n_threads = number<int>(options, "threads");
    return Job::start(info.Env(), std::move(job), info[3].As<Napi::Function>());
}

Napi::Value NativeModel::measure_speed(const Napi::CallbackInfo & info) {
    const Napi::Env env = info.Env();
    const Napi::Array given = info[0].As<Napi::Array>();
    const Napi::Object options = info[1].As<Napi::Object>();
    auto job = std::make_unique<SpeedJob>(flag_of(info[2]));
    for (uint32_t i = 0; i < given.Length(); ++i) {
        const Napi::Object side = given.Get(i).As<Napi::Object>();
        const NativeModel & model = unwrap<NativeModel>(side.Get("model"), "a NativeModel");
        job->sides.push_back({ model.core, kept_of(model.viewed(env), side.Get("mask")) });
    }
    job->settings.prompt_tokens = number<int>(options, "promptTokens");
    job->settings.generated_tokens = number<int>(options, "generatedTokens");
    job->settings.repetitions = number<int>(options, "repetitions");
    job->settings.n_ubatch = number<int>(options, "ubatch");
    job->settings.n_threads = number<int>(options, "threads");
    job->settings.context = number<int>(options, "context");
    return Job::start(env, std::move(job), info[3].As<Napi::Function>());
}
