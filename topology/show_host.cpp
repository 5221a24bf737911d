#include "topology/show_host.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"
#include "topology/pci.h"

namespace yard {
namespace {

std::string plural(std::size_t n, const char* one, const char* many) {
  return fmt::format("{} {}", n, n == 1 ? one : many);
}

std::string bytes_text(std::optional<std::uint64_t> bytes) {
  if (!bytes) return "size unknown";
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  std::size_t unit = 0;
  std::uint64_t scale = 1;
  while (unit < 6 && *bytes / scale >= 1024) scale *= 1024, ++unit;
  const std::uint64_t tenths = (*bytes / scale) * 10 + (*bytes % scale) * 10 / scale;  // the remainder is below 2^60
  return tenths % 10 ? fmt::format("{}.{} {}", tenths / 10, tenths % 10, kUnits[unit])
                     : fmt::format("{} {}", tenths / 10, kUnits[unit]);
}

std::string cpus_text(const CpuSet& cpus) { return cpus.empty() ? "no cpus" : "cpus " + cpus.text(); }

std::string limit_text(const Limit& limit, std::string (*amount)(std::uint64_t)) {
  switch (limit.state) {
    case Limit::State::unknown: return "unknown";
    case Limit::State::unlimited: return "unlimited";
    case Limit::State::set: return amount(limit.amount);
  }
  return "?";
}

std::string quota_text(std::uint64_t n) { return fmt::format("{}.{:03} hardware threads", n / 1000, n % 1000); }
std::string memory_text(std::uint64_t n) { return bytes_text(n); }

// "16 of 16 MiB, 8 of 32 MiB": caches are told by kind, not one by one.
std::string caches_text(const std::vector<Cache>& caches) {
  if (caches.empty()) return "unknown";
  std::map<std::pair<std::uint64_t, std::uint32_t>, std::size_t> kinds;  // size, threads -> how many
  for (const Cache& c : caches) ++kinds[{c.bytes.value_or(0), c.cpus.count()}];
  std::string out;
  for (const auto& [kind, n] : kinds)
    out += fmt::format("{}{} x {} for {}", out.empty() ? "" : ", ", n,
                       bytes_text(kind.first ? std::optional(kind.first) : std::nullopt),
                       plural(kind.second, "thread", "threads"));
  return out;
}

template <class Thing>
std::string numbered(const char* what, const std::vector<Thing>& things, std::optional<std::uint32_t> index) {
  if (!index) return fmt::format("{} unknown", what);
  const std::optional<std::uint32_t> number = things[*index].number;
  return number ? fmt::format("{} {}", what, *number) : fmt::format("{} #{}", what, *index);
}

void add_places(const Host& host, std::string& out) {
  auto to = std::back_inserter(out);
  for (std::uint32_t p = 0; p < host.packages.size(); ++p) {
    const Package& package = host.packages[p];
    fmt::format_to(to, "{}: {}, {}\n", numbered("package", host.packages, p),
                   package.model.empty() ? "model unknown" : printable(package.model), cpus_text(package.cpus));
  }
  for (const NumaNode& n : host.nodes) {
    const std::string kind = n.memory == MemoryKind::unknown ? "kind unknown" : name_of(n.memory);
    fmt::format_to(to, "node {}: {}, {}, {}{}\n", n.number,
                   n.memory_bytes ? bytes_text(n.memory_bytes) : "memory unknown", kind,
                   n.cpu_less() ? "memory only" : cpus_text(n.cpus), n.allowed ? "" : ", not allowed");
  }
  fmt::format_to(to, "L3: {}\nL2: {}\n", caches_text(host.l3), caches_text(host.l2));
}

void add_distances(const Host& host, std::string& out) {
  auto to = std::back_inserter(out);
  if (!host.distances) {
    out += "node distances: unknown\n";
    return;
  }
  out += "node distances (row: who asks):\n      ";
  for (const NumaNode& n : host.nodes) fmt::format_to(to, "{:>5}", n.number);
  for (std::uint32_t i = 0; i < host.nodes.size(); ++i) {
    fmt::format_to(to, "\n{:>6}", host.nodes[i].number);
    for (std::uint32_t j = 0; j < host.nodes.size(); ++j) fmt::format_to(to, "{:>5}", host.distances->at(i, j));
  }
  out += '\n';
}

void add_devices(const Host& host, std::string& out) {
  auto to = std::back_inserter(out);
  if (host.pci_seen)
    fmt::format_to(to, "devices: {} of {}\n", host.devices.size(),
                   plural(*host.pci_seen, "PCI function", "PCI functions"));
  else
    out += "devices: unknown\n";
  for (const PciDevice& d : host.devices) {
    std::string names;
    for (const auto& name : d.os_names) names += " " + printable(name);
    fmt::format_to(to, "  {}  {:<13} {:04x}:{:04x}  {}, {}{}{}\n", pci_address(d), name_of(d.kind), d.vendor, d.device,
                   numbered("node", host.nodes, d.numa), numbered("package", host.packages, d.package), names,
                   d.name.empty() ? "" : "  (" + printable(d.name) + ")");
  }
  if (!host.links.empty()) fmt::format_to(to, "links: {}, in JSON\n", host.links.size());
}

// ---- JSON ---------------------------------------------------------------------------------------------------------

// Length of the UTF-8 sequence that starts at `at` (RFC 3629: no overlong form, no surrogate), 0 where there is none.
std::size_t utf8_length(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const unsigned lead = byte(at), second = byte(at + 1);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return tail(at + 1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const bool legal = !(lead == 0xe0 && second < 0xa0) && !(lead == 0xed && second > 0x9f);
    return legal && tail(at + 1) && tail(at + 2) ? 3 : 0;
  }
  if (lead < 0xf0 || lead > 0xf4) return 0;
  const bool legal = !(lead == 0xf0 && second < 0x90) && !(lead == 0xf4 && second > 0x8f);
  return legal && tail(at + 1) && tail(at + 2) && tail(at + 3) ? 4 : 0;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size();) {
    const auto c = static_cast<unsigned char>(text[i]);
    const std::size_t n = utf8_length(text, i);
    if (c == '"' || c == '\\')
      out += fmt::format("\\{}", text[i]);
    else if (c < 0x20)
      out += fmt::format("\\u{:04x}", c);
    else if (n == 0)
      out += "\\ufffd";  // not UTF-8
    else
      out += text.substr(i, n);
    i += std::max<std::size_t>(n, 1);
  }
  return out + "\"";
}

template <class Number>
std::string or_null(std::optional<Number> value) {
  return value ? fmt::format("{}", *value) : "null";
}

const char* yes_no(bool value) { return value ? "true" : "false"; }

// [..., ...] of what `one` writes for each.
template <class Range, class One>
std::string array(const Range& range, One one) {
  std::string out = "[";
  for (const auto& item : range) out += (out.size() > 1 ? ",\n  " : "\n  ") + one(item);
  return out + (out.size() > 1 ? "\n ]" : "]");
}

std::string limit_json(const char* key, const Limit& limit) {
  constexpr const char* kStates[] = {"unknown", "unlimited", "set"};
  const bool set = limit.state == Limit::State::set;
  return fmt::format("\"{}\": {}, \"{}_state\": \"{}\"", key, set ? std::to_string(limit.amount) : "null", key,
                     kStates[static_cast<std::size_t>(limit.state)]);
}

std::string distances_json(const Host& host) {
  if (!host.distances) return "null";
  return array(host.nodes, [&, row = 0u](const NumaNode&) mutable {
    std::string line = "[";
    for (std::uint32_t j = 0; j < host.distances->size; ++j)
      line += fmt::format("{}{}", j ? ", " : "", host.distances->at(row, j));
    ++row;
    return line + "]";
  });
}

std::string device_json(const PciDevice& d) {
  std::string names;
  for (const auto& name : d.os_names) names += (names.empty() ? "" : ", ") + quoted(name);
  return fmt::format(
      "{{\"address\": \"{}\", \"kind\": \"{}\", \"vendor\": \"{:04x}\", \"device\": \"{:04x}\", \"class\": \"{:04x}\", "
      "\"node\": {}, \"package\": {}, \"name\": {}, \"os_names\": [{}]}}",
      pci_address(d), name_of(d.kind), d.vendor, d.device, d.class_code, or_null(d.numa), or_null(d.package),
      d.name.empty() ? "null" : quoted(d.name), names);
}

std::string node_json(const NumaNode& n) {
  const std::string kind = n.memory == MemoryKind::unknown ? "null" : quoted(name_of(n.memory));
  return fmt::format(R"({{"number": {}, "memory_bytes": {}, "memory_kind": {}, "cpus": "{}", "allowed": {}}})",
                     n.number, or_null(n.memory_bytes), kind, n.cpus.text(), yes_no(n.allowed));
}

std::string thread_json(const HardwareThread& t) {
  return fmt::format(R"({{"cpu": {}, "allowed": {}, "core": {}, "l2": {}, "l3": {}, "node": {}, "package": {}}})",
                     t.cpu, yes_no(t.allowed), or_null(t.core), or_null(t.l2), or_null(t.l3), or_null(t.numa),
                     or_null(t.package), or_null(t.efficiency));
}

std::string facts_json(const Host& host) {
  return array(host.facts, [](const HostFact& f) {
    return fmt::format(R"({{"fact": {}, "value": {}, "source": {}}})", quoted(f.what), quoted(f.value),
                       quoted(f.source));
  });
}

}  // namespace

const char* name_of(MemoryKind kind) {
  constexpr const char* kNames[] = {"unknown", "dram", "hbm", "gpu", "nonvolatile", "cxl"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::string host_text(const Host& host, Explain explain) {
  std::string out = host.this_machine ? "" : printable(host.name) + "\n";
  auto to = std::back_inserter(out);
  const auto count = [](std::size_t n, const char* one, const char* many) {
    return n ? plural(n, one, many) : fmt::format("{} unknown", many);
  };
  fmt::format_to(to, "{}, {}, {}, {}, {} allowed\n", count(host.packages.size(), "package", "packages"),
                 count(host.nodes.size(), "NUMA node", "NUMA nodes"), count(host.cores.size(), "core", "cores"),
                 plural(host.threads.size(), "hardware thread", "hardware threads"), host.allowed_cpus().count());
  fmt::format_to(to, "cpu quota: {}\nmemory limit: {}\n", limit_text(host.cpu_quota, quota_text),
                 limit_text(host.memory_limit, memory_text));
  add_places(host, out);
  add_distances(host, out);
  add_devices(host, out);
  if (explain == Explain::yes) {
    out += "where each fact came from:\n";
    for (const HostFact& f : host.facts)
      fmt::format_to(to, "  {}: {}  <- {}\n", printable(f.what), printable(f.value), printable(f.source));
  }
  return out;
}

std::string host_json(const Host& host, Explain explain) {
  std::string out =
      fmt::format("{{\n \"host\": {}, \"this_machine\": {},\n", quoted(host.name), yes_no(host.this_machine));
  auto to = std::back_inserter(out);
  const auto set_or_null = [](const std::optional<CpuSet>& cpus) { return cpus ? quoted(cpus->text()) : "null"; };
  fmt::format_to(to, " \"allowed_cpus\": \"{}\", \"affinity\": {}, \"cpuset\": {},\n", host.allowed_cpus().text(),
                 set_or_null(host.affinity), set_or_null(host.cpuset));
  fmt::format_to(to, " {},\n {},\n", limit_json("cpu_quota_thousandths", host.cpu_quota),
                 limit_json("memory_limit_bytes", host.memory_limit));
  fmt::format_to(to, " \"packages\": {},\n", array(host.packages, [](const Package& p) {
                   return fmt::format(R"({{"number": {}, "model": {}, "cpus": "{}"}})", or_null(p.number),
                                      p.model.empty() ? "null" : quoted(p.model), p.cpus.text());
                 }));
  fmt::format_to(to, " \"nodes\": {},\n \"node_distances\": {},\n", array(host.nodes, node_json), distances_json(host));
  const auto cache = [](const Cache& c) {
    return fmt::format(R"({{"size_bytes": {}, "cpus": "{}"}})", or_null(c.bytes), c.cpus.text());
  };
  fmt::format_to(to, " \"l3\": {},\n \"l2\": {},\n", array(host.l3, cache), array(host.l2, cache));
  fmt::format_to(to, " \"cores\": {},\n", array(host.cores, [](const CpuCore& c) {
                   return fmt::format(R"({{"number": {}, "cpus": "{}"}})", or_null(c.number), c.cpus.text());
                 }));
  fmt::format_to(to, " \"threads\": {},\n", array(host.threads, thread_json));
  fmt::format_to(to, " \"pci_functions\": {},\n \"devices\": {},\n", or_null(host.pci_seen),
                 array(host.devices, device_json));
  fmt::format_to(
      to, " \"links\": {}", array(host.links, [](const HostLink& l) {
        return fmt::format(
            R"({{"from_device": {}, "from_package": {}, "to_device": {}, "to_package": {}, "mb_per_s": {}}})",
            or_null(l.from_device), or_null(l.from_package), or_null(l.to_device), or_null(l.to_package),
            l.mb_per_second);
      }));
  if (explain == Explain::yes) fmt::format_to(to, ",\n \"facts\": {}", facts_json(host));
  return out + "\n}\n";
}

}  // namespace yard
