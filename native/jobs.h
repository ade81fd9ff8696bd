// What runs off the JavaScript thread.
#pragma once

#include "job.h"
#include "sampler.h"
#include "similarity.h"
#include "speed.h"
#include "sweep.h"

// { windowLength, ... } and tokens: Int32Array of whole windows. Throws a RangeError where they are none.
Windows windows_of(const Napi::Value & tokens, const Napi::Object & options);

class LoadJob : public Job {
public:
    LoadJob(std::shared_ptr<CancelFlag> cancel, std::string path, int gpu_layers, bool use_mmap);

protected:
    void run() override;
    Napi::Value result(Napi::Env env) override;

private:
    std::string path;
    int gpu_layers;
    bool use_mmap;
    int last_percent = -1;
    std::shared_ptr<ModelCore> core;
};

class EvaluateJob : public Job {
public:
    EvaluateJob(std::shared_ptr<CancelFlag> cancel, std::shared_ptr<ModelCore> core);
    Masks masks;
    Windows windows;
    SweepSettings settings;

protected:
    void run() override;
    Napi::Value result(Napi::Env env) override;

private:
    std::shared_ptr<ModelCore> core;
    SweepStats stats;
};

class SimilarityJob : public Job {
public:
    SimilarityJob(std::shared_ptr<CancelFlag> cancel, std::shared_ptr<ModelCore> core);
    Windows windows;
    int n_ubatch = 512;
    int n_threads = 1;

protected:
    void run() override;
    Napi::Value result(Napi::Env env) override;

private:
    std::shared_ptr<ModelCore> core;
    Similarities found;
};

class SampleJob : public Job {
public:
    SampleJob(std::shared_ptr<CancelFlag> cancel, std::shared_ptr<ModelCore> core);
    std::vector<std::vector<int32_t>> prompts;
    SampleSettings settings;

protected:
    void run() override;
    Napi::Value result(Napi::Env env) override;

private:
    std::shared_ptr<ModelCore> core;
    std::vector<std::vector<int32_t>> sequences;
};

// Several models, or views of one.
class SpeedJob : public Job {
public:
    explicit SpeedJob(std::shared_ptr<CancelFlag> cancel);
    std::vector<SpeedSide> sides;
    SpeedSettings settings;

protected:
    void run() override;
    Napi::Value result(Napi::Env env) override;

private:
    std::vector<SpeedResult> results;
};

// Another file of the same model with weights of another type (llama_model_quantize).
class QuantizeJob : public Job {
public:
    QuantizeJob(std::shared_ptr<CancelFlag> cancel, std::string input, std::string output);
    int file_type = 0; // llama_ftype
    int n_threads = 1;
    bool pure = false; // every matrix of that type, without the mixtures of the file type

protected:
    void run() override;
    Napi::Value result(Napi::Env env) override;

private:
    std::string input;
    std::string output;
};
