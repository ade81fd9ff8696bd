// What runs off the JavaScript thread.
#pragma once

#include "job.h"
#include "sampler.h"
#include "sweep.h"

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
