#include "plugin/services/services.hpp"

#include <algorithm>
#include <array>

namespace racoon::plugin {

namespace {

struct Entry {
    std::string_view name;
    Zone zone;
    const void* table;
};

const std::array<Entry, 12>& entries() {
    static const std::array<Entry, 12> all = {{
        {RACOON_SERVICE_LOG, Zone::Both, log_service()},
        {RACOON_SERVICE_CLOCK, Zone::Both, clock_service()},
        {RACOON_SERVICE_TIMER, Zone::Both, timer_service()},
        {RACOON_SERVICE_FD, Zone::Both, fd_service()},
        {RACOON_SERVICE_POST, Zone::Both, post_service()},
        {RACOON_SERVICE_WORK, Zone::Both, work_service()},
        {RACOON_SERVICE_PROC, Zone::Keeper, proc_service()},
        {RACOON_SERVICE_CONF, Zone::Both, conf_service()},
        {RACOON_SERVICE_SECRET, Zone::Both, secret_service()},
        {RACOON_SERVICE_RANDOM, Zone::Both, random_service()},
        {RACOON_SERVICE_CRYPTO, Zone::Both, crypto_service()},
        {RACOON_SERVICE_OP, Zone::Both, op_service()},
    }};
    return all;
}

const Entry* find_entry(std::string_view name) {
    const auto it = std::find_if(entries().begin(), entries().end(),
                                 [&](const Entry& e) { return e.name == name; });
    return it == entries().end() ? nullptr : &*it;
}

}  // namespace

const void* find_service(std::string_view name, Zone zone) {
    const Entry* e = find_entry(name);
    return e && in_zone(e->zone, zone) ? e->table : nullptr;
}

bool is_service(std::string_view name) {
    return find_entry(name) != nullptr;
}

}  // namespace racoon::plugin
