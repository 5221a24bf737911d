// The room table: rooms by folder, whom each may include, and where a library's headers may be seen.
#include <algorithm>
#include <iterator>
#include <utility>

#include "tools/tidy_rules.h"
#include "tools/tidy_table.h"

namespace yard::tidy {
namespace {

// Longer prefixes first: a single header may be a room of its own.
constexpr std::pair<std::string_view, std::string_view> kFolders[] = {
    {"scheduler/core/event.h", "core_values"},
    {"scheduler/core/command.h", "core_values"},
    {"scheduler/core/ledger.h", "core_values"},
    {"scheduler/core/bounds.h", "core_values"},
    {"scheduler/loop/port.h", "port"},
    {"scheduler/loop/sim_port.h", "sim_port"},
    {"topology/fleet_view.h", "topology_values"},
    {"topology/fleet.h", "topology_values"},
    {"topology/fleet_terms.h", "topology_values"},
    {"topology/terms.h", "topology_values"},
    {"topology/cells.h", "topology_values"},
    {"topology/mix.h", "topology_facts"},
    {"topology/catalogue.h", "topology_facts"},
    {"topology/host.h", "topology_values"},
    {"topology/distance.h", "topology_values"},
    {"topology/cpu_set.h", "topology_values"},
    {"topology/catalogue.h", "topology_facts"},
    {"topology/mix.h", "topology_facts"},
    {"scheduler/base/", "base"},
    {"scheduler/sync/", "sync"},
    {"scheduler/yaml/", "yaml"},
    {"scheduler/cost/", "cost"},
    {"scheduler/core/", "core"},
    {"scheduler/policy/", "policy"},
    {"scheduler/loop/", "loop"},
    {"scheduler/trace/", "trace"},
    {"scheduler/report/", "report"},
    {"scheduler/net/", "net"},
    {"scheduler/backend/", "backend"},
    {"scheduler/switchyard/", "switchyard"},
    {"scheduler/", "assembly"},
    {"topology/", "topology"},
    {"kernels/", "kernels"},
    {"tools/", "outside"},
    {"bench/", "outside"},
    {"tests/", "outside"},
};

struct Room {
  std::string_view name;
  std::string_view enters;  // separated by spaces; "*": any. Its own room and base go without saying
};
constexpr Room kRooms[] = {
    {"base", ""},
    {"sync", ""},
    {"topology_facts", "topology_values"},
    {"topology_values", "topology_facts"},
    {"yaml", ""},
    {"topology", "topology_values topology_facts yaml"},
    {"kernels", ""},
    {"cost", "topology_values topology_facts yaml"},
    {"core_values", "cost topology_values"},
    {"core", "core_values cost topology_values"},
    {"policy", "core core_values cost topology_values"},
    {"port", "core_values topology_values"},
    {"sim_port", "core core_values cost topology_values"},
    {"loop", "port sim_port sync core core_values policy cost topology topology_values"},
    {"trace", "core_values topology_values"},
    {"report", "core_values topology_values"},
    {"net", "sync"},
    // core: a simulated engine behind a wire is a Core of its own.
    {"backend", "port sim_port core core_values cost topology_values net kernels sync switchyard"},
    {"switchyard", "nothing"},
    {"assembly", "*"},
    {"outside", "*"},
    {"", "*"},
};

constexpr Library kLibraries[] = {
    {"boost/", "Boost", "sync", ""},
    {"tbb/", "oneTBB", "", "loop"},
    {"oneapi/", "oneTBB", "", "loop"},
    {"hwloc", "hwloc", "", "topology"},
    {"yaml-cpp/", "yaml-cpp", "", "yaml topology cost"},
    {"fmt/", "fmt", "base sync yaml topology cost policy loop trace report net backend", "core kernels"},
    {"zstd", "zstd", "", "loop trace"},
    {"simdjson", "simdjson", "", "trace net"},
    {"zlib", "zlib", "", "trace"},
    {"openssl/", "OpenSSL", "", "net"},
    {"nghttp2/", "nghttp2", "", "net"},
    {"cuda", "CUDA", "", "kernels topology backend"},
    {"CLI/", "CLI11", "", ""},
    {"benchmark/", "Google Benchmark", "", ""},
    {"gtest/", "GoogleTest", "", ""},
    {"gmock/", "GoogleTest", "", ""},
};

}  // namespace

bool listed_in(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(' '), list.size());
    if (list.substr(0, end) == word) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

std::string_view room_of(std::string_view path) {
  for (const auto& [prefix, room] : kFolders)
    if (path.starts_with(prefix)) return room;
  return "";
}

bool is_room(std::string_view name) {
  return std::any_of(std::begin(kRooms), std::end(kRooms), [&](const Room& room) { return room.name == name; });
}

std::string_view entered_by(std::string_view room) {
  const auto* at = std::find_if(std::begin(kRooms), std::end(kRooms), [&](const Room& r) { return r.name == room; });
  return at == std::end(kRooms) ? std::string_view() : at->enters;
}

bool may_enter(std::string_view room, std::string_view other) {
  const std::string_view list = entered_by(room);
  if (list == "*" || room == other) return true;
  return list != "nothing" && (other == "base" || listed_in(list, other));
}

const Library* library_of(std::string_view header) {
  const auto* at = std::find_if(std::begin(kLibraries), std::end(kLibraries),
                                [&](const Library& library) { return header.starts_with(library.prefix); });
  return at == std::end(kLibraries) ? nullptr : at;
}

}  // namespace yard::tidy
