// A program for the tests, in addition to llama.cpp's own test-llama-archs.
//
//   fixture-tool make META SEED OUT   reads a GGUF of metadata only, asks llama.cpp which tensors such a model has, and
//                                     writes the same metadata with random tensors: the same bytes every time
//   fixture-tool read FILE...         prints what llama.cpp's own reader sees in each file, with a hash of every value and
//                                     of every tensor's bytes
#include "ggml-backend.h"
#include "ggml.h"
#include "gguf.h"
#include "llama.h"

#include <cinttypes>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <string>
#include <vector>

namespace {

constexpr uint64_t FNV_START = 0xcbf29ce484222325ull;

uint64_t fnv(const void * data, size_t size, uint64_t hash = FNV_START) {
    const auto * bytes = static_cast<const unsigned char *>(data);
    for (size_t i = 0; i < size; ++i) {
        hash = (hash ^ bytes[i]) * 0x100000001b3ull;
    }
    return hash;
}

bool contains(const std::string & text, const char * part) {
    return text.find(part) != std::string::npos;
}

// splitmix64, and a sum of uniform numbers: std's distributions differ between libraries.
struct Random {
    uint64_t state;

    double uniform() {
        uint64_t z = (state += 0x9e3779b97f4a7c15ull);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
        return double((z ^ (z >> 31)) >> 11) / double(1ull << 53);
    }
    // Mean 0, variance 1.
    double normal() { return (uniform() + uniform() + uniform() + uniform() - 2.0) * 1.7320508075688772; }
};

// Values for which every tensor matters: norms and scales near one, and matrices that preserve the size of their inputs.
float value_of(const std::string & name, const ggml_tensor * tensor, Random & random) {
    const double normal = random.normal();
    if (contains(name, "rope_f")) {
        return float(1.0 + 0.5 * std::fabs(normal));
    }
    if (contains(name, "lerp")) {
        return float(0.5 + 0.2 * normal);
    }
    if (contains(name, ".bias")) {
        return float(0.1 * normal);
    }
    if (contains(name, "scale") || contains(name, "norm") || contains(name, "time_mix_ln")) {
        return float(1.0 + 0.1 * normal);
    }
    if (ggml_n_dims(tensor) < 2) {
        return float(0.3 * normal);
    }
    if (contains(name, "token_embd")) {
        return float(normal);
    }
    return float(normal / std::sqrt(double(tensor->ne[0])));
}

struct Made {
    uint64_t seed;
    std::set<std::string> names;
    std::vector<ggml_tensor *> tensors;
};

// The seed depends on the name, so that a tensor that llama.cpp makes twice (tied embeddings, rotary factors) is the same both times.
void set_tensor(ggml_tensor * tensor, void * data) {
    Made & made = *static_cast<Made *>(data);
    const std::string name = tensor->name;
    if (tensor->type != GGML_TYPE_F32) {
        std::fprintf(stderr, "%s is not of type F32\n", name.c_str());
        std::exit(1);
    }
    Random random = { fnv(name.data(), name.size(), made.seed ^ FNV_START) };
    std::vector<float> values(size_t(ggml_nelements(tensor)));
    for (float & value : values) {
        value = value_of(name, tensor, random);
    }
    ggml_backend_tensor_set(tensor, values.data(), 0, ggml_nbytes(tensor));
    if (made.names.insert(name).second) {
        made.tensors.push_back(tensor);
    }
}

int make(const char * meta, const char * seed, const char * out) {
    gguf_context * given = gguf_init_from_file(meta, { /*no_alloc*/ true, /*ctx*/ nullptr });
    if (given == nullptr) {
        std::fprintf(stderr, "cannot read %s\n", meta);
        return 1;
    }
    Made made = { std::strtoull(seed, nullptr, 10), {}, {} };
    llama_model_params params = llama_model_default_params();
    params.n_gpu_layers = 0;
    llama_model * model = llama_model_init_from_user(given, set_tensor, &made, params);
    if (model == nullptr) {
        std::fprintf(stderr, "llama.cpp makes no model of %s\n", meta);
        return 1;
    }
    gguf_context * written = gguf_init_empty();
    gguf_set_kv(written, given);
    for (const ggml_tensor * tensor : made.tensors) {
        gguf_add_tensor(written, tensor);
    }
    const bool ok = gguf_write_to_file(written, out, false);
    gguf_free(written);
    llama_model_free(model);
    gguf_free(given);
    return ok ? 0 : 1;
}

uint64_t hash_of_value(const gguf_context * file, int64_t id) {
    const gguf_type type = gguf_get_kv_type(file, id);
    if (type == GGUF_TYPE_STRING) {
        const char * text = gguf_get_val_str(file, id);
        return fnv(text, std::strlen(text));
    }
    if (type != GGUF_TYPE_ARRAY) {
        static const size_t sizes[GGUF_TYPE_COUNT] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
        return fnv(gguf_get_val_data(file, id), sizes[type]);
    }
    const size_t count = gguf_get_arr_n(file, id);
    const gguf_type item = gguf_get_arr_type(file, id);
    uint64_t hash = FNV_START;
    if (item == GGUF_TYPE_STRING) {
        for (size_t i = 0; i < count; ++i) {
            const char * text = gguf_get_arr_str(file, id, i);
            hash = fnv(text, std::strlen(text) + 1, hash);
        }
        return hash;
    }
    static const size_t sizes[GGUF_TYPE_COUNT] = { 1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8 };
    return count == 0 ? hash : fnv(gguf_get_arr_data(file, id), count * sizes[item], hash);
}

void print_keys(const gguf_context * file) {
    for (int64_t id = 0; id < gguf_get_n_kv(file); ++id) {
        const gguf_type type = gguf_get_kv_type(file, id);
        const bool array = type == GGUF_TYPE_ARRAY;
        std::printf("key\t%s\t%s\t%zu\t%016" PRIx64 "\n", gguf_get_key(file, id),
            array ? (std::string("array of ") + gguf_type_name(gguf_get_arr_type(file, id))).c_str() : gguf_type_name(type),
            array ? gguf_get_arr_n(file, id) : size_t(1), hash_of_value(file, id));
    }
}

int read(const char * path) {
    ggml_context * tensors = nullptr;
    gguf_context * file = gguf_init_from_file(path, { /*no_alloc*/ false, /*ctx*/ &tensors });
    if (file == nullptr) {
        std::fprintf(stderr, "llama.cpp cannot read %s\n", path);
        return 1;
    }
    print_keys(file);
    for (int64_t id = 0; id < gguf_get_n_tensors(file); ++id) {
        const char * name = gguf_get_tensor_name(file, id);
        const ggml_tensor * tensor = ggml_get_tensor(tensors, name);
        std::printf("tensor\t%s\t%s\t%" PRId64 "x%" PRId64 "x%" PRId64 "x%" PRId64 "\t%016" PRIx64 "\n", name, ggml_type_name(tensor->type),
            tensor->ne[0], tensor->ne[1], tensor->ne[2], tensor->ne[3], fnv(tensor->data, ggml_nbytes(tensor)));
    }
    ggml_free(tensors);
    gguf_free(file);
    return 0;
}

void log_problems(ggml_log_level level, const char * text, void *) {
    if (level == GGML_LOG_LEVEL_ERROR) {
        std::fputs(text, stderr);
    }
}

} // namespace

int main(int argc, char ** argv) {
    llama_log_set(log_problems, nullptr);
    const std::string mode = argc > 1 ? argv[1] : "";
    if (mode == "make" && argc == 5) {
        return make(argv[2], argv[3], argv[4]);
    }
    if (mode == "read" && argc > 2) {
        for (int i = 2; i < argc; ++i) {
            if (const int code = read(argv[i])) {
                return code;
            }
        }
        return 0;
    }
    std::fprintf(stderr, "usage: fixture-tool make META SEED OUT | fixture-tool read FILE...\n");
    return 2;
}
