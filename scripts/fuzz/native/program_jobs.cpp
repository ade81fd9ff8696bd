// Steps of a program other than measuring masks.
#include "program.h"

#include "ggml.h"

namespace {

// Types that ggml makes only on its way, and those of whole numbers: it quantizes to none of them.
bool no_weights(ggml_type type) {
    return type == GGML_TYPE_Q8_1 || type == GGML_TYPE_Q8_K || (type >= GGML_TYPE_I8 && type <= GGML_TYPE_F64);
}

} // namespace

void Program::step(Tape & tape) {
    using Step = void (Program::*)(Tape &);
    static const std::vector<Step> steps = { &Program::evaluate,      &Program::evaluate, &Program::evaluate, &Program::evaluate,       &Program::similarities,
                                             &Program::sample,        &Program::fit,      &Program::solve,    &Program::replace_tensor, &Program::speed,
                                             &Program::hidden_states, &Program::text,     &Program::convert,  &Program::load,           &Program::other };
    (this->*tape.pick(steps))(tape);
}

void Program::similarities(Tape & tape) {
    const Cut cut = windows(tape);
    method("similarities", { cut.tokens, js::object(env, cut.options), token(tape) });
}

void Program::sample(Tape & tape) {
    const int length = 1 + tape.below(12);
    Arguments prompts;
    for (int i = tape.below(4); i > 0; --i) {
        prompts.push_back(tokens(tape, 1 + tape.below(length)));
        // src/ refuses an empty prompt, whatever else it may be.
        if (prompts.back()->buffer != nullptr && prompts.back()->buffer->bytes.size() < 4) {
            prompts.pop_back();
        }
    }
    Properties options = { { "length", odd(tape, number(length)) },
                           { "stopAtEog", boolean(tape.flag()) },
                           { "temperature", odd(tape, number(tape.pick<double>({ 1.0, 0.0, 0.7, 1e-30, 1e30 }))) },
                           { "seed", odd(tape, number(double(uint32_t(tape.word())) * 1024.0)) },
                           { "threads", odd(tape, number(1)) } };
    if (tape.flag()) {
        options["mask"] = mask(tape);
    }
    method("sample", { odd(tape, js::array(env, prompts)), js::object(env, options), token(tape), message() });
}

void Program::hidden_states(Tape & tape) {
    const Cut cut = windows(tape);
    Properties options = cut.options;
    options["kept"] = stack(tape);
    if (!states.empty() && tape.rarely(3)) {
        options["from"] = handle(tape, states);
    }
    std::vector<int32_t> after(tape.rarely(16) ? 0 : 1 + tape.below(3));
    for (int32_t & block : after) {
        block = tape.rarely(16) ? tape.word() : tape.below(n_blocks);
    }
    const Ended ended = method("hiddenStates", { cut.tokens, js::object(env, options), js::typed(env, napi_int32_array, after), token(tape) });
    if (ended.result == nullptr) {
        return;
    }
    for (const napi_value one : ended.result->elements) {
        states.push_back(one);
        exported("stateValues", { one });
    }
}

// States before and after some blocks, and least squares of what lies between.
void Program::fit(Tape & tape) {
    const Cut cut = windows(tape);
    Properties options = cut.options;
    options["kept"] = stack(tape);
    const int last = tape.below(n_blocks);
    const napi_value target_of = js::typed(env, napi_int32_array, std::vector<int32_t>{ last });
    Properties whole = options;
    std::vector<int32_t> all;
    for (int block = 0; block < n_blocks; ++block) {
        all.insert(all.end(), { block, block });
    }
    whole["kept"] = js::typed(env, napi_int32_array, all);
    const Ended wanted = method("hiddenStates", { cut.tokens, js::object(env, whole), target_of, token(tape) });
    const napi_value target = wanted.result != nullptr ? wanted.result->elements.front() : handle(tape, states);
    const napi_value settings = equation_settings(tape);
    const napi_value run = js::object(env, options);
    switch (tape.below(4)) {
        case 0: method("outputPath", { cut.tokens, run, settings, token(tape) }); break;
        case 1: method("normSums", { cut.tokens, run, settings, target, token(tape) }); break;
        default: {
            const Ended ended = method("normalEquations", { cut.tokens, run, settings, target, token(tape) });
            for (size_t i = 0; ended.result != nullptr && i < ended.result->elements.size(); ++i) {
                equations.push_back(js::get(ended.result->elements[i], "equations"));
            }
        }
    }
}

void Program::solve(Tape & tape) {
    const napi_value which = handle(tape, equations);
    if (tape.rarely(8)) {
        exported("freeEquations", { which });
        return;
    }
    napi_value through = js::make(env, napi_undefined);
    if (tape.flag()) {
        const std::vector<float> matrix(size_t(n_embd) * tape.below(5) + (tape.rarely(8) ? 1 : 0), 0.5f);
        through = js::typed(env, napi_float32_array, matrix);
    }
    const napi_value options = js::object(env, { { "ridge", odd(tape, number(tape.pick<double>({ 0.1, 0.001, 0.0, 100.0, -1.0 }))) },
                                                 { "threads", odd(tape, number(1 + tape.below(2))) } });
    exported("solveEquations", { which, options, odd(tape, through), token(tape) });
}

void Program::replace_tensor(Tape & tape) {
    const napi_value name = matrix_name(tape, tape.below(n_blocks));
    int type = 0;
    const napi_value bytes = tape.rarely(8) ? js::make(env, napi_undefined) : values_for(tape, name->text, type);
    const Ended ended = method("replaceTensor", { name, odd(tape, number(type)), bytes });
    if (ended.error == nullptr && model == fixture) {
        replaced.push_back(name);
    }
}

void Program::speed(Tape & tape) {
    Arguments sides;
    for (int i = tape.below(3); i > 0; --i) {
        sides.push_back(js::object(env, { { "model", odd(tape, model) }, { "mask", mask(tape) } }));
    }
    const napi_value options = js::object(env, { { "promptTokens", odd(tape, number(tape.below(9))) },
                                                 { "generatedTokens", odd(tape, number(tape.below(4))) },
                                                 { "repetitions", odd(tape, number(tape.below(3))) },
                                                 { "ubatch", odd(tape, number(1 + tape.below(16))) },
                                                 { "threads", odd(tape, number(1)) },
                                                 { "context", odd(tape, number(tape.below(256))) } });
    exported("measureSpeed", { odd(tape, js::array(env, sides)), options, token(tape), message() });
}

void Program::text(Tape & tape) {
    switch (tape.below(3)) {
        case 0: {
            const Ended made = method("tokenize", { texts(tape), boolean(tape.flag()), boolean(tape.flag()) });
            if (made.result != nullptr && method("detokenize", { made.result, boolean(tape.flag()) }).result == nullptr) {
                broken("what was tokenized cannot be written");
            }
            break;
        }
        case 1: method("detokenize", { tokens(tape, tape.below(20)), odd(tape, boolean(tape.flag())) }); break;
        default: {
            Arguments roles, contents;
            for (int i = tape.below(4); i > 0; --i) {
                roles.push_back(js::string(env, tape.pick<std::string>({ "user", "assistant", "system", "" })));
                contents.push_back(texts(tape));
            }
            method("applyChatTemplate", { odd(tape, js::array(env, roles)), odd(tape, js::array(env, contents)), boolean(tape.flag()) });
        }
    }
}

void Program::convert(Tape & tape) {
    int type = tape.rarely(16) ? tape.word() : tape.below(GGML_TYPE_COUNT + 2);
    const bool quantizes = tape.flag();
    if (quantizes && type >= 0 && type < GGML_TYPE_COUNT && no_weights(ggml_type(type))) {
        type = GGML_TYPE_F32; // src/ refuses the others
    }
    const int row_length = tape.rarely(16) ? tape.word() : tape.pick<int>({ 32, 64, 128, 256, 512, 1 });
    const napi_value kind = odd(tape, number(type)), length = odd(tape, number(row_length));
    if (quantizes) {
        std::vector<float> values(256 * size_t(tape.below(5)) + (tape.rarely(16) ? 7 : 0));
        for (float & value : values) {
            value = float(int8_t(tape.byte())) / 16.0f;
        }
        exported("quantizeValues", { odd(tape, js::typed(env, napi_float32_array, values)), kind, length, token(tape) });
    } else {
        const std::vector<uint8_t> bytes = tape.bytes(tape.rarely(16) ? tape.below(400) : 18 * 34 * size_t(tape.below(3)));
        exported("dequantizeBytes", { odd(tape, js::typed(env, napi_uint8_array, bytes)), kind, length, token(tape) });
    }
}

// The same file again, which further steps use; one without weights gives only facts and text.
void Program::load(Tape & tape) {
    const bool vocabulary_only = tape.rarely(4);
    std::vector<float> split(tape.below(24), 0.5f);
    Properties options = { { "gpuLayers", odd(tape, number(tape.below(16) - 1)) },
                           { "mmap", odd(tape, boolean(tape.flag())) },
                           { "vocabularyOnly", boolean(vocabulary_only) },
                           { "splitMode", odd(tape, js::string(env, tape.pick<std::string>({ "layer", "none", "row", "block" }))) } };
    if (tape.flag()) {
        options["devices"] = js::array(env, tape.rarely(8) ? Arguments{ odd(tape, js::string(env, "CUDA9")) } : Arguments{});
    }
    if (tape.flag()) {
        options["tensorSplit"] = odd(tape, js::typed(env, napi_float32_array, split));
    }
    const napi_value of = js::get(addon, "NativeModel");
    const napi_value name = odd(tape, js::string(env, tape.rarely(16) ? "/nowhere.gguf" : path));
    end_jobs();
    const Ended ended = call(js::get(of, "load"), of, { name, odd(tape, js::object(env, options)), token(tape), message() });
    if (ended.result == nullptr) {
        return;
    }
    model = ended.result;
    disposed = false;
    method("facts", {});
    if (vocabulary_only) {
        text(tape);
        method("dispose", {});
        model = fixture;
        return;
    }
    if (tape.rarely(8)) {
        method("evaluate", { js::make(env, napi_null), js::make(env, napi_null), js::object(env, {}), token(tape), message() }); // before its rules
    }
    set_view_rules();
}

void Program::other(Tape & tape) {
    switch (tape.below(8)) {
        case 0: method("facts", {}); break;
        case 1: exported("info", {}); break;
        case 2: exported("giveUpContexts", {}); break;
        case 3: exported("stopJobs", {}); break;
        case 4: exported("addRpcServer", { odd(tape, js::string(env, "nobody:1")) }); break;
        case 5:
            exported("timeLeastSquares", { js::object(env, { { "inputs", odd(tape, number(1 + tape.below(20))) },
                                                             { "outputs", odd(tape, number(1 + tape.below(20))) },
                                                             { "rows", odd(tape, number(tape.below(40))) },
                                                             { "threads", odd(tape, number(1 + tape.below(2))) },
                                                             { "onOutputs", boolean(tape.flag()) } }),
                                           token(tape) });
            break;
        case 6: method("blockDevices", { mask(tape) }); break;
        default:
            // Whatever follows must be refused.
            if (model != fixture) {
                method("dispose", {});
                disposed = true;
            }
    }
}
