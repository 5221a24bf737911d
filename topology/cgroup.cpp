#include "topology/cgroup.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace yard {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxDepth = 64;  // groups between ours and the mount point

// A mounted hierarchy that has a controller, and our group in it.
struct Group {
  bool v2 = false;
  std::string mount, path;  // path: below the mount, "" the mount itself
};

std::string slurp(const fs::path& path) {
  std::ifstream file(path);
  std::string text(64 * 1024, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return text;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

bool has_word(const std::string& text, std::string_view word, char separator) {
  for (const auto& part : split(text, separator))
    if (part == word) return true;
  return false;
}

std::string unescape(std::string_view text) {  // mountinfo writes blank, tab, newline and backslash as \ooo
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned code = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(&text[i + 1], &text[i + 4], code, 8).ptr == &text[i + 4]) {
      out += static_cast<char>(code);
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

// Returns: our path in the hierarchy of this controller ("" names v2), as /proc/self/cgroup has it.
std::optional<std::string> path_of(const std::string& cgroups, std::string_view controller) {
  for (const auto& line : split(cgroups, '\n')) {
    const auto first = line.find(':'), second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    const std::string names = line.substr(first + 1, second - first - 1);
    if (controller.empty() ? names.empty() : has_word(names, controller, ',')) return line.substr(second + 1);
  }
  return std::nullopt;
}

// A container may be shown a mount of its own group: then the mount's root is a prefix of our path.
std::string below_mount(const std::string& path, const std::string& mount_root) {
  if (mount_root == "/") return path == "/" ? "" : path;
  if (path.starts_with(mount_root)) return path.substr(mount_root.size());
  return "";
}

std::optional<Group> group_of(const std::string& mounts, const std::string& cgroups, const std::string& root,
                              std::string_view controller) {
  std::optional<Group> found;
  for (const auto& line : split(mounts, '\n')) {
    const auto dash = line.find(" - ");
    if (dash == line.npos) continue;
    const auto left = split(line.substr(0, dash), ' '), right = split(line.substr(dash + 3), ' ');
    if (left.size() < 5 || right.empty()) continue;
    const std::string mount = root + unescape(left[4]);
    const bool v2 = right[0] == "cgroup2";
    if (v2 && !has_word(split(slurp(mount + "/cgroup.controllers") + "\n", '\n')[0], controller, ' ')) continue;
    if (!v2 && (right[0] != "cgroup" || right.size() < 3 || !has_word(right[2], controller, ','))) continue;
    const auto path = path_of(cgroups, v2 ? "" : controller);
    if (path) found = Group{v2, mount, below_mount(*path, unescape(left[3]))};
  }
  return found;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return n;
}

// Each reads one group: nothing where the file is absent or says no limit.
std::optional<std::uint64_t> cpu_limit(const fs::path& group, bool v2) {
  std::optional<std::uint64_t> quota, period;
  if (v2) {  // "max 100000" or "150000 100000", microseconds
    std::istringstream in(slurp(group / "cpu.max"));
    std::string a, b;
    in >> a >> b;
    quota = number(a), period = number(b);
  } else {
    std::istringstream q(slurp(group / "cpu.cfs_quota_us")), p(slurp(group / "cpu.cfs_period_us"));
    std::string a, b;
    q >> a, p >> b;
    quota = number(a), period = number(b);  // -1: no limit, and no number here
  }
  if (!quota || !period || *period == 0 || *quota > ~std::uint64_t{0} / 1000) return std::nullopt;
  return *quota * 1000 / *period;
}

std::optional<std::uint64_t> memory_limit(const fs::path& group, bool v2) {
  std::istringstream in(slurp(group / (v2 ? "memory.max" : "memory.limit_in_bytes")));
  std::string text;
  in >> text;
  const auto bytes = number(text);
  // v1 writes "no limit" as the largest multiple of the page size below 2^63.
  if (bytes && !v2 && *bytes > (std::uint64_t{1} << 63) - (std::uint64_t{1} << 20)) return std::nullopt;
  return bytes;
}

Limit least(const std::optional<Group>& group, const char* what,
            std::optional<std::uint64_t> (*read)(const fs::path&, bool), Host& host) {
  if (!group) {
    host.facts.push_back({what, "unknown", "no cgroup controller is mounted that would say"});
    return {};
  }
  Limit limit{Limit::State::unlimited, 0};
  std::string path = group->path, source = group->mount + path;
  for (std::size_t depth = 0; depth < kMaxDepth; ++depth) {
    const auto amount = read(group->mount + path, group->v2);
    if (amount && (limit.state == Limit::State::unlimited || *amount < limit.amount)) {
      limit = {Limit::State::set, *amount};
      source = group->mount + path;
    }
    if (path.empty()) break;
    path.erase(path.rfind('/') == path.npos ? 0 : path.rfind('/'));
  }
  host.facts.push_back({what, limit.state == Limit::State::set ? std::to_string(limit.amount) : "unlimited",
                        fmt::format("cgroup v{} {}", group->v2 ? 2 : 1, source)});
  return limit;
}

}  // namespace

void read_cgroup(const std::string& proc, const std::string& root, Host& host) {
  const std::string mounts = slurp(proc + "/self/mountinfo"), cgroups = slurp(proc + "/self/cgroup");
  host.cpu_quota = least(group_of(mounts, cgroups, root, "cpu"), "CPU quota, thousandths", cpu_limit, host);
  host.memory_limit = least(group_of(mounts, cgroups, root, "memory"), "memory limit, bytes", memory_limit, host);
}

}  // namespace yard
