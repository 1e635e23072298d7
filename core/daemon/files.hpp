// The files that a running daemon has outside its configuration: pid file and control socket.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "conf/config.hpp"

namespace racoon::daemon {

/// `path pidfile`, relative names below /run; else the compiled default.
std::string pid_file_path(const conf::Config& config);
/// Mode 0644, this process's id and a newline. Errors: Io.
Status write_pid_file(const std::string& path);

/// `listen { adminsock … }`, else the compiled default; "" when it is disabled.
std::string control_socket_path(const conf::Config& config);
/// Binds and listens with the configured owner and mode; a folder that is missing is made. A socket
/// that nobody listens on is replaced. Errors: Exists, another daemon answers there; Config; Io.
Result<UniqueFd> open_control_socket(const conf::Config& config);
/// Owner and mode of the socket that is there; `only_check`: whether the names exist. Errors: Config, Io.
Status adjust_control_socket(const conf::Config& config, bool only_check);

}  // namespace racoon::daemon
