// What a prepared sandbox, its keeper and its parked process read: requests of anybody who may connect, and orders. A
// request that is understood must mean the same when it is written and read once more.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "core/order.hpp"
#include "engine/pool_talk.hpp"

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto request = lightv::parsePoolRequest(text)) {
    const auto again = lightv::parsePoolRequest(toJson(*request));
    if (!again || toJson(*again) != toJson(*request)) std::abort();
  }
  (void)lightv::parseKeeperRequest(text);
  lightv::Process process;
  if (lightv::decodeOrder(text, process)) {
    lightv::Process again;
    if (!lightv::decodeOrder(lightv::encodeOrder(process), again) || again.args != process.args) std::abort();
  }
  return 0;
}
