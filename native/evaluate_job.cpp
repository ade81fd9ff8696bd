// Measuring many masks, as JavaScript calls it.
#include "job.h"
#include "model_arguments.h"
#include "model_wrap.h"
#include "results.h"
#include "sweep.h"

#include <cstdio>

namespace {

// [{ block, matrices: [{ name, type, bytes: Uint8Array }] }]
std::vector<BlockVersion> versions_of(const Napi::Value & given) {
    std::vector<BlockVersion> versions;
    const Napi::Array list = given.As<Napi::Array>();
    for (uint32_t i = 0; given.IsArray() && i < list.Length(); ++i) {
        const Napi::Object object = list.Get(i).As<Napi::Object>();
        BlockVersion version;
        version.block = number<int>(object, "block");
        const Napi::Array matrices = object.Get("matrices").As<Napi::Array>();
        for (uint32_t k = 0; k < matrices.Length(); ++k) {
            const Napi::Object matrix = matrices.Get(k).As<Napi::Object>();
            version.matrices.push_back({ matrix.Get("name").As<Napi::String>().Utf8Value(), ggml_type(number<int>(matrix, "type")),
                                         values_of<uint8_t>(matrix.Get("bytes")) });
        }
        versions.push_back(std::move(version));
    }
    return versions;
}

void check_versions(Napi::Env env, const Masks & masks, const std::vector<BlockVersion> & versions) {
    for (size_t i = 0; i < masks.bytes.size(); ++i) {
        const int version = version_in(masks.bytes[i]);
        if (version >= int(versions.size()) || (version >= 0 && versions[version].block != int(i % size_t(masks.n_blocks)))) {
            throw Napi::RangeError::New(env, "a mask names a version that this block lacks");
        }
    }
}

Napi::Object stats_object(Napi::Env env, const SweepStats & stats) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("blocksDone", double(stats.blocks_done));
    object.Set("blocksSaved", double(stats.blocks_saved));
    object.Set("tokensDone", double(stats.tokens_done));
    return object;
}

Napi::Array digest_texts(Napi::Env env, const std::vector<uint64_t> & digests) {
    return array_of(env, digests.size(), [&](size_t i) {
        char text[17];
        std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(digests[i]));
        return Napi::String::New(env, text);
    });
}

// Names as in src/model/runtime/addon.ts (MaskFigures); figures that were not requested are missing.
Napi::Object figures_object(Napi::Env env, const MaskResult & result) {
    Napi::Object object = Napi::Object::New(env);
    const auto set = [&](const char * name, const auto & values) {
        if (!values.empty()) {
            object.Set(name, typed_array(env, values));
        }
    };
    set("losses", result.losses);
    set("tokenLosses", result.tokens);
    set("divergences", result.divergences);
    set("agreements", result.agreements);
    set("tokenDivergences", result.token_divergences);
    set("tokenAgreements", result.token_agreements);
    if (!result.digests.empty()) {
        object.Set("digests", digest_texts(env, result.digests));
    }
    return object;
}

class EvaluateJob : public ModelJob {
public:
    using ModelJob::ModelJob;
    Masks masks;
    Windows windows;
    SweepSettings settings;

protected:
    void run() override {
        stats = sweep(*core, *cancel, masks, windows, settings, [this](MaskResult && finished, const SweepStats & now) {
            auto shared = std::make_shared<MaskResult>(std::move(finished));
            post([shared, now](Napi::Env env, Napi::Function on_mask) {
                const Napi::HandleScope scope(env);
                on_mask.Call({ Napi::Number::New(env, shared->mask), figures_object(env, *shared), stats_object(env, now) });
            });
        });
    }

    // { stats, reference? }: the reference is an opaque handle, to be given back to evaluate().
    Napi::Value result(Napi::Env env) override {
        Napi::Object object = Napi::Object::New(env);
        object.Set("stats", stats_object(env, stats));
        if (settings.keep) {
            object.Set("reference", handle_of(env, settings.keep, int64_t(settings.keep->steps.size() * sizeof(uint16_t))));
        }
        return object;
    }

private:
    SweepStats stats;
};

bool is_of(const std::vector<uint8_t> & flags, size_t size) {
    return flags.empty() || flags.size() == size;
}

Masks masks_of(const ModelCore & core, const Napi::Value & bytes, const Napi::Object & options) {
    Masks masks;
    masks.n_blocks = core.view->n_blocks();
    masks.bytes = values_of<uint8_t>(bytes);
    masks.n_masks = int(masks.bytes.size() / size_t(masks.n_blocks));
    masks.resumable = values_if_given<uint8_t>(options.Get("resumable"));
    if (masks.bytes.size() % size_t(masks.n_blocks) != 0 || !is_of(masks.resumable, size_t(masks.n_masks) * (masks.n_blocks + 1))) {
        throw Napi::RangeError::New(options.Env(), "each mask needs one flag per block, and one more per depth if they say where masks resume");
    }
    for (int i = 0; i < masks.n_masks; ++i) {
        if (!is_stack(masks.row(i), masks.n_blocks)) {
            throw Napi::RangeError::New(options.Env(), "a feed-forward part must follow every attention part of a mask before the next one");
        }
    }
    return masks;
}

SweepSettings settings_of(const Napi::Object & options) {
    SweepSettings settings;
    settings.n_ubatch = number<int>(options, "ubatch");
    settings.n_threads = number<int>(options, "threads");
    settings.share_prefixes = boolean(options, "sharePrefixes");
    settings.state_bytes = number<size_t>(options, "stateBytes");
    settings.half_states = options.Get("stateType").As<Napi::String>().Utf8Value() == "F16";
    settings.score_from = number<int>(options, "scoreFrom");
    settings.batch_windows = number<int>(options, "batchWindows");
    settings.output_last = boolean(options, "outputLast");
    settings.per_token = boolean(options, "perToken");
    settings.digest = boolean(options, "digest");
    settings.versions = versions_of(options.Get("versions"));
    settings.scored = values_if_given<uint8_t>(options.Get("scored"));
    if (!options.Get("reference").IsUndefined()) {
        settings.reference = held_by<Reference>(options.Get("reference"));
    }
    if (boolean(options, "keepReference")) {
        settings.keep = std::make_shared<Reference>();
    }
    return settings;
}

} // namespace

// evaluate(masks: Uint8Array, tokens: Int32Array, options, cancel, onMask): Promise<{ stats, reference? }>
Napi::Value NativeModel::evaluate(const Napi::CallbackInfo & info) {
    const Napi::Env env = info.Env();
    viewed(env);
    const Napi::Object options = info[2].As<Napi::Object>();
    auto job = std::make_unique<EvaluateJob>(flag_of(info[3]), core);
    job->masks = masks_of(*core, info[0], options);
    job->windows = windows_of(*core, info[1], options);
    job->settings = settings_of(options);
    if (job->settings.keep && job->masks.n_masks != 1) {
        throw Napi::RangeError::New(env, "distributions are kept of one mask, not of " + std::to_string(job->masks.n_masks));
    }
    check_versions(env, job->masks, job->settings.versions);
    if (!is_of(job->settings.scored, job->windows.tokens.size())) {
        throw Napi::RangeError::New(env, "scored needs a flag for each token");
    }
    return Job::start(env, std::move(job), info[4].As<Napi::Function>());
}
