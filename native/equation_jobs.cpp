// Least squares besides the JavaScript thread, and the handles of healing.
#include "arguments.h"
#include "calls.h"
#include "hidden_state.h"
#include "job.h"
#include "normal_equations.h"
#include "results.h"

#include <algorithm>
#include <chrono>
#include <random>

namespace {

// A job of dense linear algebra on several threads.
class AlgebraJob : public Job {
public:
    using Job::Job;
    int n_threads = 1;

protected:
    Workers workers() {
        return { n_threads, [this] {
                    if (cancel->requested) {
                        throw Cancelled();
                    }
                } };
    }
};

class SolveJob : public AlgebraJob {
public:
    using AlgebraJob::AlgebraJob;
    std::shared_ptr<NormalEquations> equations;
    std::vector<float> through;
    double ridge = 0.0;

protected:
    void run() override {
        const Workers team = workers();
        update = equations->solve(ridge, team);
        explained = 1.0 - equations->residual_squares(update, team) / equations->target_squares();
        if (!through.empty()) {
            update = through_matrix(update, through, equations->n_out, team);
        }
    }

    Napi::Value result(Napi::Env env) override {
        Napi::Object object = Napi::Object::New(env);
        object.Set("update", typed_array(env, update));
        object.Set("explained", explained);
        return object;
    }

private:
    std::vector<float> update;
    double explained = 0.0;
};

// Seconds that normal equations of this size and their solution take, with made-up numbers.
class LeastSquaresTimingJob : public AlgebraJob {
public:
    using AlgebraJob::AlgebraJob;
    int n_in = 0;
    int n_out = 0;
    int n_rows = 0;
    bool on_outputs = false;

protected:
    void run() override {
        const Workers team = workers();
        const auto now = [] { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); };
        const int n_features = on_outputs ? n_out : n_in;
        NormalEquations equations(n_features, n_out);
        equations.unit = n_rows;
        std::mt19937 random(1);
        std::normal_distribution<float> normal;
        constexpr int at_once = 1024;
        std::vector<float> features(size_t(at_once) * n_features);
        std::vector<float> targets(size_t(at_once) * n_out);
        std::generate(features.begin(), features.end(), [&] { return normal(random); });
        std::generate(targets.begin(), targets.end(), [&] { return normal(random); });
        const double start = now();
        for (int row = 0; row < n_rows; row += at_once) {
            equations.add(features, targets, std::min(at_once, n_rows - row), team);
        }
        const double added = now();
        const std::vector<float> update = equations.solve(0.1, team);
        equations.residual_squares(update, team); // as SolveJob does
        if (on_outputs) {
            through_matrix(update, std::vector<float>(size_t(n_out) * n_in, 1.0f), n_out, team);
        }
        accumulate = added - start;
        solve = now() - added;
    }

    Napi::Value result(Napi::Env env) override {
        Napi::Object object = Napi::Object::New(env);
        object.Set("accumulate", accumulate);
        object.Set("solve", solve);
        return object;
    }

private:
    double accumulate = 0.0;
    double solve = 0.0;
};

} // namespace

Napi::Value state_values(const Napi::CallbackInfo & info) {
    const std::shared_ptr<StateRows> states = held_by<StateRows>(info[0]);
    Napi::Float32Array values = Napi::Float32Array::New(info.Env(), states->n_values());
    std::copy(states->row(0), states->row(0) + states->n_values(), values.Data());
    return values;
}

Napi::Value free_equations(const Napi::CallbackInfo & info) {
    held_in<NormalEquations>(info[0]).reset();
    return info.Env().Undefined();
}

Napi::Value solve_equations(const Napi::CallbackInfo & info) {
    const Napi::Object options = info[1].As<Napi::Object>();
    auto job = std::make_unique<SolveJob>(flag_of(info[3]));
    job->equations = held_by<NormalEquations>(info[0]);
    job->ridge = number<double>(options, "ridge");
    job->n_threads = number<int>(options, "threads");
    job->through = values_if_given<float>(info[2]);
    return Job::start(info.Env(), std::move(job));
}

Napi::Value time_least_squares(const Napi::CallbackInfo & info) {
    const Napi::Object options = info[0].As<Napi::Object>();
    auto job = std::make_unique<LeastSquaresTimingJob>(flag_of(info[1]));
    job->n_in = number<int>(options, "inputs");
    job->n_out = number<int>(options, "outputs");
    job->n_rows = number<int>(options, "rows");
    job->n_threads = number<int>(options, "threads");
    job->on_outputs = boolean(options, "onOutputs");
    return Job::start(info.Env(), std::move(job));
}
