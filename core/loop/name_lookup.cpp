#include "loop/name_lookup.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <mutex>
#include <netdb.h>
#include <signal.h>
#include <system_error>
#include <thread>
#include <unordered_map>

namespace racoon::loop {

namespace {

constexpr unsigned kThreads = 4;
constexpr std::size_t kMaxWaiting = 20'000;

Result<std::vector<IpAddr>> ask_system(const std::string& host, Family family) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    hints.ai_family = family == Family::V4 ? AF_INET : family == Family::V6 ? AF_INET6 : AF_UNSPEC;
    addrinfo* list = nullptr;
    const int status = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
    if (status != 0) {
        const std::string why =
            status == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(status);
        return fail(Errc::NotFound, why);
    }
    std::vector<IpAddr> out;
    for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
        const IpAddr addr = Endpoint::from_sockaddr(entry->ai_addr).addr;
        if (addr.family == Family::None || addr.is_any() || addr.is_multicast()) continue;
        if (std::find(out.begin(), out.end(), addr) == out.end()) out.push_back(addr);
    }
    ::freeaddrinfo(list);
    if (out.empty()) return fail(Errc::NotFound, "it has no address that could be a peer's");
    return out;
}

}  // namespace

/// Outlives the object as long as a thread has it.
struct NameLookup::Shared : std::enable_shared_from_this<Shared> {
    struct Question {
        std::uint64_t id;
        std::string host;
        Family family;
    };
    std::mutex lock;
    EventLoop* loop = nullptr;  // null: the object has gone
    std::deque<Question> questions;
    unsigned threads = 0;

    // Of the main thread.
    std::uint64_t last = 0;
    std::unordered_map<std::uint64_t, Done> waiting;

    void answer(std::uint64_t id, Result<std::vector<IpAddr>> found) {
        auto node = waiting.extract(id);
        if (!node.empty()) node.mapped()(std::move(found));
    }

    /// A thread: questions until there are none.
    void work() {
        std::unique_lock guard(lock);
        while (loop != nullptr && !questions.empty()) {
            const Question question = std::move(questions.front());
            questions.pop_front();
            guard.unlock();
            auto found = ask_system(question.host, question.family);
            guard.lock();
            // Under the lock: the loop is there as long as the object is.
            if (loop != nullptr)
                loop->post([weak = weak_from_this(), id = question.id,
                            found = std::move(found)]() mutable {
                    if (const auto self = weak.lock()) self->answer(id, std::move(found));
                });
        }
        --threads;
    }

    /// With the lock held. False: the system gives no thread.
    bool begin_thread() {
        // Signals are the main thread's.
        sigset_t all, before;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before);
        bool begun = true;
        ++threads;
        try {
            std::thread([self = shared_from_this()] { self->work(); }).detach();
        } catch (const std::system_error&) {
            --threads;
            begun = false;
        }
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        return begun;
    }
};

NameLookup::NameLookup(EventLoop& loop) : shared_(std::make_shared<Shared>()) {
    shared_->loop = &loop;
}

NameLookup::~NameLookup() {
    const std::lock_guard guard(shared_->lock);
    shared_->loop = nullptr;
    shared_->questions.clear();
    shared_->waiting.clear();
}

void NameLookup::find(std::string host, Family family, Done done) {
    const std::uint64_t id = ++shared_->last;
    shared_->waiting.emplace(id, std::move(done));
    const std::lock_guard guard(shared_->lock);
    const char* problem = nullptr;
    if (shared_->questions.size() >= kMaxWaiting) {
        problem = "too many names are being looked up";
    } else {
        shared_->questions.push_back({id, std::move(host), family});
        if (shared_->threads < kThreads && !shared_->begin_thread() && shared_->threads == 0) {
            shared_->questions.pop_back();
            problem = "the system gives no thread";
        }
    }
    if (problem != nullptr)
        shared_->loop->post([weak = std::weak_ptr<Shared>(shared_), id, problem] {
            if (const auto self = weak.lock()) self->answer(id, fail(Errc::Busy, problem));
        });
}

}  // namespace racoon::loop
