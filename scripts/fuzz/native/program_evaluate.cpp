// Measuring masks, and whether each gets the value that it has alone.
#include "program.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

namespace {

template <class T> std::vector<T> numbers_in(const std::vector<uint8_t> & bytes) {
    std::vector<T> numbers(bytes.size() / sizeof(T));
    if (!numbers.empty()) {
        std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(T));
    }
    return numbers;
}

template <class T> std::vector<uint8_t> with_one_nan(const std::vector<uint8_t> & bytes) {
    std::vector<T> numbers = numbers_in<T>(bytes);
    for (T & number : numbers) {
        number = std::isnan(number) ? std::numeric_limits<T>::quiet_NaN() : number;
    }
    std::vector<uint8_t> same(numbers.size() * sizeof(T));
    if (!same.empty()) {
        std::memcpy(same.data(), numbers.data(), same.size());
    }
    return same;
}

Figures figures_of(napi_value object) {
    Figures figures;
    for (const auto & [name, value] : object->properties) {
        if (value->buffer != nullptr) {
            const std::vector<uint8_t> & bytes = value->buffer->bytes;
            figures[name] = value->element == napi_float64_array   ? with_one_nan<double>(bytes)
                            : value->element == napi_float32_array ? with_one_nan<float>(bytes)
                                                                   : bytes;
        } else if (value->is_array) {
            for (const napi_value text : value->elements) {
                figures[name].insert(figures[name].end(), text->text.begin(), text->text.end());
            }
        }
    }
    // The bits of a NaN are in the digests of logits, and mean nothing.
    for (const double loss : numbers_in<double>(figures["losses"])) {
        if (std::isnan(loss)) {
            figures.erase("digests");
        }
    }
    return figures;
}

std::vector<uint8_t> joined(const std::vector<std::vector<uint8_t>> & rows) {
    std::vector<uint8_t> bytes;
    for (const auto & row : rows) {
        bytes.insert(bytes.end(), row.begin(), row.end());
    }
    return bytes;
}

// Positions of a window that are scored.
int scored_in(const Evaluation & what, int window) {
    const auto flags = what.options.find("scored");
    int n = 0;
    for (int position = 0; position + 1 < what.length; ++position) {
        n += flags != what.options.end() ? flags->second->buffer->bytes[size_t(window) * what.length + position] != 0
                                         : position >= int(what.options.at("scoreFrom")->number);
    }
    return n;
}

} // namespace

Evaluation Program::evaluation(Tape & tape) {
    Evaluation made;
    static_cast<Cut &>(made) = windows(tape);
    std::vector<int> version_blocks;
    if (tape.rarely(4)) {
        made.options["versions"] = odd(tape, versions(tape, version_blocks));
    }
    const int n_masks = 1 + tape.below(6);
    for (int i = 0; i < n_masks; ++i) {
        made.rows.push_back(row(tape, made.rows.empty() ? std::vector<uint8_t>() : tape.pick(made.rows), version_blocks));
    }
    made.options["sharePrefixes"] = boolean(!tape.rarely(8));
    made.options["stateBytes"] = odd(tape, number(tape.pick<double>({ 1 << 30, 1 << 30, 1 << 15, 1 << 12, 0 })));
    made.options["stateType"] = js::string(env, tape.rarely(8) ? "F16" : "F32");
    made.options["scoreFrom"] = odd(tape, number(tape.rarely(4) ? tape.below(made.length) : 0));
    made.options["batchWindows"] = odd(tape, number(tape.rarely(4) ? tape.below(6) : 0));
    made.options["outputLast"] = boolean(tape.rarely(4));
    made.options["perToken"] = boolean(tape.flag());
    made.options["digest"] = boolean(tape.flag());
    const bool keep = n_masks == 1 ? tape.flag() : tape.rarely(64);
    made.options["keepReference"] = boolean(keep);
    sound = sound && (!keep || n_masks == 1);
    const size_t n_tokens = size_t(made.n_windows) * made.length;
    if (tape.rarely(4)) {
        std::vector<uint8_t> flags = tape.bytes(n_tokens);
        for (uint8_t & flag : flags) {
            flag &= 1;
        }
        if (tape.rarely(32)) {
            flags.resize(tape.below(int(n_tokens) + 4));
            sound = sound && (flags.empty() || flags.size() == n_tokens);
        }
        if (!flags.empty()) {
            made.options["scored"] = js::typed(env, napi_uint8_array, flags);
        }
    }
    if (tape.rarely(4)) {
        std::vector<uint8_t> flags = tape.bytes(size_t(n_masks) * (n_blocks + 1) - (tape.rarely(32) ? 1 : 0));
        sound = sound && flags.size() == size_t(n_masks) * (n_blocks + 1);
        for (uint8_t & flag : flags) {
            flag &= 1;
        }
        made.options["resumable"] = odd(tape, js::typed(env, napi_uint8_array, flags));
    }
    if (!references.empty() && tape.rarely(3)) {
        made.options["reference"] = handle(tape, references);
    }
    made.own_weights = model == fixture ? replaced.empty() && version_blocks.empty() : version_blocks.empty();
    return made;
}

// Figures of each row, in order; those of a row are empty if it was not measured.
std::vector<Figures> Program::measure(const Evaluation & what, napi_value token, Ended & ended) {
    const auto found = std::make_shared<std::vector<Figures>>(what.rows.size());
    const napi_value on_mask = message([found](const Arguments & given) {
        const auto index = size_t(given.at(0)->number);
        if (index >= found->size() || !(*found)[index].empty()) {
            broken("a mask is measured twice, or is none of those given");
        }
        (*found)[index] = figures_of(given.at(1));
    });
    ended = method("evaluate", { js::typed(env, napi_uint8_array, joined(what.rows)), what.tokens, js::object(env, what.options), token, on_mask });
    return *found;
}

void Program::check_losses(const Evaluation & what, const std::vector<Figures> & figures) const {
    for (const Figures & one : figures) {
        const auto losses = one.find("losses");
        if (losses == one.end() || losses->second.size() != what.n_windows * sizeof(double)) {
            broken("a mask has no loss for each window");
        }
        const std::vector<double> numbers = numbers_in<double>(losses->second);
        for (int window = 0; window < what.n_windows; ++window) {
            const bool scored = scored_in(what, window) > 0;
            if (what.own_weights && scored != (std::isfinite(numbers[window]) && numbers[window] > -1e-3)) {
                broken("the loss of a window is " + std::to_string(numbers[window]));
            }
        }
    }
}

// What a mask is worth may not depend on the masks that are measured with it.
void Program::compare_alone(const Evaluation & all, const std::vector<Figures> & figures, Tape & tape) {
    for (int i = 0; i < 2 && i < int(all.rows.size()); ++i) {
        const int which = tape.below(int(all.rows.size()));
        Evaluation one = all;
        one.rows = { all.rows[which] };
        one.options["sharePrefixes"] = boolean(false);
        one.options["keepReference"] = boolean(false);
        one.options.erase("resumable");
        if (tape.flag()) {
            exported("giveUpContexts", {});
        }
        Ended ended;
        const std::vector<Figures> alone = measure(one, js::construct(env, js::get(addon, "CancelToken"), {}), ended);
        if (ended.result == nullptr) {
            broken("a mask that was measured with others cannot be measured alone");
        }
        if (alone.front() != figures[which]) {
            broken("mask " + std::to_string(which) + " has another value alone");
        }
    }
}

void Program::evaluate(Tape & tape) {
    const Evaluation what = evaluation(tape);
    Ended ended;
    const std::vector<Figures> figures = measure(what, token(tape), ended);
    if (beside) {
        return;
    }
    if (ended.result == nullptr) {
        if (sound) {
            broken("a sound evaluation fails: " + js::get(ended.error, "message")->text);
        }
        return;
    }
    if (const napi_value reference = js::get(ended.result, "reference")) {
        references.push_back(reference);
    }
    check_losses(what, figures);
    if (what.options.at("stateType")->text == "F32") {
        compare_alone(what, figures, tape);
    }
}
