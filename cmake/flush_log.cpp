// Linked into llama-perplexity. llama.cpp prints from a thread of its own, whose queue is lost where the process ends first
// (common/log.cpp, common_log_main): now and then the last lines were missing, the result among them.
#include "log.h"

namespace {
struct FlushAtExit {
    ~FlushAtExit() { common_log_pause(common_log_main()); }
};
const FlushAtExit flush_at_exit;
} // namespace
