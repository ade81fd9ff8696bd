// What programs do with a model beside reading a text once: a state is saved and restored in another context, and the context is shifted.
//
// continue-text MODEL TOKENS THREADS on|off
//   TOKENS   file of int32, at least 64        on, off   flash attention
// Reads half of the tokens and saves the state. The third quarter is read in the same context and in a new one with that state; then that
// context loses its oldest tokens but the first four and is shifted, and reads the last quarter. The same without the shift is read behind the
// state once more. Prints one line of JSON: a hash of the logits of each, all of their bits, and the bytes of the state.
#include "llama-cpp.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

// FNV-1a over all logits of the batch.
static uint64_t hash_of(llama_context * context, int n, int n_vocab) {
    uint64_t hash = 14695981039346656037ull;
    for (int i = 0; i < n; ++i) {
        const auto * bytes = reinterpret_cast<const unsigned char *>(llama_get_logits_ith(context, i));
        for (size_t at = 0; at < sizeof(float) * size_t(n_vocab); ++at) {
            hash = (hash ^ bytes[at]) * 1099511628211ull;
        }
    }
    return hash;
}

// Reads tokens from a position on, with the logits of each.
static uint64_t read(llama_context * context, const std::vector<llama_token> & tokens, int from, int count, int position, int n_vocab) {
    llama_batch batch = llama_batch_init(count, 0, 1);
    batch.n_tokens = count;
    for (int i = 0; i < count; ++i) {
        batch.token[i] = tokens[size_t(from + i)];
        batch.pos[i] = position + i;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = 1;
    }
    const int status = llama_decode(context, batch);
    llama_batch_free(batch);
    if (status != 0) {
        std::fprintf(stderr, "continue-text: llama_decode gives %d\n", status);
        std::exit(1);
    }
    return hash_of(context, count, n_vocab);
}

int main(int argc, char ** argv) {
    if (argc != 5) {
        std::fprintf(stderr, "usage: continue-text MODEL TOKENS THREADS on|off\n");
        return 2;
    }
    std::ifstream file(argv[2], std::ios::binary | std::ios::ate);
    std::vector<llama_token> tokens(file ? size_t(file.tellg()) / sizeof(llama_token) : 0);
    if (tokens.size() < 64) {
        std::fprintf(stderr, "continue-text: %s does not hold 64 tokens\n", argv[2]);
        return 1;
    }
    file.seekg(0);
    file.read(reinterpret_cast<char *>(tokens.data()), std::streamsize(tokens.size() * sizeof(llama_token)));
    const int quarter = int(tokens.size() / 4);

    llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
    llama_backend_init();
    llama_model_ptr model(llama_model_load_from_file(argv[1], llama_model_default_params()));
    llama_context_params params = llama_context_default_params();
    params.n_ctx = params.n_batch = params.n_ubatch = uint32_t(3 * quarter + 255) / 256 * 256;
    params.n_threads = params.n_threads_batch = std::atoi(argv[3]);
    params.flash_attn_type = std::strcmp(argv[4], "on") == 0 ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
    llama_context_ptr first(model ? llama_init_from_model(model.get(), params) : nullptr);
    llama_context_ptr second(model ? llama_init_from_model(model.get(), params) : nullptr);
    if (!first || !second) {
        std::fprintf(stderr, "continue-text: cannot load %s\n", argv[1]);
        return 1;
    }
    const int n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model.get()));

    read(first.get(), tokens, 0, 2 * quarter, 0, n_vocab);
    std::vector<uint8_t> state(llama_state_get_size(first.get()));
    const size_t size = llama_state_get_data(first.get(), state.data(), state.size());
    const uint64_t straight = read(first.get(), tokens, 2 * quarter, quarter, 2 * quarter, n_vocab);

    if (llama_state_set_data(second.get(), state.data(), size) != size) {
        std::fprintf(stderr, "continue-text: the state cannot be restored\n");
        return 1;
    }
    const uint64_t restored = read(second.get(), tokens, 2 * quarter, quarter, 2 * quarter, n_vocab);

    const llama_memory_t memory = llama_get_memory(second.get());
    const auto drop = [&] {
        const int kept = 4;
        if (!llama_memory_can_shift(memory) || !llama_memory_seq_rm(memory, 0, kept, kept + quarter)) {
            std::fprintf(stderr, "continue-text: the context cannot be shifted\n");
            std::exit(1);
        }
        return kept + quarter;
    };
    llama_memory_seq_add(memory, 0, drop(), -1, -quarter);
    const uint64_t shifted = read(second.get(), tokens, 3 * quarter, quarter, 2 * quarter, n_vocab);

    // The first four tokens are as far away as they were.
    llama_memory_clear(memory, true);
    llama_state_set_data(second.get(), state.data(), size);
    read(second.get(), tokens, 2 * quarter, quarter, 2 * quarter, n_vocab);
    drop();
    const uint64_t dropped = read(second.get(), tokens, 3 * quarter, quarter, 3 * quarter, n_vocab);

    std::printf("{\"straight\":\"%016llx\",\"restored\":\"%016llx\",\"shifted\":\"%016llx\",\"dropped\":\"%016llx\",\"stateBytes\":%zu}\n",
                (unsigned long long) straight, (unsigned long long) restored, (unsigned long long) shifted, (unsigned long long) dropped, size);
    return 0;
}
