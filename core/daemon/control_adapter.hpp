// The control socket's server, as the engine's process is given it.
#pragma once

#include "privsep/engine_process.hpp"

namespace racoon::daemon {

Result<std::unique_ptr<privsep::ControlService>> serve_control(loop::EventLoop& loop,
                                                               UniqueFd listening,
                                                               exchange::Engine& engine,
                                                               privsep::ControlCalls calls);

}  // namespace racoon::daemon
