#include "job.h"

#include "arguments.h"
#include "log_capture.h"
#include "model_wrap.h"

#include <chrono>
#include <condition_variable>
#include <map>
#include <new>
#include <mutex>
#include <system_error>

namespace {

// Jobs that compute, with the environment that started each. Never destroyed, since it is used while the process exits.
struct Running {
    std::mutex mutex;
    std::condition_variable changed;
    std::map<std::shared_ptr<CancelFlag>, napi_env> jobs;

    static Running & get() {
        static Running & only = *new Running;
        return only;
    }
};

bool any_of(const Running & running, napi_env env) {
    for (const auto & [flag, owner] : running.jobs) {
        if (owner == env) {
            return true;
        }
    }
    return false;
}

} // namespace

Napi::Function CancelToken::define(Napi::Env env) {
    return DefineClass(env, "CancelToken", { InstanceMethod<&CancelToken::cancel>("cancel") });
}

CancelToken::CancelToken(const Napi::CallbackInfo & info) : Napi::ObjectWrap<CancelToken>(info) {
    info.This().As<Napi::Object>().TypeTag(&type_tag<CancelToken>());
}

std::shared_ptr<CancelFlag> flag_of(const Napi::Value & token) {
    return unwrap<CancelToken>(token, "a CancelToken").flag;
}

Napi::Value CancelToken::cancel(const Napi::CallbackInfo & info) {
    flag->requested = true;
    return info.Env().Undefined();
}

void Job::call_js(Napi::Env env, Napi::Function on_message, Job * job, Message * message) {
    const std::unique_ptr<Message> owned(message);
    if (env == nullptr) {
        return;
    }
    try {
        (*owned)(env, on_message);
    } catch (const std::bad_alloc &) {
        job->fail_message("there is not enough memory", "NOT_ENOUGH_MEMORY");
    } catch (const std::exception & problem) {
        // The caller's functions never throw (model/runtime/cancel.ts guards them). While the environment is being torn down nobody reads this.
        job->fail_message(problem.what(), "EVALUATION_FAILED");
    }
}

// The results did not reach their caller: the job has failed.
void Job::fail_message(const char * problem, const char * code) {
    message_error = *problem != '\0' ? problem : "unknown error";
    message_code = code;
    cancel->requested = true;
}

Napi::Promise Job::start(Napi::Env env, std::unique_ptr<Job> owned, Napi::Function on_message) {
    Job * job = owned.get();
    job->deferred = std::make_unique<Napi::Promise::Deferred>(env);
    const Napi::Promise promise = job->deferred->Promise();
    job->channel = Channel::New(
        env, on_message, "prune-gguf job", 0, 1, job,
        [](Napi::Env, Job * finished, Job *) {
            finished->cancel->requested = true;
            if (finished->over.valid()) {
                finished->over.wait();
            }
            delete finished;
        },
        job);
    owned.release(); // the channel's
    try {
        {
            Running & running = Running::get();
            const std::lock_guard<std::mutex> lock(running.mutex);
            running.jobs[job->cancel] = env;
        }
        job->over = env.GetInstanceData<AddonData>()->jobs.run([job] { job->work(); }, job->cancel);
    } catch (const std::system_error & problem) {
        job->error = std::string("the system allows no further thread to compute with: ") + problem.what();
        job->settle();
    } catch (const std::exception & problem) {
        job->error = problem.what();
        job->settle();
    }
    return promise;
}

Napi::Promise Job::start(Napi::Env env, std::unique_ptr<Job> job) {
    return start(env, std::move(job), Napi::Function::New(env, [](const Napi::CallbackInfo &) {}));
}

void Job::stop_all(Napi::Env env) {
    Running & running = Running::get();
    std::unique_lock<std::mutex> lock(running.mutex);
    for (const auto & [flag, owner] : running.jobs) {
        if (owner == env) {
            flag->requested = true;
        }
    }
    running.changed.wait_for(lock, std::chrono::seconds(5), [&] { return !any_of(running, env); });
}

void Job::post(Message message) {
    auto * payload = new Message(std::move(message));
    if (channel.NonBlockingCall(payload) != napi_ok) {
        delete payload;
    }
}

void Job::post_progress(int64_t done, int64_t total) {
    post([done, total](Napi::Env env, Napi::Function on_progress) {
        on_progress.Call({ Napi::Number::New(env, double(done)), Napi::Number::New(env, double(total)) });
    });
}

void Job::work() {
    {
        const LogCapture log;
        try {
            run();
        } catch (const Cancelled &) {
            cancelled = true;
        } catch (const std::bad_alloc &) {
            error = "there is not enough memory";
            error_code = "NOT_ENOUGH_MEMORY";
        } catch (const std::exception & problem) {
            error = *problem.what() != '\0' ? problem.what() : "unknown error";
            error_log = log.problems();
        } catch (...) {
            error = "unknown error";
            error_log = log.problems();
        }
    }
    settle();
}

void Job::settle() {
    {
        Running & running = Running::get();
        const std::lock_guard<std::mutex> lock(running.mutex);
        running.jobs.erase(cancel);
        running.changed.notify_all();
    }
    post([this](Napi::Env env, Napi::Function) {
        const Napi::HandleScope scope(env);
        if (!cancelled && error.empty() && message_error.empty()) {
            try {
                deferred->Resolve(result(env));
                return;
            } catch (const Napi::Error & problem) {
                deferred->Reject(problem.Value());
                return;
            } catch (const std::bad_alloc &) {
                fail_message("there is not enough memory", "NOT_ENOUGH_MEMORY");
            } catch (const std::exception & problem) {
                fail_message(problem.what(), "EVALUATION_FAILED");
            }
        }
        const bool lost = !message_error.empty();
        Napi::Object reason = Napi::Error::New(env, lost ? message_error : cancelled ? "cancelled" : error).Value();
        reason.Set("code", lost ? message_code : cancelled ? "CANCELLED" : error_code);
        reason.Set("log", error_log);
        deferred->Reject(reason);
    });
    channel.Release();
}
