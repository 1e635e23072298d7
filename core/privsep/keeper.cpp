#include "privsep/keeper.hpp"

#include <fmt/format.h>
#include <optional>

#include "log/log.hpp"
#include "privsep/desk.hpp"
#include "privsep/kernel.hpp"
#include "privsep/policies.hpp"
#include "privsep/rules.hpp"

namespace racoon::privsep {

namespace {

using namespace exchange;
using std::chrono::seconds;

}  // namespace

struct Keeper::Impl {
    Impl(loop::EventLoop& l, plugin::PluginHost& h, KeeperOptions o, KeeperHooks k)
        : loop(l),
          host(h),
          options(std::move(o)),
          hooks(std::move(k)),
          desk(loop, host, [this](const OpResult& result) {
              if (channel) send(*channel, Kind::Result, result);
          }) {}

    loop::EventLoop& loop;
    plugin::PluginHost& host;
    KeeperOptions options;
    KeeperHooks hooks;

    ParsedConfig parsed;
    std::shared_ptr<const Book> book, previous_book;
    std::unique_ptr<Kernel> kernel;
    Desk desk;

    std::unique_ptr<Channel> channel;
    bool serving = false;

    struct Change {
        ParsedConfig parsed;
        std::shared_ptr<const Book> book;
        std::function<void(Status)> done;
    };
    std::optional<Change> change;
    loop::TimerToken change_timer;

    struct Ending {
        std::function<void()> done;
        loop::TimerToken timer;
    };
    std::optional<Ending> ending;

    std::uint64_t acquires_lost = 0;

    // --- the kernel
    // -------------------------------------------------------------------------------

    void kernel_event(KernelEvent event) {
        switch (event.type) {
            case RACOON_KERNEL_ACQUIRE:
                event.policy = without_forward(event.policy);
                if (!serving || !book || !book->policy(event.policy) ||
                    !desk.hand_out_acquire(event.acquire_token)) {
                    ++acquires_lost;
                    LOGD("", fmt::format("an acquire for policy {} is not followed ({} so far)",
                                         event.policy.value, acquires_lost));
                    if (kernel) kernel->acquire_done(event.acquire_token, false);
                    return;
                }
                break;
            case RACOON_KERNEL_EXPIRE_HARD:
            case RACOON_KERNEL_SA_DELETED:
                desk.sa_gone(event.protocol, event.spi, event.dst.addr);
                break;
            case RACOON_KERNEL_FAILED:
                LOGE("", "the kernel backend " +
                             (kernel ? kernel->capabilities().backend : std::string()) +
                             " has failed: no packets are protected until it is restarted");
                break;
            default:
                break;
        }
        if (serving && channel) send(*channel, Kind::KernelEvent, event);
    }

    // --- the engine's life
    // ------------------------------------------------------------------------

    ConfigData config_data(const ParsedConfig& from, std::uint32_t generation) const {
        ConfigData data;
        data.generation = generation;
        data.path = from.path;
        data.files = from.files;
        data.numbers = PolicyNumbers::of(*from.config);
        data.level = from.level;
        return data;
    }

    void attach(std::unique_ptr<Channel> fresh) {
        forget_engine();
        channel = std::move(fresh);
        channel->on_message([this](Message&& m) { message(std::move(m)); });
        channel->on_closed([this](const std::string& why) { closed(why); });
        Start start;
        start.config = config_data(parsed, book->generation());
        start.location = options.location;
        start.uid = options.uid;
        start.gid = options.gid;
        start.change_ids = options.change_ids;
        start.chroot = options.chroot;
        start.module_path = host.dir();
        send(*channel, Kind::Start, start);
    }

    void forget_engine() {
        serving = false;
        desk.forget_engine();
        channel.reset();
    }

    void closed(const std::string& why) {
        forget_engine();
        if (change) abandon_change(fail(Errc::Internal, "the engine has ended: " + why));
        if (ending)
            finish_ending();
        else if (hooks.lost)
            hooks.lost(why);
    }

    void message(Message&& m) {
        switch (m.kind) {
            case Kind::Operation:
                return desk.operation(m.body);
            case Kind::Cancel:
                if (auto token = privsep::decode<Token>(m.body)) desk.cancel(OpToken{token->token});
                return;
            case Kind::Log:
                return log_line(m.body);
            case Kind::Ready:
                return outcome(m.body, [this](const Outcome& o) {
                    if (hooks.ready)
                        hooks.ready(o.good ? ok() : Status(fail(Errc::Config, o.text)));
                });
            case Kind::Serving:
                serving = true;
                if (hooks.serving) hooks.serving();
                return;
            case Kind::Prepared:
                return outcome(m.body, [this](const Outcome& o) { prepared(o); });
            case Kind::ReloadRequest:
                if (auto token = privsep::decode<Token>(m.body); token && hooks.reload)
                    hooks.reload(token->token);
                return;
            case Kind::ShutdownRequest:
                if (hooks.shutdown) hooks.shutdown();
                return;
            case Kind::Drained:
                if (ending) finish_ending();
                return;
            default:
                break;
        }
        desk.malformed("a message", Error(Errc::Malformed,
                                          fmt::format("kind {}", static_cast<unsigned>(m.kind))));
    }

    template <typename Use_it>
    void outcome(ByteView body, Use_it use_it) {
        if (auto o = privsep::decode<Outcome>(body))
            use_it(*o);
        else
            desk.malformed("a message", o.error());
    }

    void log_line(ByteView body) {
        auto line = privsep::decode<LogLine>(body);
        if (!line) return desk.malformed("a log line", line.error());
        if (log::enabled(line->level))
            log::write(line->level, line->peer, line->text, line->file,
                       static_cast<int>(line->line));
    }

    // --- a new configuration
    // ----------------------------------------------------------------------

    void reconfigure(ParsedConfig fresh, std::function<void(Status)> done) {
        if (change || !channel || !serving) {
            host.rollback();
            done(fail(Errc::Busy,
                      change ? "another reload is under way" : "the engine is not running"));
            return;
        }
        auto next = std::make_shared<const Book>(fresh.config, book->generation() + 1);
        send(*channel, Kind::ConfigPrepare, config_data(fresh, next->generation()));
        change = Change{std::move(fresh), std::move(next), std::move(done)};
        change_timer = loop.arm(seconds(10), [this] {
            if (change)
                abandon_change(fail(Errc::Timeout, "the engine did not answer within 10 s"));
        });
    }

    void abandon_change(const Status& why) {
        loop.cancel(change_timer);
        Change gone = std::move(*change);
        change.reset();
        host.rollback();
        Generation generation;
        generation.generation = gone.book->generation();
        if (channel) send(*channel, Kind::ConfigAbort, generation);
        gone.done(why);
    }

    void prepared(const Outcome& outcome) {
        if (!change || outcome.token != change->book->generation()) return;
        if (!outcome.good) return abandon_change(fail(Errc::Config, "the engine: " + outcome.text));
        loop.cancel(change_timer);
        Change taken = std::move(*change);
        change.reset();
        host.commit();
        const auto old = parsed.config;
        previous_book = book;
        book = taken.book;
        desk.use(book, previous_book);
        parsed = std::move(taken.parsed);
        // The engine must not offer by the new configuration what the backend cannot do.
        if (kernel && kernel->learn(*parsed.config))
            send(*channel, Kind::Capabilities, kernel->capabilities());
        Generation generation;
        generation.generation = book->generation();
        send(*channel, Kind::ConfigCommit, generation);
        if (!kernel) return taken.done(ok());
        change_policies(*kernel, *old, *parsed.config, std::move(taken.done));
    }

    // --- the end
    // ----------------------------------------------------------------------------------

    void shutdown(Duration limit, std::function<void()> done) {
        if (ending) return;
        ending.emplace();
        ending->done = std::move(done);
        ending->timer = loop.arm(limit, [this] {
            LOGW("", "the engine did not end in time");
            finish_ending();
        });
        if (channel)
            send(*channel, Kind::Shutdown);
        else
            loop.post([this] { finish_ending(); });
    }

    void finish_ending() {
        if (!ending) return;
        loop.cancel(ending->timer);
        auto done = std::move(ending->done);
        ending.reset();
        forget_engine();
        if (kernel) kernel->close();
        done();
    }
};

Keeper::Keeper(loop::EventLoop& loop, plugin::PluginHost& host, KeeperOptions options,
               KeeperHooks hooks)
    : impl_(std::make_unique<Impl>(loop, host, std::move(options), std::move(hooks))) {}

Keeper::~Keeper() {
    if (impl_->change) impl_->loop.cancel(impl_->change_timer);
    if (impl_->ending) impl_->loop.cancel(impl_->ending->timer);
}

void Keeper::configure(ParsedConfig parsed) {
    impl_->book = std::make_shared<const Book>(parsed.config, 1);
    impl_->desk.use(impl_->book, nullptr);
    impl_->parsed = std::move(parsed);
}

const ParsedConfig& Keeper::parsed() const {
    return impl_->parsed;
}

void Keeper::open_kernel(std::function<void(Status)> done) {
    auto kernel =
        Kernel::open(impl_->host, impl_->parsed.config->kernel,
                     [impl = impl_.get()](const KernelEvent& e) { impl->kernel_event(e); });
    if (!kernel) {
        done(fail(kernel.error()));
        return;
    }
    impl_->kernel = std::move(*kernel);
    impl_->desk.set_kernel(impl_->kernel.get());
    impl_->kernel->learn(*impl_->parsed.config);
    const conf::Config none;
    change_policies(*impl_->kernel, none, *impl_->parsed.config, std::move(done));
}

Status Keeper::bind_socket(int fd, Family family) {
    if (!impl_->kernel) return fail(Errc::InvalidState, "no kernel backend");
    return impl_->kernel->bind_socket(fd, family);
}

void Keeper::attach(std::unique_ptr<Channel> channel) {
    impl_->attach(std::move(channel));
}
bool Keeper::attached() const {
    return impl_->channel != nullptr;
}

void Keeper::hand_over(std::vector<net::BoundSocket> sockets, UniqueFd control) {
    if (!impl_->channel) return;
    if (impl_->kernel) send(*impl_->channel, Kind::Capabilities, impl_->kernel->capabilities());
    SocketList list;
    std::vector<UniqueFd> fds;
    for (auto& socket : sockets) {
        list.sockets.push_back({socket.local, socket.natt});
        fds.push_back(std::move(socket.fd));
    }
    list.has_control = control.valid();
    if (control.valid()) fds.push_back(std::move(control));
    send(*impl_->channel, Kind::Sockets, list, std::move(fds));
    send(*impl_->channel, Kind::Serve);
}

void Keeper::reconfigure(ParsedConfig parsed, std::function<void(Status)> done) {
    impl_->reconfigure(std::move(parsed), std::move(done));
}

void Keeper::reload_done(std::uint64_t token, const Status& status) {
    if (!impl_->channel) return;
    Outcome out;
    out.token = token;
    out.good = status.has_value();
    if (!status) out.text = status.error().text();
    send(*impl_->channel, Kind::ReloadDone, out);
}

void Keeper::shutdown(Duration limit, std::function<void()> done) {
    impl_->shutdown(limit, std::move(done));
}

DeskCounters Keeper::counters() const {
    return impl_->desk.counters();
}

}  // namespace racoon::privsep
