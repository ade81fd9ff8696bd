// The baseline of the benchmarks: llama_decode of windows of tokens and nothing else. It has the same windows, ubatches and
// positions with logits as the evaluator, but nothing reads the logits.
//
// plain-decode MODEL TOKENS LENGTH UBATCH THREADS REPEATS EVERY
//   TOKENS   file of int32, windows one after another     EVERY   logits at every EVERY-th position (0: at one)
// Prints one line of JSON: milliseconds of each repeat, without loading and without making the context. It also has the mean loss over the
// positions with logits, nats, summed in double precision in the plainest way, in a run without timing.
#include "llama-cpp.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <vector>

// -log softmax(logits)[target]
static double loss_of(const float * logits, int n_vocab, llama_token target) {
    double sum = 0;
    for (int i = 0; i < n_vocab; ++i) {
        sum += std::exp(double(logits[i]) - double(logits[target]));
    }
    return std::log(sum);
}

int main(int argc, char ** argv) {
    if (argc != 8) {
        std::fprintf(stderr, "usage: plain-decode MODEL TOKENS LENGTH UBATCH THREADS REPEATS EVERY\n");
        return 2;
    }
    const int length = std::atoi(argv[3]);
    const int n_ubatch = std::atoi(argv[4]);
    const int n_threads = std::atoi(argv[5]);
    const int repeats = std::atoi(argv[6]);
    const int every = std::atoi(argv[7]);
    std::ifstream file(argv[2], std::ios::binary | std::ios::ate);
    if (!file || length < 2) {
        std::fprintf(stderr, "plain-decode: cannot read %s\n", argv[2]);
        return 1;
    }
    std::vector<llama_token> tokens(size_t(file.tellg()) / sizeof(llama_token));
    file.seekg(0);
    file.read(reinterpret_cast<char *>(tokens.data()), std::streamsize(tokens.size() * sizeof(llama_token)));
    const int n_windows = int(tokens.size()) / length;
    const int group = std::clamp(n_ubatch / length, 1, n_windows);
    const int piece = group == 1 ? std::min(length, n_ubatch) : length;

    llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
    llama_backend_init();
    llama_model_ptr model(llama_model_load_from_file(argv[1], llama_model_default_params()));
    if (!model) {
        std::fprintf(stderr, "plain-decode: cannot load %s\n", argv[1]);
        return 1;
    }
    llama_context_params params = llama_context_default_params();
    params.n_ctx = uint32_t((length + 255) / 256 * 256 * group);
    params.n_batch = uint32_t(piece * group);
    params.n_ubatch = std::min<uint32_t>(params.n_batch, uint32_t(n_ubatch));
    params.n_seq_max = uint32_t(group);
    params.kv_unified = false;
    params.n_threads = params.n_threads_batch = n_threads;
    params.no_perf = true;
    llama_context_ptr context(llama_init_from_model(model.get(), params));
    llama_batch batch = llama_batch_init(group * piece, 0, 1);

    const int n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model.get()));
    double loss = 0;
    long long scored = 0;
    std::printf("{\"windows\":%d,\"milliseconds\":[", n_windows);
    for (int repeat = -1; repeat < repeats; ++repeat) { // the first one warms up
        const auto start = std::chrono::steady_clock::now();
        for (int first = 0; first < n_windows; first += group) {
            const int n = std::min(group, n_windows - first);
            llama_memory_clear(llama_get_memory(context.get()), false);
            for (int at = 0; at < length; at += piece) {
                const int end = std::min(length, at + piece);
                batch.n_tokens = 0;
                for (int w = 0; w < n; ++w) {
                    for (int position = at; position < end; ++position) {
                        const int k = batch.n_tokens++;
                        batch.token[k] = tokens[size_t(first + w) * length + position];
                        batch.pos[k] = position;
                        batch.n_seq_id[k] = 1;
                        batch.seq_id[k][0] = w;
                        batch.logits[k] = position + 1 < length && (every == 0 ? w == 0 && position == at : position % every == 0);
                    }
                }
                if (llama_decode(context.get(), batch) != 0) {
                    std::fprintf(stderr, "plain-decode: llama_decode failed\n");
                    return 1;
                }
                llama_synchronize(context.get());
                for (int k = 0; repeat < 0 && k < batch.n_tokens; ++k) {
                    if (batch.logits[k]) {
                        const llama_token target = tokens[size_t(first + batch.seq_id[k][0]) * length + batch.pos[k] + 1];
                        loss += loss_of(llama_get_logits_ith(context.get(), k), n_vocab, target);
                        ++scored;
                    }
                }
            }
        }
        const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
        if (repeat >= 0) {
            std::printf("%s%.3f", repeat > 0 ? "," : "", ms);
        }
    }
    std::printf("],\"loss\":%.9f}\n", loss / double(scored));
    llama_batch_free(batch);
    return 0;
}
