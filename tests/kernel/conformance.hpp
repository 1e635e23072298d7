// A random list of operations, run on a backend and on the model: every answer and every dump must be
// the same. The seed is in every failure's text.
#pragma once

#include <cstdint>
#include <string>

#include "fake_host.hpp"

namespace racoon::test {

/// Empty: no difference in `steps` operations; else what differed, with seed and step.
/// With a virtual clock the list also lets time pass, over larval and SA lifetimes.
std::string conformance(FakeHost& host, bool virtual_clock, std::uint32_t seed, int steps);

racoon_addr address(const std::string& text, std::uint16_t port = 0);
/// "192.168.1.0/24" → address and prefix length.
racoon_selector selector(const std::string& local, const std::string& remote,
                         std::uint8_t protocol = 0);
racoon_kernel_alg algorithm(const char* name, const char* xfrm_name, std::uint32_t key_bytes,
                            std::uint32_t icv_bits, std::uint8_t fill);
/// HMAC-SHA2-256 with 128 bits, or for a backend that cannot cut to that: HMAC-SHA1 with 96.
enum class Suite : std::uint8_t { Sha256, Sha1 };
void use_suite(Suite suite);
/// An ESP tunnel SA with AES-128-CBC and the suite's HMAC; what differs is set by the caller.
racoon_kernel_sa esp_sa(std::uint32_t direction, const std::string& src, const std::string& dst,
                        std::uint32_t spi, std::uint32_t reqid, std::uint8_t key);
racoon_kernel_policy esp_policy(std::uint32_t id, std::uint32_t direction,
                                const racoon_selector& selector, const std::string& local_end,
                                const std::string& remote_end, std::uint32_t reqid);
racoon_kernel_sa_id id_of(const racoon_kernel_sa& sa);
racoon_kernel_spi_request spi_request(const std::string& peer, const std::string& own,
                                      std::uint32_t reqid);

}  // namespace racoon::test
