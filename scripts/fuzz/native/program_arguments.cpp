// Arguments of calls, sound and not.
#include "program.h"

#include "../../../native/stacked_block.h"

#include "ggml.h"

#include <cstring>
#include <limits>

namespace {

// Types that matrices of the 12-block model can have and that ggml multiplies with; src/ lets no other through.
const std::vector<int> matrix_types = { GGML_TYPE_F32,  GGML_TYPE_F16,  GGML_TYPE_Q4_0,   GGML_TYPE_Q4_1,  GGML_TYPE_Q5_0, GGML_TYPE_Q5_1,
                                        GGML_TYPE_Q8_0, GGML_TYPE_BF16, GGML_TYPE_IQ4_NL, GGML_TYPE_MXFP4, GGML_TYPE_NVFP4 };

const std::vector<std::string> matrices = { "attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down" };

struct Shape {
    int columns;
    int rows;
};

Shape shape_of(const std::string & name) {
    const auto has = [&](const char * part) { return name.find(part) != std::string::npos; };
    if (has("norm")) {
        return { n_embd, 1 };
    }
    const int columns = has("ffn_down") ? n_feed_forward : n_embd;
    const int rows = has("attn_k") || has("attn_v") ? n_embd / 2 : has("ffn_gate") || has("ffn_up") ? n_feed_forward : n_embd;
    return { columns, rows };
}

// Values that are no noise: small, and different.
std::vector<uint8_t> small_floats(size_t n, uint32_t seed) {
    std::vector<float> values(n);
    for (float & value : values) {
        seed = seed * 1664525u + 1013904223u;
        value = (float(seed >> 8) / float(1 << 24) - 0.5f) * 0.1f;
    }
    std::vector<uint8_t> bytes(n * sizeof(float));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    return bytes;
}

std::vector<uint8_t> noise(size_t n, uint32_t seed) {
    std::vector<uint8_t> bytes(n);
    for (uint8_t & byte : bytes) {
        seed = seed * 1664525u + 1013904223u;
        byte = uint8_t(seed >> 24);
    }
    return bytes;
}

} // namespace

// Once in a while another value than the sound one, of any kind.
napi_value Program::odd(Tape & tape, napi_value given) {
    if (!tape.rarely(64)) {
        return given;
    }
    sound = false;
    switch (tape.below(10)) {
        case 0: return js::make(env, napi_undefined);
        case 1: return js::make(env, napi_null);
        case 2: return number(std::numeric_limits<double>::quiet_NaN());
        case 3: return number(0.5);
        case 4: return number(1e300);
        case 5: return js::string(env, "blk.1.ffn_down.weight");
        case 6: return js::object(env, {});
        case 7: return js::array(env, { js::make(env, napi_null) });
        case 8: {
            const auto element = tape.pick<napi_typedarray_type>({ napi_uint8_array, napi_float32_array, napi_int32_array });
            return js::typed(env, element, tape.bytes(4 * size_t(tape.below(9))));
        }
        default: return fixture; // an object of the addon, but another
    }
}

napi_value Program::message(std::function<void(const Arguments &)> use) {
    return js::function(env, [this, use](const Arguments & given) {
        if (cancels != nullptr) {
            const napi_value token = cancels;
            cancels = nullptr;
            js::call(env, js::get(token, "cancel"), token, {});
        }
        if (use) {
            use(given);
        }
    });
}

// Most tokens cancel nothing; some cancel before the job begins, or with its first message.
napi_value Program::token(Tape & tape) {
    const napi_value made = js::construct(env, js::get(addon, "CancelToken"), {});
    const int when = tape.below(32);
    if (when == 30) {
        js::call(env, js::get(made, "cancel"), made, {});
        sound = false;
    }
    if (when == 31) {
        cancels = made;
        sound = false;
    }
    return odd(tape, made);
}

// A row of a mask that begins as another one.
std::vector<uint8_t> Program::row(Tape & tape, const std::vector<uint8_t> & before, const std::vector<int> & version_blocks) {
    const int shared = before.empty() ? 0 : tape.below(n_blocks + 1);
    std::vector<uint8_t> bytes(before.begin(), before.begin() + shared);
    while (int(bytes.size()) < n_blocks) {
        const int what = tape.below(16);
        const int version = version_blocks.empty() ? 0 : tape.below(int(version_blocks.size()));
        const bool fits = !version_blocks.empty() && version_blocks[version] == int(bytes.size());
        bytes.push_back(what < 4 ? 0 : what < 10 ? 1 : what < 12 ? 254 : what < 14 || !fits ? 255 : uint8_t(mask_byte::first_version + version));
    }
    // As is_stack wants it: what is open must be closed.
    bool open = false;
    for (uint8_t & byte : bytes) {
        byte = open && byte != mask_byte::removed ? uint8_t(mask_byte::feed_forward) : byte;
        open = byte == mask_byte::attention || (open && byte == mask_byte::removed);
    }
    if (open) {
        bytes.back() = mask_byte::feed_forward;
    }
    if (tape.rarely(48)) {
        bytes[tape.below(n_blocks)] = tape.byte();
        sound = false;
    }
    return bytes;
}

napi_value Program::mask(Tape & tape) {
    std::vector<uint8_t> bytes = row(tape, {}, {});
    if (tape.rarely(48)) {
        bytes.resize(tape.below(3 * n_blocks));
        sound = false;
    }
    return odd(tape, js::typed(env, napi_uint8_array, bytes));
}

// Pairs of blocks: of a mask, or of any numbers, in any order, none, the same again.
napi_value Program::stack(Tape & tape) {
    std::vector<int32_t> numbers;
    if (tape.rarely(8)) {
        sound = false;
        for (int i = tape.below(2 * n_blocks); i > 0; --i) {
            numbers.push_back(tape.rarely(32) ? tape.word() : tape.below(n_blocks + 4) - 2);
        }
    } else {
        const std::vector<uint8_t> bytes = row(tape, {}, {});
        if (is_stack(bytes.data(), n_blocks)) {
            for (const StackedBlock & block : stack_of(bytes.data(), n_blocks)) {
                numbers.push_back(block.attends ? block.attention : -1);
                numbers.push_back(block.feed_forward);
            }
        }
    }
    return odd(tape, js::typed(env, napi_int32_array, numbers));
}

napi_value Program::tokens(Tape & tape, int n) {
    std::vector<int32_t> list(n);
    for (int32_t & token : list) {
        token = tape.below(n_vocab);
    }
    if (n > 0 && tape.rarely(48)) {
        list[tape.below(n)] = tape.word();
        sound = false;
    }
    return odd(tape, js::typed(env, napi_int32_array, list));
}

// Windows and how they run. Short ones with few tokens in a ubatch show most. One thread: on a busy machine several wait for each other at
// every step of a graph, for seconds.
Cut Program::windows(Tape & tape) {
    Cut cut;
    cut.length = 1 + tape.below(tape.rarely(16) ? 40 : 8);
    int n = (1 + tape.below(3)) * cut.length;
    if (tape.rarely(48)) {
        n = tape.below(n + 2);
    }
    cut.tokens = tokens(tape, n);
    const size_t given = cut.tokens->buffer != nullptr ? cut.tokens->buffer->bytes.size() / sizeof(int32_t) : 0;
    sound = sound && given > 0 && given % cut.length == 0;
    cut.n_windows = int(given / cut.length);
    const int ubatch = tape.pick<int>({ 512, 512, 64, 32, 24, 16, 8, 5, 3, 2, 1 });
    cut.options = { { "windowLength", odd(tape, number(cut.length)) },
                    { "ubatch", odd(tape, number(ubatch)) },
                    { "threads", odd(tape, number(1)) } };
    return cut;
}

// Text as Node.js gives it: UTF-8, whatever the characters.
napi_value Program::texts(Tape & tape) {
    static const std::vector<std::string> pieces = { "the sea ",         "<|endoftext|>", std::string(1, '\0'), "\xc3\xa9",
                                                     "\xf0\x9f\x98\x80", "\xef\xbf\xbd",  "\n\n",              "  ",
                                                     "12345" };
    std::string text;
    for (int i = tape.below(24); i > 0; --i) {
        text += tape.flag() ? tape.pick(pieces) : std::string(1, char(tape.byte() & 0x7f));
    }
    return odd(tape, js::string(env, text));
}

napi_value Program::matrix_name(Tape & tape, int block) {
    if (tape.rarely(32)) {
        sound = false;
        return js::string(env, tape.pick<std::string>({ "", "blk.", "blk.1", "weight", "blk.12.ffn_down.weight", "output.weight", "blk.1.attn_norm.weight" }));
    }
    return js::string(env, "blk." + std::to_string(block) + "." + tape.pick(matrices) + ".weight");
}

// Bytes for a matrix: zeros, noise in any type (which may not be finite), or small numbers.
napi_value Program::values_for(Tape & tape, const std::string & name, int & type) {
    const Shape shape = shape_of(name);
    const int kind = tape.below(3);
    type = kind == 2 || shape.rows == 1 ? int(GGML_TYPE_F32) : tape.pick(matrix_types);
    size_t size = ggml_row_size(ggml_type(type), shape.columns) * size_t(shape.rows);
    const uint32_t seed = uint32_t(tape.word());
    std::vector<uint8_t> bytes = kind == 0 ? std::vector<uint8_t>(size, 0) : kind == 1 ? noise(size, seed) : small_floats(size / sizeof(float), seed);
    if (tape.rarely(32)) {
        bytes.resize(tape.below(2 * int(size)));
        sound = false;
    }
    if (tape.rarely(48)) {
        type = tape.word();
        sound = false;
    }
    return odd(tape, js::typed(env, napi_uint8_array, bytes));
}

// One that the addon gave out, of this kind or another.
napi_value Program::handle(Tape & tape, const std::vector<napi_value> & made) {
    const bool other = tape.rarely(32);
    std::vector<napi_value> all = made;
    if (other) {
        for (const auto * list : { &references, &states, &equations }) {
            all.insert(all.end(), list->begin(), list->end());
        }
    }
    sound = false; // it may be of other windows
    return all.empty() ? js::make(env, napi_null) : odd(tape, tape.pick(all));
}

napi_value Program::equation_settings(Tape & tape) {
    Properties settings = { { "weight", odd(tape, matrix_name(tape, tape.below(n_blocks))) },
                            { "after", odd(tape, number(tape.below(n_blocks + 1))) },
                            { "relative", odd(tape, number(tape.pick<double>({ 0.0, 1.0, 0.5, 2.0 }))) },
                            { "scale", odd(tape, number(tape.pick<double>({ 1.0, 0.5, -1.0, 1e-30, 0.0 }))) },
                            { "onInputs", boolean(tape.flag()) },
                            { "onOutputs", boolean(tape.flag()) },
                            { "normEpsilon", odd(tape, number(tape.pick<double>({ 1e-5, 0.0, 1.0 }))) } };
    if (tape.rarely(4)) {
        std::vector<float> norm(tape.rarely(8) ? tape.below(n_embd + 9) : n_embd);
        const float step = float(tape.below(8)) / 8.0f;
        for (size_t i = 0; i < norm.size(); ++i) {
            norm[i] = 1.0f - step * float(i % 3);
        }
        settings["norm"] = odd(tape, js::typed(env, napi_float32_array, norm));
    }
    return js::object(env, settings);
}

napi_value Program::versions(Tape & tape, std::vector<int> & blocks) {
    Arguments list;
    for (int i = tape.below(3); i > 0; --i) {
        const int block = tape.below(n_blocks);
        Arguments changed;
        for (int k = tape.below(3); k > 0; --k) {
            const napi_value name = matrix_name(tape, block);
            int type = 0;
            const napi_value bytes = values_for(tape, name->text, type);
            changed.push_back(js::object(env, { { "name", odd(tape, name) }, { "type", odd(tape, number(type)) }, { "bytes", bytes } }));
        }
        blocks.push_back(block);
        list.push_back(js::object(env, { { "block", odd(tape, number(block)) }, { "matrices", odd(tape, js::array(env, changed)) } }));
    }
    return js::array(env, list);
}
