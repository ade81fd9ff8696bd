// The thread that jobs run on.
#pragma once

#include "model_core.h"

#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>

// Runs one job after another on one thread. OpenMP ties the threads that compute a graph to the thread that starts it, so a new thread
// per job would create them every time.
class JobThread {
public:
    JobThread() = default;
    JobThread(const JobThread &) = delete;
    JobThread & operator=(const JobThread &) = delete;

    // Cancels the running job, and waits for it.
    ~JobThread();

    // The future is ready when the work is over. Parallel work gets a thread of its own. Throws std::system_error if the system allows no
    // further thread.
    std::future<void> run(std::function<void()> work, std::shared_ptr<CancelFlag> cancel);

private:
    std::mutex mutex;
    std::condition_variable changed;
    std::packaged_task<void()> next;
    std::shared_ptr<CancelFlag> running; // of the job that runs or is about to
    bool stopping = false;
    std::thread thread;

    void loop();
};
