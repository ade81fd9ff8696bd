#include "program.h"

#include <set>
#include <utility>

Program::Program(napi_env env, napi_value addon, napi_value model, std::string path)
    : env(env), addon(addon), fixture(model), model(model), path(std::move(path)) {
    set_view_rules();
}

namespace {

std::string text_in(napi_value of, const char * name) {
    const napi_value found = js::get(of, name);
    return found == nullptr ? "" : found->text;
}

// An error says what is wrong, and its code is one that src/model/runtime/cancel.ts knows.
void check_error(napi_value error, bool from_job) {
    static const std::set<std::string> codes = { "CANCELLED", "EVALUATION_FAILED", "QUANTIZE_FAILED", "MODEL_LOAD_FAILED", "DISPOSED" };
    const std::string code = text_in(error, "code");
    const std::string message = text_in(error, "message");
    if (message.empty() || (from_job && codes.count(code) == 0)) {
        broken("an error without code or message: " + code + " " + message);
    }
    for (const char * ours : { "must be adapted", "unknown error", "Unknown failure" }) {
        if (message.find(ours) != std::string::npos) {
            broken("an error that may not happen: " + message);
        }
    }
}

} // namespace

Ended Program::outcome_of(napi_value promise) {
    if (promise->settled == Settled::pending) {
        broken("a promise never settles");
    }
    if (promise->settled == Settled::resolved) {
        return { promise->outcome, nullptr };
    }
    check_error(promise->outcome, true);
    return { nullptr, promise->outcome };
}

void Program::end_jobs() {
    js::run_jobs(env);
    cancels = nullptr;
    for (const napi_value promise : waiting) {
        outcome_of(promise);
    }
    waiting.clear();
}

Ended Program::call(napi_value function, napi_value self, const Arguments & arguments) {
    const size_t channels = env->channels.size();
    const napi_value result = js::call(env, function, self, arguments);
    if (result == nullptr) {
        const napi_value error = std::exchange(env->exception, nullptr);
        check_error(error, false);
        return { nullptr, error };
    }
    const bool starts_job = env->channels.size() > channels;
    if (!starts_job) {
        return { result, nullptr };
    }
    if (beside) {
        waiting.push_back(result);
        return {};
    }
    end_jobs();
    return outcome_of(result);
}

Ended Program::method(const char * name, const Arguments & arguments) {
    return call(js::get(model, name), model, arguments);
}

Ended Program::exported(const char * name, const Arguments & arguments) {
    return call(js::get(addon, name), addon, arguments);
}

// As src/model/architectures describes a model of this architecture.
void Program::set_view_rules() {
    Arguments outputs, feed_forward;
    for (int block = 0; block < n_blocks; ++block) {
        const auto names = [&](std::initializer_list<const char *> parts) {
            Arguments list;
            for (const char * part : parts) {
                list.push_back(js::string(env, "blk." + std::to_string(block) + "." + part + ".weight"));
            }
            return js::array(env, list);
        };
        outputs.push_back(names({ "attn_output", "ffn_down" }));
        feed_forward.push_back(names({ "ffn_norm", "ffn_gate", "ffn_up", "ffn_down" }));
    }
    const napi_value rules = js::object(env, { { "leadingCounts", js::array(env, {}) },
                                               { "outputs", js::array(env, outputs) },
                                               { "feedForward", js::array(env, feed_forward) },
                                               { "empty", js::array(env, { number(0) }) } });
    if (method("setViewRules", { rules }).error != nullptr) {
        broken("setViewRules fails");
    }
}

void Program::restore() {
    model = fixture;
    disposed = false;
    for (const napi_value name : replaced) {
        if (method("replaceTensor", { name, number(0), js::make(env, napi_undefined) }).error != nullptr) {
            broken("the file's own matrix does not return");
        }
    }
    replaced.clear();
}

Figures Program::original() {
    const napi_value token = js::construct(env, js::get(addon, "CancelToken"), {});
    Evaluation whole;
    std::vector<int32_t> words(6);
    for (size_t i = 0; i < words.size(); ++i) {
        words[i] = int32_t(i * 37 % n_vocab);
    }
    whole.rows = { std::vector<uint8_t>(n_blocks, 1) };
    whole.tokens = js::typed(env, napi_int32_array, words);
    whole.n_windows = 1;
    whole.length = 6;
    whole.options = { { "windowLength", number(6) },       { "ubatch", number(512) },  { "threads", number(1) },    { "stateBytes", number(1 << 20) },
                      { "stateType", js::string(env, "F32") }, { "scoreFrom", number(0) }, { "batchWindows", number(0) }, { "digest", boolean(true) } };
    Ended ended;
    std::vector<Figures> figures = measure(whole, token, ended);
    if (ended.result == nullptr) {
        broken("the original model cannot be measured: " + text_in(ended.error, "message"));
    }
    return figures.front();
}

void Program::run(Tape tape) {
    static const Figures before = original();
    for (int i = 0; i < 4 && !tape.empty(); ++i) {
        beside = tape.rarely(8);
        sound = !disposed;
        Tape part = tape.part();
        step(part);
    }
    beside = false;
    end_jobs();
    restore();
    if (original() != before) {
        broken("the original model has other values than before");
    }
    references.clear();
    states.clear();
    equations.clear();
}
