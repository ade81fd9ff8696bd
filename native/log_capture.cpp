#include "log_capture.h"

#include "llama.h"

#include <cstdio>
#include <cstdlib>
#include <deque>

namespace {

constexpr size_t max_lines = 40;

struct Lines {
    std::deque<std::string> problems;
    ggml_log_level last = GGML_LOG_LEVEL_NONE;
    std::function<void(const char *)> listener;
};

thread_local Lines * current = nullptr;

// PRUNE_GGUF_LLAMA_LOG=1 shows llama.cpp's own log on stderr, for bug reports.
bool shown() {
    static const bool value = [] {
        const char * text = std::getenv("PRUNE_GGUF_LLAMA_LOG");
        return text != nullptr && *text != '\0' && std::string(text) != "0";
    }();
    return value;
}

// The log contains text of the file, which must not control the terminal: control characters except tabs and line ends become \u00XX.
void show(const char * text) {
    for (const char * at = text; *at != '\0'; ++at) {
        const auto byte = static_cast<unsigned char>(*at);
        const auto next = static_cast<unsigned char>(at[1]);
        if ((byte < 0x20 && byte != '\n' && byte != '\t') || byte == 0x7f) {
            std::fprintf(stderr, "\\u%04x", byte);
        } else if (byte == 0xc2 && next >= 0x80 && next < 0xa0) { // U+0080 to U+009F in UTF-8
            std::fprintf(stderr, "\\u%04x", next);
            ++at;
        } else {
            std::fputc(byte, stderr);
        }
    }
}

void on_log(ggml_log_level level, const char * text, void *) {
    if (shown()) {
        show(text);
    }
    if (current == nullptr) {
        return;
    }
    if (current->listener) {
        current->listener(text);
    }
    if (level == GGML_LOG_LEVEL_CONT) {
        level = current->last;
    }
    current->last = level;
    if (level != GGML_LOG_LEVEL_WARN && level != GGML_LOG_LEVEL_ERROR) {
        return;
    }
    current->problems.emplace_back(text);
    if (current->problems.size() > max_lines) {
        current->problems.pop_front();
    }
}

} // namespace

void log_install() {
    llama_log_set(on_log, nullptr);
}

LogCapture::LogCapture(std::function<void(const char *)> listener) : previous(current), lines(new Lines) {
    current = static_cast<Lines *>(lines);
    current->listener = std::move(listener);
}

LogCapture::~LogCapture() {
    current = static_cast<Lines *>(previous);
    delete static_cast<Lines *>(lines);
}

std::string LogCapture::problems() const {
    std::string text;
    for (const auto & line : static_cast<Lines *>(lines)->problems) {
        text += line;
    }
    while (!text.empty() && text.back() == '\n') {
        text.pop_back();
    }
    return text;
}
