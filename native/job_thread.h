// The thread that jobs run on.
#pragma once

#include "model_core.h"

#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

// Runs one job after the other on one thread. OpenMP ties the threads that compute a graph to the thread that asks for it: a new one
// for each job would have new ones made each time.
class JobThread {
public:
    JobThread() = default;
    JobThread(const JobThread &) = delete;
    JobThread & operator=(const JobThread &) = delete;

    // Cancels what runs, and waits for it.
    ~JobThread();

    // The future is ready when the work is over. Work beside other work gets a thread of its own. Throws std::system_error where the
    // system gives no thread.
    std::future<void> run(std::function<void()> work, std::shared_ptr<CancelFlag> cancel);

private:
    std::mutex mutex;
    std::condition_variable changed;
    std::packaged_task<void()> next;
    std::shared_ptr<CancelFlag> running; // of what runs or is about to
    bool stopping = false;
    std::thread thread;

    void loop();
};
