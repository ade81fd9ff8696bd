// llama.cpp's log: kept for the working thread, and shown to nobody by default.
#pragma once

#include <functional>
#include <string>

// Takes over the process-wide log of llama.cpp. Call once.
void log_install();

// While alive, the log lines of this thread are kept (the last ones, bounded).
class LogCapture {
public:
    // `listener`, if given, receives every line of this thread. It may throw if the line comes from C++ code of llama.cpp.
    explicit LogCapture(std::function<void(const char *)> listener = {});
    ~LogCapture();
    LogCapture(const LogCapture &) = delete;
    LogCapture & operator=(const LogCapture &) = delete;

    // Warnings and errors, oldest first, one per line.
    std::string problems() const;

private:
    void * previous;
    void * lines;
};
