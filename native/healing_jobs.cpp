#include "healing_jobs.h"

#include "arguments.h"
#include "contexts.h"
#include "jobs.h"
#include "model_wrap.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <stdexcept>

namespace {

Napi::Function nothing(Napi::Env env) {
    return Napi::Function::New(env, [](const Napi::CallbackInfo &) {});
}

template <class Array, class T> Napi::Value typed(Napi::Env env, const std::vector<T> & values) {
    Array array = Array::New(env, values.size());
    std::copy(values.begin(), values.end(), array.Data());
    return array;
}

// { windowLength, ubatch, threads, kept: Int32Array, from?: states }
HealingRun run_of(const ModelCore & core, const Napi::Value & tokens, const Napi::Object & options) {
    HealingRun run;
    run.windows = windows_of(tokens, options);
    run.n_ubatch = number<int>(options, "ubatch");
    run.n_threads = number<int>(options, "threads");
    run.kept = values_of<int32_t>(options.Get("kept"));
    for (size_t i = 0; i < run.kept.size(); ++i) {
        if (run.kept[i] < 0 || run.kept[i] >= core.view->n_blocks() || (i > 0 && run.kept[i] <= run.kept[i - 1])) {
            throw Napi::RangeError::New(options.Env(), "kept must be blocks of the model, ascending");
        }
    }
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

} // namespace

StatesJob::StatesJob(std::shared_ptr<CancelFlag> cancel, std::shared_ptr<ModelCore> core) : Job(std::move(cancel), "EVALUATION_FAILED"), core(std::move(core)) {}

void StatesJob::run() {
    states = hidden_states(*core, *cancel, healing, after);
}

Napi::Value StatesJob::result(Napi::Env env) {
    Napi::Array array = Napi::Array::New(env, states.size());
    for (size_t i = 0; i < states.size(); ++i) {
        array.Set(uint32_t(i), handle_of(env, states[i], int64_t(states[i]->n_values() * sizeof(float))));
    }
    return array;
}

EquationsJob::EquationsJob(std::shared_ptr<CancelFlag> cancel, std::shared_ptr<ModelCore> core)
    : Job(std::move(cancel), "EVALUATION_FAILED"), core(std::move(core)) {}

void EquationsJob::run() {
    equations = normal_equations(*core, *cancel, healing, settings, *target);
}

// { features, targets, rows, equations }[]
Napi::Value EquationsJob::result(Napi::Env env) {
    Napi::Array array = Napi::Array::New(env, equations.size());
    for (size_t i = 0; i < equations.size(); ++i) {
        const EquationsHandle & one = equations[i].equations;
        const int64_t bytes = int64_t(sizeof(double)) * one->n_in * (one->n_in + one->n_out);
        Napi::Object object = Napi::Object::New(env);
        object.Set("features", one->n_in);
        object.Set("targets", one->n_out);
        object.Set("rows", double(one->n_rows));
        object.Set("equations", handle_of(env, one, bytes));
        array.Set(uint32_t(i), object);
    }
    return array;
}

NormSumsJob::NormSumsJob(std::shared_ptr<CancelFlag> cancel, std::shared_ptr<ModelCore> core)
    : Job(std::move(cancel), "EVALUATION_FAILED"), core(std::move(core)) {}

void NormSumsJob::run() {
    sums = norm_sums(*core, *cancel, healing, settings, *target);
}

// { products, squares }
Napi::Value NormSumsJob::result(Napi::Env env) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("products", typed<Napi::Float64Array>(env, sums.products));
    object.Set("squares", typed<Napi::Float64Array>(env, sums.squares));
    return object;
}

OutputPathJob::OutputPathJob(std::shared_ptr<CancelFlag> cancel, std::shared_ptr<ModelCore> core)
    : Job(std::move(cancel), "EVALUATION_FAILED"), core(std::move(core)) {}

void OutputPathJob::run() {
    path = output_path(*core, *cancel, healing, settings);
}

Napi::Value OutputPathJob::result(Napi::Env env) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("scale", path.scale);
    object.Set("unexplained", path.unexplained);
    return object;
}

SolveJob::SolveJob(std::shared_ptr<CancelFlag> cancel) : Job(std::move(cancel), "EVALUATION_FAILED") {}

void SolveJob::run() {
    const Workers workers{ n_threads, [this] {
                              if (cancel->requested) {
                                  throw Cancelled();
                              }
                          } };
    update = equations->solve(ridge, workers);
    explained = 1.0 - equations->residual_squares(update, workers) / equations->target_squares();
    if (!through.empty()) {
        update = through_matrix(update, through, equations->n_out, workers);
    }
}

Napi::Value SolveJob::result(Napi::Env env) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("update", typed<Napi::Float32Array>(env, update));
    object.Set("explained", explained);
    return object;
}

ConvertJob::ConvertJob(std::shared_ptr<CancelFlag> cancel, int type, int64_t row_length)
    : Job(std::move(cancel), "QUANTIZE_FAILED"), type(type), row_length(row_length) {}

void ConvertJob::run() {
    if (type < 0 || type >= GGML_TYPE_COUNT || ggml_type_size(ggml_type(type)) == 0 || row_length < 1 || row_length % ggml_blck_size(ggml_type(type)) != 0) {
        throw std::runtime_error("rows of " + std::to_string(row_length) + " values cannot be of type " + std::to_string(type));
    }
    const size_t row_bytes = ggml_row_size(ggml_type(type), row_length);
    if (values.size() % size_t(row_length) != 0 || bytes.size() % row_bytes != 0) {
        throw std::runtime_error("expected whole rows of " + std::to_string(row_length) + " values");
    }
    if (quantizes) {
        if (ggml_quantize_requires_imatrix(ggml_type(type))) {
            throw std::runtime_error(std::string(ggml_type_name(ggml_type(type))) + " cannot be quantised to without an importance matrix");
        }
        const int64_t rows = int64_t(values.size()) / row_length;
        bytes.resize(size_t(rows) * row_bytes);
        // A few rows at a time, to be stopped between them.
        for (int64_t row = 0; row < rows; row += 64) {
            if (cancel->requested) {
                throw Cancelled();
            }
            const int64_t count = std::min<int64_t>(64, rows - row);
            ggml_quantize_chunk(ggml_type(type), values.data(), bytes.data(), row * row_length, count, row_length, nullptr);
        }
        return;
    }
    const ggml_type_traits * traits = ggml_get_type_traits(ggml_type(type));
    const int64_t rows = int64_t(bytes.size() / row_bytes);
    values.resize(size_t(rows * row_length));
    if (type == GGML_TYPE_F32) {
        std::copy(bytes.begin(), bytes.end(), reinterpret_cast<uint8_t *>(values.data()));
        return;
    }
    if (traits->to_float == nullptr) {
        throw std::runtime_error(std::string("weights of type ") + ggml_type_name(ggml_type(type)) + " cannot be read as numbers");
    }
    for (int64_t row = 0; row < rows; ++row) {
        traits->to_float(bytes.data() + size_t(row) * row_bytes, values.data() + row * row_length, row_length);
    }
}

Napi::Value ConvertJob::result(Napi::Env env) {
    return quantizes ? typed<Napi::Uint8Array>(env, bytes) : typed<Napi::Float32Array>(env, values);
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
    return Job::start(info.Env(), std::move(job), nothing(info.Env()));
}

LeastSquaresTimingJob::LeastSquaresTimingJob(std::shared_ptr<CancelFlag> cancel) : Job(std::move(cancel), "EVALUATION_FAILED") {}

void LeastSquaresTimingJob::run() {
    const Workers workers{ n_threads, [this] {
                              if (cancel->requested) {
                                  throw Cancelled();
                              }
                          } };
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
        equations.add(features, targets, std::min(at_once, n_rows - row), workers);
    }
    const double added = now();
    const std::vector<float> update = equations.solve(0.1, workers);
    equations.residual_squares(update, workers); // as SolveJob does
    if (on_outputs) {
        through_matrix(update, std::vector<float>(size_t(n_out) * n_in, 1.0f), n_out, workers);
    }
    accumulate = added - start;
    solve = now() - added;
}

Napi::Value LeastSquaresTimingJob::result(Napi::Env env) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("accumulate", accumulate);
    object.Set("solve", solve);
    return object;
}

Napi::Value time_least_squares(const Napi::CallbackInfo & info) {
    const Napi::Object options = info[0].As<Napi::Object>();
    auto job = std::make_unique<LeastSquaresTimingJob>(flag_of(info[1]));
    job->n_in = number<int>(options, "inputs");
    job->n_out = number<int>(options, "outputs");
    job->n_rows = number<int>(options, "rows");
    job->n_threads = number<int>(options, "threads");
    job->on_outputs = boolean(options, "onOutputs");
    return Job::start(info.Env(), std::move(job), nothing(info.Env()));
}

Napi::Value state_values(const Napi::CallbackInfo & info) {
    const StatesHandle states = held_by<StateRows>(info[0]);
    Napi::Float32Array values = Napi::Float32Array::New(info.Env(), states->n_values());
    std::copy(states->row(0), states->row(0) + states->n_values(), values.Data());
    return values;
}

Napi::Value quantize_values(const Napi::CallbackInfo & info) {
    auto job = std::make_unique<ConvertJob>(flag_of(info[3]), number_of<int>(info[1], "type"), number_of<int64_t>(info[2], "rowLength"));
    job->quantizes = true;
    job->values = values_of<float>(info[0]);
    return Job::start(info.Env(), std::move(job), nothing(info.Env()));
}

Napi::Value dequantize_bytes(const Napi::CallbackInfo & info) {
    auto job = std::make_unique<ConvertJob>(flag_of(info[3]), number_of<int>(info[1], "type"), number_of<int64_t>(info[2], "rowLength"));
    job->bytes = values_of<uint8_t>(info[0]);
    return Job::start(info.Env(), std::move(job), nothing(info.Env()));
}

// hiddenStates(tokens, run, after: Int32Array, cancel): Promise<states[]>
Napi::Value NativeModel::hidden_states(const Napi::CallbackInfo & info) {
    const ModelCore & model = viewed(info.Env());
    auto job = std::make_unique<StatesJob>(flag_of(info[3]), core);
    job->healing = run_of(model, info[0], info[1].As<Napi::Object>());
    job->after = values_of<int32_t>(info[2]);
    if (job->after.empty()) {
        throw Napi::RangeError::New(info.Env(), "expected at least one block to take the state after");
    }
    return Job::start(info.Env(), std::move(job), nothing(info.Env()));
}

// normalEquations(tokens, run, settings, target: states, cancel): Promise<{ features, targets, rows, equations }[]>
Napi::Value NativeModel::normal_equations(const Napi::CallbackInfo & info) {
    const ModelCore & model = viewed(info.Env());
    auto job = std::make_unique<EquationsJob>(flag_of(info[4]), core);
    job->healing = run_of(model, info[0], info[1].As<Napi::Object>());
    job->settings = settings_of(info[2].As<Napi::Object>());
    job->target = held_by<StateRows>(info[3]);
    return Job::start(info.Env(), std::move(job), nothing(info.Env()));
}

// normSums(tokens, run, settings, target: states, cancel): Promise<{ products, squares }>
Napi::Value NativeModel::norm_sums(const Napi::CallbackInfo & info) {
    const ModelCore & model = viewed(info.Env());
    auto job = std::make_unique<NormSumsJob>(flag_of(info[4]), core);
    job->healing = run_of(model, info[0], info[1].As<Napi::Object>());
    job->settings = settings_of(info[2].As<Napi::Object>());
    job->target = held_by<StateRows>(info[3]);
    return Job::start(info.Env(), std::move(job), nothing(info.Env()));
}

// outputPath(tokens, run, settings, cancel): Promise<{ scale, unexplained }>
Napi::Value NativeModel::output_path(const Napi::CallbackInfo & info) {
    const ModelCore & model = viewed(info.Env());
    auto job = std::make_unique<OutputPathJob>(flag_of(info[3]), core);
    job->healing = run_of(model, info[0], info[1].As<Napi::Object>());
    job->settings = settings_of(info[2].As<Napi::Object>());
    return Job::start(info.Env(), std::move(job), nothing(info.Env()));
}

// replaceTensor(name, type, bytes: Uint8Array | undefined): void; without bytes the file's own values again
Napi::Value NativeModel::replace_tensor(const Napi::CallbackInfo & info) {
    ModelCore & model = viewed(info.Env());
    const std::string name = info[0].As<Napi::String>().Utf8Value();
    const std::lock_guard<std::mutex> lock(model.computing);
    model.contexts.reset(); // their graphs have the tensors that stood
    guarded(info.Env(), "replace the tensor", [&] {
        if (info[2].IsUndefined()) {
            model.view->restore_tensor(name);
        } else {
            model.view->replace_tensor(name, ggml_type(number_of<int>(info[1], "type")), values_of<uint8_t>(info[2]));
        }
    });
    return info.Env().Undefined();
}
