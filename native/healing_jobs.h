// What healing runs off the JavaScript thread.
#pragma once

#include "healing.h"
#include "job.h"

// What JavaScript holds of states and of equations.
using StatesHandle = std::shared_ptr<StateRows>;
using EquationsHandle = std::shared_ptr<NormalEquations>;

class StatesJob : public Job {
public:
    StatesJob(std::shared_ptr<CancelFlag> cancel, std::shared_ptr<ModelCore> core);
    HealingRun healing;
    std::vector<int> after;

protected:
    void run() override;
    Napi::Value result(Napi::Env env) override;

private:
    std::shared_ptr<ModelCore> core;
    std::vector<StatesHandle> states;
};

class EquationsJob : public Job {
public:
    EquationsJob(std::shared_ptr<CancelFlag> cancel, std::shared_ptr<ModelCore> core);
    HealingRun healing;
    EquationSettings settings;
    StatesHandle target;

protected:
    void run() override;
    Napi::Value result(Napi::Env env) override;

private:
    std::shared_ptr<ModelCore> core;
    std::vector<FittedEquations> equations;
};

class NormSumsJob : public Job {
public:
    NormSumsJob(std::shared_ptr<CancelFlag> cancel, std::shared_ptr<ModelCore> core);
    HealingRun healing;
    EquationSettings settings;
    StatesHandle target;

protected:
    void run() override;
    Napi::Value result(Napi::Env env) override;

private:
    std::shared_ptr<ModelCore> core;
    NormSums sums;
};

class OutputPathJob : public Job {
public:
    OutputPathJob(std::shared_ptr<CancelFlag> cancel, std::shared_ptr<ModelCore> core);
    HealingRun healing;
    EquationSettings settings;

protected:
    void run() override;
    Napi::Value result(Napi::Env env) override;

private:
    std::shared_ptr<ModelCore> core;
    OutputPath path;
};

class SolveJob : public Job {
public:
    explicit SolveJob(std::shared_ptr<CancelFlag> cancel);
    EquationsHandle equations;
    std::vector<float> through;
    double ridge = 0.0;
    int n_threads = 1;

protected:
    void run() override;
    Napi::Value result(Napi::Env env) override;

private:
    std::vector<float> update;
    double explained = 0.0;
};

// Weights between 32-bit numbers and a type of ggml.
class ConvertJob : public Job {
public:
    ConvertJob(std::shared_ptr<CancelFlag> cancel, int type, int64_t row_length);
    std::vector<float> values;   // to be quantised, or what was dequantised
    std::vector<uint8_t> bytes;  // to be dequantised, or what was quantised
    bool quantizes = false;

protected:
    void run() override;
    Napi::Value result(Napi::Env env) override;

private:
    int type;
    int64_t row_length;
};

// freeEquations(equations): void; whatever refers to them is of no use any more
Napi::Value free_equations(const Napi::CallbackInfo & info);
// solveEquations(equations, { ridge, threads }, through: Float32Array | undefined, cancel): Promise<{ update, explained }>
Napi::Value solve_equations(const Napi::CallbackInfo & info);

// Seconds that normal equations of this size and their solution take, on made-up numbers.
class LeastSquaresTimingJob : public Job {
public:
    explicit LeastSquaresTimingJob(std::shared_ptr<CancelFlag> cancel);
    int n_in = 0;
    int n_out = 0;
    int n_rows = 0;
    int n_threads = 1;
    bool on_outputs = false;

protected:
    void run() override;
    Napi::Value result(Napi::Env env) override;

private:
    double accumulate = 0.0;
    double solve = 0.0;
};

// timeLeastSquares({ inputs, outputs, rows, threads, onOutputs }, cancel): Promise<{ accumulate, solve }>
Napi::Value time_least_squares(const Napi::CallbackInfo & info);
// stateValues(states): Float32Array, a row a token
Napi::Value state_values(const Napi::CallbackInfo & info);
// quantizeValues(values: Float32Array, type, rowLength, cancel): Promise<Uint8Array>
Napi::Value quantize_values(const Napi::CallbackInfo & info);
// dequantizeBytes(bytes: Uint8Array, type, rowLength, cancel): Promise<Float32Array>
Napi::Value dequantize_bytes(const Napi::CallbackInfo & info);
