#include "plugin/loader.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "log/log.hpp"
#include "plugin/callout.hpp"
#include "plugin/messages.hpp"

namespace racoon::plugin {

LoadedModule::LoadedModule(ModuleFile file, HostShared& shared)
    : file_(std::move(file)), context_(std::make_unique<ModuleContext>(shared, file_.manifest)) {}

LoadedModule::~LoadedModule() {
    destroy();
}

Result<std::unique_ptr<LoadedModule>> LoadedModule::load(ModuleFile file, HostShared& shared) {
    std::unique_ptr<LoadedModule> module(new LoadedModule(std::move(file), shared));
    RACOON_TRY_STATUS(module->map());
    RACOON_TRY_STATUS(module->init());
    RACOON_TRY_STATUS(module->self_test());
    return module;
}

Status LoadedModule::map() {
    ::dlerror();
    // NODELETE: what a plugin has left on the heap, in threads or in TLS must never lose its code.
    void* library = ::dlopen(file_.path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library) {
        const char* why = ::dlerror();
        return refuse(
            kMsgDlopen, Errc::Plugin,
            fmt::format("{}; expected a library that can be mapped: install what is missing",
                        why ? why : "dlopen failed"));
    }
    const void* symbol = ::dlsym(library, RACOON_PLUGIN_SYMBOL);
    if (!symbol)
        return refuse(kMsgSymbol, Errc::Plugin,
                      fmt::format("{}: found no symbol {}, expected it exported: build it with "
                                  "racoon_add_plugin()",
                                  file_.path, RACOON_PLUGIN_SYMBOL));
    std::uint64_t magic = 0;
    std::memcpy(&magic, symbol, sizeof magic);
    if (magic != RACOON_PLUGIN_MAGIC)
        return refuse(
            kMsgMagic, Errc::Abi,
            fmt::format("{}: found magic {:#018x} at {}, expected {:#018x}: it is no plugin entry",
                        file_.path, magic, RACOON_PLUGIN_SYMBOL, RACOON_PLUGIN_MAGIC));
    const std::uint32_t size =
        copy_sized(&entry_, sizeof entry_, symbol, offsetof(racoon_plugin, struct_size));
    constexpr std::size_t kLeast = offsetof(racoon_plugin, init) + sizeof(entry_.init);
    if (size < kLeast || !entry_.init || !entry_.manifest)
        return refuse(
            kMsgEntry, Errc::Abi,
            fmt::format("{}: found an entry table of {} bytes{}, expected at least {} with init "
                        "and manifest",
                        file_.path, size, size < kLeast ? "" : " without init or manifest",
                        kLeast));
    const AbiVersion built{entry_.abi_major, entry_.abi_minor};
    if (built != file_.manifest.abi)
        return refuse(
            kMsgNoteDiffers, Errc::Abi,
            fmt::format("{}: found ABI {} in the entry table and {} in the manifest, expected the "
                        "same: rebuild it",
                        file_.path, built.text(), file_.manifest.abi.text()));
    if (entry_.manifest_size != file_.manifest_text.size() ||
        std::memcmp(entry_.manifest, file_.manifest_text.data(), file_.manifest_text.size()) != 0)
        return refuse(
            kMsgNoteDiffers, Errc::Plugin,
            fmt::format("{}: found a manifest of {} bytes in the entry table that differs from "
                        "the note's {} bytes, expected the same: rebuild it",
                        file_.path, entry_.manifest_size, file_.manifest_text.size()));
    if (entry_.configure && (!entry_.commit || !entry_.rollback))
        return refuse(
            kMsgEntry, Errc::Plugin,
            fmt::format("{}: found configure without commit or rollback, expected all three",
                        file_.path));
    return ok();
}

Status LoadedModule::init() {
    racoon_error error = empty_error();
    context_->in_init = true;
    racoon_status status = RACOON_INTERNAL;
    {
        // Nothing is served yet, and the libraries that it uses are read from disk: no budget.
        const Callout call(name(), "init", Callout::Budget::None);
        status = entry_.init(&context_->host, &ctx_, &error);
    }
    context_->in_init = false;
    initialised_ = status == RACOON_OK;
    // The host's own finding comes first: it says more than what the plugin made of it.
    if (context_->provide_error) return fail(*context_->provide_error);
    if (status != RACOON_OK) {
        const Status failure = plugin_failure(error, status);
        return refuse(kMsgInit, failure.error().code(),
                      fmt::format("init failed: {}", failure.error().text()));
    }
    const std::vector<std::string> missing = context_->shared.registry.unbound(name());
    if (missing.empty()) return ok();
    std::string list;
    for (std::size_t i = 0; i < missing.size() && i < 5; ++i) list += (i ? ", " : "") + missing[i];
    if (missing.size() > 5) list += fmt::format(" and {} more", missing.size() - 5);
    return refuse(
        kMsgNotProvided, Errc::Plugin,
        fmt::format("the manifest declares {}, expected init to register it: correct the manifest "
                    "or the plugin",
                    list));
}

Status LoadedModule::self_test() {
    const bool wanted = std::any_of(file_.manifest.provides.begin(), file_.manifest.provides.end(),
                                    [](const Offer& o) {
                                        const PointInfo* p = find_point(o.point);
                                        return p && p->needs_self_test;
                                    });
    if (!entry_.self_test) {
        if (!wanted) return ok();
        return refuse(kMsgSelfTest, Errc::Plugin,
                      "found no self_test, expected one, since it offers cryptography");
    }
    racoon_error error = empty_error();
    // Once, at start, and cryptography is slow: no budget.
    const Callout call(name(), "self_test", Callout::Budget::None);
    const racoon_status status = entry_.self_test(ctx_, &error);
    if (status == RACOON_OK) return ok();
    const Status failure = plugin_failure(error, status);
    return refuse(
        kMsgSelfTest, Errc::Crypto,
        fmt::format("self-test failed: {}; expected known answers: reinstall it or the library "
                    "it uses",
                    failure.error().text()));
}

Status LoadedModule::configure(const conf::ModuleBlock* block) {
    RACOON_TRY_STATUS(check_section(file_.manifest, block));
    if (!entry_.configure) return ok();
    const Section section{block, &file_.manifest};
    racoon_error error = empty_error();
    racoon_status status = RACOON_INTERNAL;
    pending_ = nullptr;
    {
        const Callout call(name(), "configure");
        status = entry_.configure(ctx_, block ? section.opaque() : nullptr, &pending_, &error);
    }
    configuring_ = status == RACOON_OK;
    if (configuring_) return ok();
    const Status failure = plugin_failure(error, status);
    const std::string key(error.key, ::strnlen(error.key, sizeof error.key));
    std::string where = block ? block->where.text() + ": " : std::string();
    if (block && !key.empty())
        if (const auto it = block->values.find(key); it != block->values.end())
            where = it->second.where.text() + ": " + key + ": ";
    return refuse(kMsgConfigure, Errc::Config,
                  fmt::format("{}module \"{}\": {}", where, name(), failure.error().text()));
}

void LoadedModule::commit() {
    if (!std::exchange(configuring_, false)) return;
    const Callout call(name(), "commit");
    entry_.commit(ctx_, std::exchange(pending_, nullptr));
}

void LoadedModule::rollback() {
    if (!std::exchange(configuring_, false)) return;
    const Callout call(name(), "rollback");
    entry_.rollback(ctx_, std::exchange(pending_, nullptr));
}

Status LoadedModule::start() {
    if (started_) return ok();
    started_ = true;
    if (!entry_.start) return ok();
    racoon_error error = empty_error();
    const Callout call(name(), "start", Callout::Budget::None);
    const racoon_status status = entry_.start(ctx_, &error);
    if (status == RACOON_OK) return ok();
    started_ = false;
    const Status failure = plugin_failure(error, status);
    return refuse(kMsgStart, failure.error().code(),
                  fmt::format("module \"{}\": start failed: {}", name(), failure.error().text()))
        .os(failure.error().os_errno());
}

void LoadedModule::stop() {
    if (!std::exchange(started_, false) || !entry_.stop) return;
    const Callout call(name(), "stop", Callout::Budget::None);
    entry_.stop(ctx_);
}

void LoadedModule::destroy() {
    stop();
    rollback();
    if (std::exchange(initialised_, false) && entry_.destroy) {
        const Callout call(name(), "destroy", Callout::Budget::None);
        entry_.destroy(ctx_);
    }
    ctx_ = nullptr;
    context_->shut();
}

}  // namespace racoon::plugin
