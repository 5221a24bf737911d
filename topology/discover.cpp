#include "topology/discover.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <initializer_list>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"
#include "topology/cgroup.h"
#include "topology/hwloc_host.h"
#include "topology/pci.h"
#include "topology/pin_plan.h"
#include "topology/trial.h"

namespace yard {
namespace {

constexpr std::size_t kMaxXmlBytes = std::size_t{16} << 20;
constexpr std::size_t kMaxSynthetic = 1'000;
constexpr const char* kSyntheticRemedy = "give an hwloc synthetic string such as 'package:2 numa:1 l3:1 core:8 pu:2'";

void read_affinity(Host& host) {
  std::array<unsigned long, CpuSet::kMaxCpus / (8 * sizeof(unsigned long))> mask{};
  if (sched_getaffinity(0, sizeof mask, reinterpret_cast<cpu_set_t*>(mask.data())) != 0) {
    host.facts.push_back(
        {"allowed by affinity", "unknown", fmt::format("sched_getaffinity: {}", std::strerror(errno))});
    return;
  }
  constexpr std::uint32_t kBits = 8 * sizeof(unsigned long);
  CpuSet affinity;
  for (std::uint32_t cpu = 0; cpu < CpuSet::kMaxCpus; ++cpu)
    if (mask[cpu / kBits] >> cpu % kBits & 1) affinity.add(cpu);
  for (auto& t : host.threads) t.allowed = t.allowed && affinity.has(t.cpu);
  host.facts.push_back({"allowed by affinity", affinity.text(), "sched_getaffinity of the calling thread"});
  host.affinity = std::move(affinity);
}

// Variables that would have told hwloc of another machine: they have no say, and --explain says so.
void say_environment(Host& host) {
  std::string names;
  for (char** at = environ; at && *at; ++at) {
    const std::string_view entry = *at;
    if (entry.starts_with("HWLOC_"))
      names += (names.empty() ? "" : " ") + std::string(entry.substr(0, entry.find('=')));
  }
  host.facts.push_back({"HWLOC_* variables", names.empty() ? "none" : names, "environment; they have no say"});
}

void say_busy(Host& host) {
  const bool by_quota = host.cpu_quota.state == Limit::State::set &&
                        host.cpu_quota.amount < std::uint64_t{host.allowed_cpus().count()} * 1000;
  host.facts.push_back(
      {"threads to keep busy", std::to_string(busy_threads(host)),
       by_quota ? "the CPU quota, rounded down, at least 1" : "hardware threads allowed by cpuset and affinity"});
}

// How many hardware threads and objects the text asks for, before anything is built. Levels are "type:arity" or a bare
// arity, outside the brackets of attributes and attached memory; every attached memory is an object per parent.
void bound_synthetic(std::string_view text) {
  constexpr std::uint64_t kMaxObjects = 65'536;
  const auto refuse = [&](std::string found, const std::string& accepted) {
    throw InputError("", 0, "synthetic", std::move(found), accepted);
  };
  if (text.size() > kMaxSynthetic)
    refuse(fmt::format("{} characters", text.size()), fmt::format("at most {}", kMaxSynthetic));
  std::uint64_t product = 1, objects = 1;
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '[') objects += product;
    if (c == '(' || c == '[') ++depth;
    if (c == ')' || c == ']') --depth;
    const bool starts = i == 0 || text[i - 1] == ':' || text[i - 1] == ' ' || text[i - 1] == ']' || text[i - 1] == ')';
    if (depth > 0 || !starts || c < '0' || c > '9') continue;
    std::uint64_t arity = 0;
    for (; i < text.size() && text[i] >= '0' && text[i] <= '9' && arity < kMaxObjects; ++i)
      arity = arity * 10 + static_cast<std::uint64_t>(text[i] - '0');
    --i;
    product *= std::max<std::uint64_t>(arity, 1);
    objects += product;
    if (product > CpuSet::kMaxCpus || objects > kMaxObjects)
      refuse(fmt::format("'{}', more than {} hardware threads", printable(text), CpuSet::kMaxCpus),
             "describe a smaller one");
  }
}

// Tries `text` in a child, then reads it here. Errors: InputError, also where the child did not survive.
Host read_foreign(HwlocSource source, const std::string& text, const std::string& name, const std::string& remedy) {
  const std::string died = trial([&]() -> std::string {
    try {
      read_hwloc(source, text, name);
    } catch (const InputError& e) {
      return "?" + e.found;  // a sentence of ours, not a crash
    }
    return "";
  });
  if (died.empty()) return read_hwloc(source, text, name);
  throw InputError(name, 0, "", died.starts_with("?") ? died.substr(1) : "not readable by hwloc (" + died + ")",
                   remedy);
}

// Whether every level of these kinds that the text names states this attribute ("l3:1(size=32MB)").
bool states(std::string_view text, std::initializer_list<std::string_view> kinds, std::string_view attribute) {
  const std::string lower = [&] {
    std::string out(text);
    for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return out;
  }();
  bool all = true, any = false;
  for (const auto kind : kinds)
    for (auto at = lower.find(kind); at != lower.npos; at = lower.find(kind, at + 1)) {
      if (at > 0 && lower[at - 1] != ' ' && lower[at - 1] != '[') continue;
      const std::string_view level = std::string_view(lower).substr(at, lower.find_first_of(" ]", at) - at);
      const auto open = lower.find('(', at);
      const bool has = open != lower.npos && open <= at + level.size() &&
                       std::string_view(lower).substr(open, lower.find(')', open) - open).find(attribute) != level.npos;
      any = true, all = all && has;
    }
  return any && all;
}

// hwloc gives every level a size when the text states none (1 GiB, 16 MiB, ...): nobody said so, so it is unknown.
void forget_invented_sizes(std::string_view text, Host& host) {
  if (!states(text, {"numa", "node"}, "memory="))
    for (NumaNode& n : host.nodes) n.memory_bytes.reset();
  if (!states(text, {"l3"}, "size="))
    for (Cache& c : host.l3) c.bytes.reset();
  if (!states(text, {"l2"}, "size="))
    for (Cache& c : host.l2) c.bytes.reset();
}

}  // namespace

Host discover_this_machine() {
  Host host = read_hwloc(HwlocSource::this_machine, "", "this machine");
  read_affinity(host);
  read_cgroup("/proc", "", host);
  read_pci("/sys", host);
  say_environment(host);
  say_busy(host);
  return host;
}

Host host_from_synthetic(std::string_view description) {
  if (description.find('\0') != description.npos) throw InputError("", 0, "synthetic", "a NUL byte", kSyntheticRemedy);
  bound_synthetic(description);
  Host host = read_foreign(HwlocSource::synthetic, std::string(description),
                           fmt::format("'{}'", printable(description)), kSyntheticRemedy);
  forget_invented_sizes(description, host);
  return host;
}

Host host_from_xml_text(const std::string& text, const std::string& name) {
  const std::string remedy = "give a file written by 'lstopo --of xml' of hwloc 1.x or 2.x";
  if (text.find('\0') != text.npos) throw InputError(name, 0, "", "a NUL byte", remedy);
  if (text.find("<topology version=\"3") != text.npos)
    throw InputError(name, 0, "topology version", "hwloc 3 XML", "export it with '--export-xml-flags v2'");
  if (text.find("<topology") == text.npos && text.find("<root") == text.npos)
    throw InputError(name, 0, "", "no <topology> element", remedy);
  // hwloc's small parser takes a file without its end for whole.
  const auto last = text.find_last_not_of(" \t\r\n");
  const std::string_view kept = std::string_view(text).substr(0, last + 1);
  if (!kept.ends_with("</topology>") && !kept.ends_with("</root>"))
    throw InputError(name, 0, "", "ends without </topology>: cut off", remedy);
  return read_foreign(HwlocSource::xml, text, name, remedy);
}

Host host_from_xml(const std::string& path) { return host_from_xml_text(read_file(path, kMaxXmlBytes), path); }

}  // namespace yard
