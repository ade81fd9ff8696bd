// Work besides the JavaScript thread, with a promise, progress and cancellation.
//
// Lifetime: start() hands the job to a thread-safe function, which deletes it in its finalizer, on the JavaScript
// thread, when the job's work is over. The finalizer also runs when the environment is torn down (a worker thread
// that ends): it cancels first, so the wait is short. Messages that no longer find an environment are dropped.
#pragma once

#include "model_core.h"
#include "napi_setup.h"

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>

// Held by JavaScript to cancel a job: new CancelToken(); token.cancel().
class CancelToken : public Napi::ObjectWrap<CancelToken> {
public:
    static Napi::Function define(Napi::Env env);
    explicit CancelToken(const Napi::CallbackInfo & info);
    std::shared_ptr<CancelFlag> flag = std::make_shared<CancelFlag>();

private:
    Napi::Value cancel(const Napi::CallbackInfo & info);
};

// The flag of a CancelToken. Throws a TypeError for any other value.
std::shared_ptr<CancelFlag> flag_of(const Napi::Value & token);

class Job {
public:
    explicit Job(std::shared_ptr<CancelFlag> cancel, std::string error_code = "EVALUATION_FAILED")
        : cancel(std::move(cancel)), error_code(std::move(error_code)) {}
    virtual ~Job() = default;

    // Runs the job; its promise settles on the JavaScript thread. `on_message` receives what the job posts.
    static Napi::Promise start(Napi::Env env, std::unique_ptr<Job> job, Napi::Function on_message);

    // The same for a job that posts nothing.
    static Napi::Promise start(Napi::Env env, std::unique_ptr<Job> job);

    // Cancels the jobs of an environment and waits until none of them computes any more, for a few seconds at most. A process that exits
    // destroys llama.cpp's static data while a thread may still run.
    static void stop_all(Napi::Env env);

protected:
    virtual void run() = 0;                            // on the job's thread; throws Cancelled or std::exception
    virtual Napi::Value result(Napi::Env env) = 0;     // on the JavaScript thread

    using Message = std::function<void(Napi::Env, Napi::Function)>;
    void post(Message message);
    void post_progress(int64_t done, int64_t total); // on_message(done, total)

    std::shared_ptr<CancelFlag> cancel;

private:
    struct Shared;
    static void call_js(Napi::Env env, Napi::Function on_message, Job * job, Message * message);
    using Channel = Napi::TypedThreadSafeFunction<Job, Message, call_js>;

    void work();
    void fail_message(const char * problem, const char * code);
    void settle(); // lets the promise settle on the JavaScript thread; the job may be deleted after it

    std::string error_code;
    std::string error;      // empty if the job succeeded
    std::string error_log;  // llama.cpp's own lines
    bool cancelled = false;
    // The error of a message. On the JavaScript thread only.
    std::string message_error;
    std::string message_code;
    std::unique_ptr<Napi::Promise::Deferred> deferred;
    Channel channel;
    std::future<void> over;
};

// A job on a loaded model, which it keeps alive.
class ModelJob : public Job {
public:
    ModelJob(std::shared_ptr<CancelFlag> cancel, std::shared_ptr<ModelCore> core) : Job(std::move(cancel)), core(std::move(core)) {}

protected:
    std::shared_ptr<ModelCore> core;
};
