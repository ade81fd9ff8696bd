// The entry points of libFuzzer. PRUNE_GGUF_FUZZ_MODEL names the 12-block model.
#include "environment.h"
#include "program.h"

#include <cstdio>
#include <cstdlib>

extern "C" napi_value napi_register_module_v1(napi_env env, napi_value exports);

namespace {

struct World {
    napi_env__ env;
    napi_value addon = nullptr;
    std::unique_ptr<Program> program;
    size_t kept = 0; // values that every input finds
};

World & world() {
    static World & one = *new World;
    return one;
}

napi_value load(World & world, const std::string & path) {
    napi_env env = &world.env;
    const napi_value of = js::get(world.addon, "NativeModel");
    const napi_value token = js::construct(env, js::get(world.addon, "CancelToken"), {});
    const napi_value options = js::object(env, { { "gpuLayers", js::number(env, 0) }, { "mmap", js::boolean(env, true) } });
    const napi_value promise = js::call(env, js::get(of, "load"), of, { js::string(env, path), options, token, js::function(env, [](const auto &) {}) });
    js::run_jobs(env);
    if (promise == nullptr || promise->settled != Settled::resolved) {
        std::fprintf(stderr, "error: %s cannot be loaded\n", path.c_str());
        std::exit(2);
    }
    return promise->outcome;
}

} // namespace

extern "C" int LLVMFuzzerInitialize(int *, char ***) {
    const char * path = std::getenv("PRUNE_GGUF_FUZZ_MODEL");
    if (path == nullptr) {
        std::fprintf(stderr, "error: PRUNE_GGUF_FUZZ_MODEL must name the 12-block model\n");
        std::exit(2);
    }
    World & one = world();
    one.addon = js::object(&one.env, {});
    napi_register_module_v1(&one.env, one.addon);
    one.program = std::make_unique<Program>(&one.env, one.addon, load(one, path), path);
    one.program->original();
    one.kept = one.env.values.size();
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t * data, size_t size) {
    World & one = world();
    one.program->run(Tape(data, size));
    js::forget(&one.env, one.kept);
    return 0;
}
