// Weights of another type: complete files, and single matrices.
#include "arguments.h"
#include "calls.h"
#include "contexts.h"
#include "job.h"
#include "log_capture.h"
#include "results.h"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

namespace {

// Another file of the same model with weights of another type (llama_model_quantize).
class QuantizeJob : public Job {
public:
    explicit QuantizeJob(std::shared_ptr<CancelFlag> cancel) : Job(std::move(cancel), "QUANTIZE_FAILED") {}
    std::string input;
    std::string output;
    int file_type = 0; // llama_ftype
    int n_threads = 1;
    bool pure = false; // every matrix of that type, without the mixtures of the file type

protected:
    void run() override {
        give_up_contexts();
        llama_model_quantize_params params = llama_model_quantize_default_params();
        params.ftype = llama_ftype(file_type);
        params.nthread = n_threads;
        params.allow_requantize = true;
        params.pure = pure;
        std::string problems;
        {
            const LogCapture log([this](const char * line) { heard(line); });
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

    Napi::Value result(Napi::Env env) override { return env.Undefined(); }

private:
    // llama.cpp has no callback here, but names each tensor in its log ("[  3/ 272] ..."), between the work of its threads.
    void heard(const char * line) {
        int done = 0;
        int total = 0;
        if (std::sscanf(line, "[%d/%d]", &done, &total) != 2) {
            return;
        }
        if (cancel->requested) {
            throw Cancelled();
        }
        post_progress(done, total);
    }
};

// Conversion of weights between 32-bit numbers and a type of ggml.
class ConvertJob : public Job {
public:
    ConvertJob(std::shared_ptr<CancelFlag> cancel, int type, int64_t row_length)
        : Job(std::move(cancel), "QUANTIZE_FAILED"), type(type), row_length(row_length) {}
    std::vector<float> values;   // to be quantized, or the dequantized result
    std::vector<uint8_t> bytes;  // to be dequantized, or the quantized result
    bool quantizes = false;

protected:
    void run() override {
        if (!can_hold_rows()) {
            throw std::runtime_error("rows of " + std::to_string(row_length) + " values cannot have the type " + std::to_string(type));
        }
        const size_t row_bytes = ggml_row_size(ggml_type(type), row_length);
        if (values.size() % size_t(row_length) != 0 || bytes.size() % row_bytes != 0) {
            throw std::runtime_error("expected whole rows of " + std::to_string(row_length) + " values");
        }
        if (quantizes) {
            quantize(ggml_type(type), row_bytes);
        } else {
            dequantize(ggml_type(type), row_bytes);
        }
    }

    Napi::Value result(Napi::Env env) override {
        if (quantizes) {
            return typed_array(env, bytes);
        }
        return typed_array(env, values);
    }

private:
    int type;
    int64_t row_length;

    bool can_hold_rows() const {
        return type >= 0 && type < GGML_TYPE_COUNT && ggml_type_size(ggml_type(type)) > 0 && row_length >= 1 &&
               row_length % ggml_blck_size(ggml_type(type)) == 0;
    }

    void quantize(ggml_type type, size_t row_bytes) {
        if (ggml_quantize_requires_imatrix(type)) {
            throw std::runtime_error(std::string(ggml_type_name(type)) + " needs an importance matrix to quantize to it");
        }
        const int64_t rows = int64_t(values.size()) / row_length;
        bytes.resize(size_t(rows) * row_bytes);
        // A few rows at a time, so that the job can stop between them.
        for (int64_t row = 0; row < rows; row += 64) {
            if (cancel->requested) {
                throw Cancelled();
            }
            const int64_t count = std::min<int64_t>(64, rows - row);
            ggml_quantize_chunk(type, values.data(), bytes.data(), row * row_length, count, row_length, nullptr);
        }
    }

    void dequantize(ggml_type type, size_t row_bytes) {
        const ggml_type_traits * traits = ggml_get_type_traits(type);
        const int64_t rows = int64_t(bytes.size() / row_bytes);
        values.resize(size_t(rows * row_length));
        if (type == GGML_TYPE_F32) {
            std::copy(bytes.begin(), bytes.end(), reinterpret_cast<uint8_t *>(values.data()));
            return;
        }
        if (traits->to_float == nullptr) {
            throw std::runtime_error(std::string("weights of type ") + ggml_type_name(type) + " cannot be read as numbers");
        }
        for (int64_t row = 0; row < rows; ++row) {
            traits->to_float(bytes.data() + size_t(row) * row_bytes, values.data() + row * row_length, row_length);
        }
    }
};

std::unique_ptr<ConvertJob> convert_job(const Napi::CallbackInfo & info) {
    return std::make_unique<ConvertJob>(flag_of(info[3]), number_of<int>(info[1], "type"), number_of<int64_t>(info[2], "rowLength"));
}

} // namespace

Napi::Value quantize_file(const Napi::CallbackInfo & info) {
    const Napi::Object options = info[2].As<Napi::Object>();
    auto job = std::make_unique<QuantizeJob>(flag_of(info[3]));
    job->input = info[0].As<Napi::String>().Utf8Value();
    job->output = info[1].As<Napi::String>().Utf8Value();
    job->file_type = number<int>(options, "fileType");
    job->n_threads = number<int>(options, "threads");
    job->pure = boolean(options, "pure");
    return Job::start(info.Env(), std::move(job), info[4].As<Napi::Function>());
}

Napi::Value quantize_values(const Napi::CallbackInfo & info) {
    auto job = convert_job(info);
    job->quantizes = true;
    job->values = values_of<float>(info[0]);
    return Job::start(info.Env(), std::move(job));
}

Napi::Value dequantize_bytes(const Napi::CallbackInfo & info) {
    auto job = convert_job(info);
    job->bytes = values_of<uint8_t>(info[0]);
    return Job::start(info.Env(), std::move(job));
}
