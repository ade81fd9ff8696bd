// The model's part of healing, as JavaScript calls it.
#include "healing.h"

#include "job.h"
#include "model_arguments.h"
#include "model_wrap.h"
#include "results.h"

namespace {

// From pairs of numbers: of the block of its attention part, or -1 if it has none, and of that of its feed-forward part.
Stack stack_in(const Napi::Value & value, int n_blocks) {
    const std::vector<int32_t> numbers = values_of<int32_t>(value);
    Stack stack;
    bool fits = numbers.size() % 2 == 0;
    for (size_t i = 0; fits && i < numbers.size(); i += 2) {
        const StackedBlock block = numbers[i] == -1 ? without_attention(numbers[i + 1]) : StackedBlock{ numbers[i], numbers[i + 1] };
        const int before = stack.empty() ? -1 : stack.back().feed_forward;
        fits = block.attention > before && block.feed_forward >= block.attention && block.feed_forward < n_blocks;
        stack.push_back(block);
    }
    if (!fits) {
        throw Napi::RangeError::New(value.Env(), "kept must be blocks of the model, ascending: two numbers for each");
    }
    return stack;
}

// { windowLength, ubatch, threads, kept: Int32Array, from?: states }
HealingRun run_of(const ModelCore & core, const Napi::Value & tokens, const Napi::Object & options) {
    HealingRun run;
    run.windows = windows_of(core, tokens, options);
    run.n_ubatch = number<int>(options, "ubatch");
    run.n_threads = number<int>(options, "threads");
    run.kept = stack_in(options.Get("kept"), core.view->n_blocks());
    if (!options.Get("from").IsUndefined()) {
        run.from = held_by<StateRows>(options.Get("from"));
    }
    return run;
}

// { weight, after, relative, scale, onInputs, onOutputs, norm?: Float32Array, normEpsilon }
EquationSettings settings_of(const Napi::Object & options) {
    EquationSettings settings;
    settings.weight = options.Get("weight").As<Napi::String>().Utf8Value();
    settings.after = number<int>(options, "after");
    settings.relative = number<float>(options, "relative");
    settings.scale = number<float>(options, "scale");
    settings.on_inputs = boolean(options, "onInputs");
    settings.on_outputs = boolean(options, "onOutputs");
    settings.norm = values_if_given<float>(options.Get("norm"));
    settings.norm_epsilon = number<float>(options, "normEpsilon");
    return settings;
}

class StatesJob : public ModelJob {
public:
    using ModelJob::ModelJob;
    HealingRun healing;
    std::vector<int> after;

protected:
    void run() override { states = hidden_states(*core, *cancel, healing, after); }

    Napi::Value result(Napi::Env env) override {
        return array_of(env, states.size(), [&](size_t i) { return handle_of(env, states[i], int64_t(states[i]->n_values() * sizeof(float))); });
    }

private:
    std::vector<std::shared_ptr<StateRows>> states;
};

// A job about one matrix of a healing.
class MatrixJob : public ModelJob {
public:
    using ModelJob::ModelJob;
    HealingRun healing;
    EquationSettings settings;
};

class EquationsJob : public MatrixJob {
public:
    using MatrixJob::MatrixJob;
    std::shared_ptr<StateRows> target;

protected:
    void run() override { equations = normal_equations(*core, *cancel, healing, settings, *target); }

    // { features, targets, rows, equations }[]
    Napi::Value result(Napi::Env env) override {
        return array_of(env, equations.size(), [&](size_t i) {
            const std::shared_ptr<NormalEquations> & one = equations[i].equations;
            const int64_t bytes = int64_t(sizeof(double)) * one->n_in * (one->n_in + one->n_out);
            Napi::Object object = Napi::Object::New(env);
            object.Set("features", one->n_in);
            object.Set("targets", one->n_out);
            object.Set("rows", double(one->n_rows));
            object.Set("equations", handle_of(env, one, bytes));
            return object;
        });
    }

private:
    std::vector<FittedEquations> equations;
};

class NormSumsJob : public MatrixJob {
public:
    using MatrixJob::MatrixJob;
    std::shared_ptr<StateRows> target;

protected:
    void run() override { sums = norm_sums(*core, *cancel, healing, settings, *target); }

    // { products, squares }
    Napi::Value result(Napi::Env env) override {
        Napi::Object object = Napi::Object::New(env);
        object.Set("products", typed_array(env, sums.products));
        object.Set("squares", typed_array(env, sums.squares));
        return object;
    }

private:
    NormSums sums;
};

class OutputPathJob : public MatrixJob {
public:
    using MatrixJob::MatrixJob;

protected:
    void run() override { path = output_path(*core, *cancel, healing, settings); }

    // { scale, unexplained }
    Napi::Value result(Napi::Env env) override {
        Napi::Object object = Napi::Object::New(env);
        object.Set("scale", path.scale);
        object.Set("unexplained", path.unexplained);
        return object;
    }

private:
    OutputPath path;
};

// A job about a matrix, from (tokens, run, settings, ...).
template <class Made>
std::unique_ptr<Made> matrix_job(const Napi::CallbackInfo & info, std::shared_ptr<CancelFlag> cancel, const std::shared_ptr<ModelCore> & core) {
    auto job = std::make_unique<Made>(std::move(cancel), core);
    job->healing = run_of(*core, info[0], info[1].As<Napi::Object>());
    job->settings = settings_of(info[2].As<Napi::Object>());
    return job;
}

} // namespace

// hiddenStates(tokens, run, after: Int32Array, cancel): Promise<states[]>
Napi::Value NativeModel::hidden_states(const Napi::CallbackInfo & info) {
    const ModelCore & model = viewed(info.Env());
    auto job = std::make_unique<StatesJob>(flag_of(info[3]), core);
    job->healing = run_of(model, info[0], info[1].As<Napi::Object>());
    job->after = values_of<int32_t>(info[2]);
    if (job->after.empty()) {
        throw Napi::RangeError::New(info.Env(), "expected at least one block to take the state after");
    }
    return Job::start(info.Env(), std::move(job));
}

// normalEquations(tokens, run, settings, target: states, cancel): Promise<{ features, targets, rows, equations }[]>
Napi::Value NativeModel::normal_equations(const Napi::CallbackInfo & info) {
    viewed(info.Env());
    auto job = matrix_job<EquationsJob>(info, flag_of(info[4]), core);
    job->target = held_by<StateRows>(info[3]);
    return Job::start(info.Env(), std::move(job));
}

// normSums(tokens, run, settings, target: states, cancel): Promise<{ products, squares }>
Napi::Value NativeModel::norm_sums(const Napi::CallbackInfo & info) {
    viewed(info.Env());
    auto job = matrix_job<NormSumsJob>(info, flag_of(info[4]), core);
    job->target = held_by<StateRows>(info[3]);
    return Job::start(info.Env(), std::move(job));
}

// outputPath(tokens, run, settings, cancel): Promise<{ scale, unexplained }>
Napi::Value NativeModel::output_path(const Napi::CallbackInfo & info) {
    viewed(info.Env());
    return Job::start(info.Env(), matrix_job<OutputPathJob>(info, flag_of(info[3]), core));
}

// replaceTensor(name, type, bytes: Uint8Array | undefined): void; without bytes the file's own values again
Napi::Value NativeModel::replace_tensor(const Napi::CallbackInfo & info) {
    ModelCore & model = viewed(info.Env());
    const std::string name = info[0].As<Napi::String>().Utf8Value();
    const std::lock_guard<std::mutex> lock(model.computing);
    model.contexts.reset(); // their graphs use the replaced tensors
    guarded(info.Env(), "replace the tensor", [&] {
        if (info[2].IsUndefined()) {
            model.view->restore_tensor(name);
        } else {
            model.view->replace_tensor(name, ggml_type(number_of<int>(info[1], "type")), values_of<uint8_t>(info[2]));
        }
    });
    return info.Env().Undefined();
}
