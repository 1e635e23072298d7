// The C++ side of the plugin ABI, part 1: values, the host, secrets, operations, configuration. Header
// only, C++17, above the C ABI: nothing of it crosses the boundary. Include <racoon/plugin.hpp>.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <racoon/plugin.h>

namespace racoon::sdk {
inline namespace v1 {

/// Borrowed bytes; valid until the call that they came with returns.
class span {
  public:
    constexpr span() = default;
    constexpr span(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
    constexpr span(racoon_span s) : data_(s.data), size_(s.size) {}  // NOLINT: meant to convert
    span(std::string_view text)                                      // NOLINT
        : data_(reinterpret_cast<const std::uint8_t*>(text.data())), size_(text.size()) {}
    constexpr operator racoon_span() const { return {data_, size_}; }  // NOLINT
    constexpr const std::uint8_t* data() const { return data_; }
    constexpr std::size_t size() const { return size_; }
    constexpr bool empty() const { return size_ == 0; }
    constexpr const std::uint8_t* begin() const { return data_; }
    constexpr const std::uint8_t* end() const { return data_ + size_; }
    std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }

  private:
    const std::uint8_t* data_ = nullptr;
    std::size_t size_ = 0;
};

/// Why something failed. `key` names the configuration key at fault, so that the daemon can print its
/// place in racoon.conf.
struct error {
    racoon_status status = RACOON_INTERNAL;
    std::string text;
    std::string key;
    int os_errno = 0;
};

/// A value or an error.
template <typename T>
class result {
  public:
    result(T value) : value_(std::move(value)), good_(true) {}  // NOLINT
    result(error e) : error_(std::move(e)) {}                   // NOLINT
    explicit operator bool() const { return good_; }
    T& operator*() { return value_; }
    T* operator->() { return &value_; }
    const error& why() const { return error_; }

  private:
    T value_{};
    error error_;
    bool good_ = false;
};

template <>
class result<void> {
  public:
    result() = default;
    result(error e) : error_(std::move(e)), good_(false) {}  // NOLINT
    explicit operator bool() const { return good_; }
    const error& why() const { return error_; }

  private:
    error error_;
    bool good_ = true;
};

/// return failure(RACOON_IO, "found …, expected …");
inline error failure(racoon_status status, std::string text, std::string key = {},
                     int os_errno = 0) {
    return {status, std::move(text), std::move(key), os_errno};
}

namespace detail {

inline void copy_text(char* to, std::size_t capacity, std::string_view text) noexcept {
    const std::size_t n = text.size() < capacity ? text.size() : capacity - 1;
    if (n != 0) std::memcpy(to, text.data(), n);  // an empty view may point nowhere
    to[n] = '\0';
}

inline racoon_status report(racoon_error* out, racoon_status status, std::string_view text,
                            std::string_view key = {}, int os_errno = 0) noexcept {
    if (out && RACOON_HAS(out, text)) {
        out->status = status;
        out->os_errno = os_errno;
        copy_text(out->key, sizeof out->key, key);
        copy_text(out->text, sizeof out->text, text);
    }
    return status;
}

inline racoon_status report(racoon_error* out, const error& e) noexcept {
    // A failure must never look like success or "later", whatever its author wrote.
    const racoon_status status = e.status < 0 ? e.status : RACOON_INTERNAL;
    return report(out, status, e.text, e.key, e.os_errno);
}

}  // namespace detail

/// The host and its services. One per plugin, valid from init to destroy.
class host {
  public:
    host() = default;
    explicit host(const racoon_host* table) : table_(table) {
        find(log_, RACOON_SERVICE_LOG);
        find(clock_, RACOON_SERVICE_CLOCK);
        find(timer_, RACOON_SERVICE_TIMER);
        find(fd_, RACOON_SERVICE_FD);
        find(post_, RACOON_SERVICE_POST);
        find(work_, RACOON_SERVICE_WORK);
        find(proc_, RACOON_SERVICE_PROC);
        find(conf_, RACOON_SERVICE_CONF);
        find(secret_, RACOON_SERVICE_SECRET);
        find(random_, RACOON_SERVICE_RANDOM);
        find(crypto_, RACOON_SERVICE_CRYPTO);
        find(op_, RACOON_SERVICE_OP);
    }

    const racoon_host* table() const { return table_; }
    void* ctx() const { return table_ ? table_->ctx : nullptr; }
    // The services as they are; null where this host has none of the name. Their functions take ctx().
    const racoon_clock_service* clock() const { return clock_; }
    const racoon_timer_service* timer() const { return timer_; }
    const racoon_fd_service* fd() const { return fd_; }
    const racoon_post_service* post() const { return post_; }
    const racoon_work_service* work() const { return work_; }
    const racoon_proc_service* proc() const { return proc_; }
    const racoon_conf_service* conf() const { return conf_; }
    const racoon_secret_service* secret() const { return secret_; }
    const racoon_random_service* random() const { return random_; }
    const racoon_crypto_service* crypto() const { return crypto_; }
    const racoon_op_service* op() const { return op_; }

    /// Any thread. RACOON_LOG_…; text without secrets.
    void log(std::uint32_t level, std::string_view text) const noexcept {
        if (log_ && log_->enabled(ctx(), level))
            log_->write(ctx(), level, text.data(), text.size());
    }
    /// False: do not use the bytes.
    [[nodiscard]] bool fill_random(std::uint8_t* out, std::size_t size) const noexcept {
        return random_ && random_->fill(ctx(), out, size) == RACOON_OK;
    }

  private:
    template <typename Service>
    void find(const Service*& to, const char* name) {
        to = static_cast<const Service*>(table_->get_service(table_->ctx, name));
    }
    const racoon_host* table_ = nullptr;
    const racoon_log_service* log_ = nullptr;
    const racoon_clock_service* clock_ = nullptr;
    const racoon_timer_service* timer_ = nullptr;
    const racoon_fd_service* fd_ = nullptr;
    const racoon_post_service* post_ = nullptr;
    const racoon_work_service* work_ = nullptr;
    const racoon_proc_service* proc_ = nullptr;
    const racoon_conf_service* conf_ = nullptr;
    const racoon_secret_service* secret_ = nullptr;
    const racoon_random_service* random_ = nullptr;
    const racoon_crypto_service* crypto_ = nullptr;
    const racoon_op_service* op_ = nullptr;
};

/// Locked memory that is wiped when it goes. Empty when the host had none.
class secret {
  public:
    secret() = default;
    secret(const host& h, std::size_t size) : service_(h.secret()), ctx_(h.ctx()) {
        if (service_) memory_ = static_cast<std::uint8_t*>(service_->allocate(ctx_, size));
        if (memory_) size_ = size;
    }
    secret(secret&& other) noexcept { swap(other); }
    secret& operator=(secret&& other) noexcept {
        secret gone(std::move(other));
        swap(gone);
        return *this;
    }
    secret(const secret&) = delete;
    secret& operator=(const secret&) = delete;
    ~secret() {
        if (memory_) service_->free(ctx_, memory_, size_);
    }
    std::uint8_t* data() { return memory_; }
    span view() const { return {memory_, size_}; }
    std::size_t size() const { return size_; }

  private:
    void swap(secret& other) noexcept {
        std::swap(service_, other.service_);
        std::swap(ctx_, other.ctx_);
        std::swap(memory_, other.memory_);
        std::swap(size_, other.size_);
    }
    const racoon_secret_service* service_ = nullptr;
    void* ctx_ = nullptr;
    std::uint8_t* memory_ = nullptr;
    std::size_t size_ = 0;
};

/// The right and the duty to complete one operation. Move it to where the answer will be known and
/// answer `pending`; complete it from any thread. Dropped without that, it completes with INTERNAL, so
/// that nobody waits for ever.
template <typename R>
class op {
    static_assert(std::is_void_v<R> || std::is_trivially_copyable_v<R>,
                  "a result is one flat record");

  public:
    op() = default;
    op(const host& h, racoon_op token) : service_(h.op()), ctx_(h.ctx()), token_(token) {}
    op(op&& other) noexcept
        : service_(other.service_), ctx_(other.ctx_), token_(std::exchange(other.token_, 0)) {}
    op& operator=(op&& other) noexcept {
        if (this != &other) {
            finish(RACOON_INTERNAL, nullptr, 0);
            service_ = other.service_;
            ctx_ = other.ctx_;
            token_ = std::exchange(other.token_, 0);
        }
        return *this;
    }
    op(const op&) = delete;
    op& operator=(const op&) = delete;
    ~op() { finish(RACOON_INTERNAL, nullptr, 0); }

    template <typename T = R>
    std::enable_if_t<!std::is_void_v<T>> complete(const T& record) noexcept {
        finish(RACOON_OK, &record, sizeof record);
    }
    template <typename T = R>
    std::enable_if_t<std::is_void_v<T>> complete() noexcept {
        finish(RACOON_OK, nullptr, 0);
    }
    void fail(racoon_status status) noexcept {
        finish(status < 0 ? status : RACOON_INTERNAL, nullptr, 0);
    }
    racoon_op token() const { return token_; }
    explicit operator bool() const { return token_ != 0; }
    /// Gives the duty up: the call is answered at once.
    void release() noexcept { token_ = 0; }

  private:
    void finish(racoon_status status, const void* record, std::size_t size) noexcept {
        const racoon_op token = std::exchange(token_, 0);
        if (token != 0 && service_) service_->complete(ctx_, token, status, record, size);
    }
    const racoon_op_service* service_ = nullptr;
    void* ctx_ = nullptr;
    racoon_op token_ = 0;
};

/// What a call that may be answered later returns: `done`, `pending`, or an error.
class reply {
  public:
    enum kind_type : int { done_kind, pending_kind, failed_kind };
    constexpr reply(kind_type kind) : kind_(kind) {}  // NOLINT
    reply(error e)
        : kind_(failed_kind), status_(e.status < 0 ? e.status : RACOON_INTERNAL) {}  // NOLINT
    kind_type kind() const { return kind_; }
    racoon_status status() const { return status_; }

  private:
    kind_type kind_;
    racoon_status status_ = RACOON_INTERNAL;
};
inline constexpr reply::kind_type done = reply::done_kind;
inline constexpr reply::kind_type pending = reply::pending_kind;

namespace detail {

/// Runs a call of the plugin so that no exception passes.
template <typename F>
racoon_status guard(const host& h, racoon_error* err, F&& call) noexcept {
    try {
        return call();
    } catch (const std::bad_alloc&) {
        return report(err, RACOON_NO_MEMORY, "out of memory");
    } catch (const std::exception& e) {
        h.log(RACOON_LOG_ERROR, e.what());
        return report(err, RACOON_INTERNAL, e.what());
    } catch (...) {
        h.log(RACOON_LOG_ERROR, "unknown exception");
        return report(err, RACOON_INTERNAL, "unknown exception");
    }
}

template <typename R>
racoon_status settle(const reply& r, op<R>& held) noexcept {
    if (r.kind() == reply::pending_kind) {
        if (!held) return RACOON_PENDING;
        held.release();  // it was not taken: nobody would ever complete it
        return RACOON_INTERNAL;
    }
    held.release();
    return r.kind() == reply::done_kind ? RACOON_OK : r.status();
}

}  // namespace detail

/// The module's block in racoon.conf, checked against the manifest, with its defaults. Each getter
/// fails with NOT_FOUND where the key is not set and has no default.
class section {
  public:
    section(const host& h, const racoon_section* raw) : host_(h), raw_(raw) {}

    result<bool> flag(const char* key) const {
        std::int32_t v = 0;
        if (auto s = get(&racoon_conf_service::get_flag, key, &v); s != RACOON_OK)
            return wrong(s, key);
        return v != 0;
    }
    result<std::int64_t> integer(const char* key) const {
        std::int64_t v = 0;
        if (auto s = get(&racoon_conf_service::get_integer, key, &v); s != RACOON_OK)
            return wrong(s, key);
        return v;
    }
    result<std::int64_t> duration_ns(const char* key) const {
        std::int64_t v = 0;
        if (auto s = get(&racoon_conf_service::get_duration_ns, key, &v); s != RACOON_OK)
            return wrong(s, key);
        return v;
    }
    result<std::string> text(const char* key) const {
        racoon_span v{};
        if (auto s = get(&racoon_conf_service::get_text, key, &v); s != RACOON_OK)
            return wrong(s, key);
        return std::string(span(v).text());
    }
    /// A `path KIND "…";` of racoon.conf.
    result<std::string> path(const char* kind) const {
        racoon_span v{};
        const auto* c = host_.conf();
        const racoon_status s = c ? c->get_path(host_.ctx(), kind, &v) : RACOON_NOT_SUPPORTED;
        if (s != RACOON_OK) return wrong(s, kind);
        return std::string(span(v).text());
    }

  private:
    template <typename Getter, typename T>
    racoon_status get(Getter getter, const char* key, T* out) const {
        const auto* c = host_.conf();
        return c ? (c->*getter)(host_.ctx(), raw_, key, out) : RACOON_NOT_SUPPORTED;
    }
    static error wrong(racoon_status status, const char* key) {
        return failure(
            status,
            status == RACOON_NOT_FOUND ? "not set, and there is no default" : "not readable", key);
    }
    const host& host_;
    const racoon_section* raw_;
};

}  // namespace v1
}  // namespace racoon::sdk
