// The tables behind racoon_host::get_service, one file each. The tables are constant and live for ever;
// each function finds its module through the `host` argument.
#pragma once

#include <racoon/plugin.h>

#include <string_view>

#include "plugin/points.hpp"

namespace racoon::plugin {

/// Null: no such service in a process of this zone.
const void* find_service(std::string_view name, Zone zone);
/// Every service, for checking what manifests need.
bool is_service(std::string_view name);

const racoon_log_service* log_service();
const racoon_clock_service* clock_service();
const racoon_timer_service* timer_service();
const racoon_fd_service* fd_service();
const racoon_post_service* post_service();
const racoon_work_service* work_service();
const racoon_proc_service* proc_service();
const racoon_conf_service* conf_service();
const racoon_secret_service* secret_service();
const racoon_random_service* random_service();
const racoon_crypto_service* crypto_service();
const racoon_op_service* op_service();

}  // namespace racoon::plugin
