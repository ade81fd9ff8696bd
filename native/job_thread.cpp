#include "job_thread.h"

#include <utility>

JobThread::~JobThread() {
    {
        const std::lock_guard<std::mutex> lock(mutex);
        stopping = true;
        if (running) {
            running->requested = true;
        }
    }
    changed.notify_all();
    if (thread.joinable()) {
        thread.join();
    }
}

std::future<void> JobThread::run(std::function<void()> work, std::shared_ptr<CancelFlag> cancel) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (running) {
        return std::async(std::launch::async, std::move(work));
    }
    if (!thread.joinable()) {
        thread = std::thread(&JobThread::loop, this);
    }
    next = std::packaged_task<void()>(std::move(work));
    running = std::move(cancel);
    changed.notify_all();
    return next.get_future();
}

void JobThread::loop() {
    std::unique_lock<std::mutex> lock(mutex);
    while (true) {
        changed.wait(lock, [this] { return stopping || next.valid(); });
        if (!next.valid()) {
            return;
        }
        std::packaged_task<void()> work = std::move(next);
        next = {};
        lock.unlock();
        work();
        lock.lock();
        running.reset();
    }
}
