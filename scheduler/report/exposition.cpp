#include "scheduler/report/exposition.h"

#include <fmt/format.h>

#include "scheduler/base/check.h"

namespace yard {
namespace {

void append_escaped(std::string& out, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\')
      out += "\\\\";
    else if (c == '\n')
      out += "\\n";
    else if (c == '"' && quotes)
      out += "\\\"";
    else
      out += c;
  }
}

}  // namespace

std::string decimal_seconds(Wide ns) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  std::string text =
      fmt::format("{}.{:09}", static_cast<std::uint64_t>(ns / kSecond), static_cast<std::uint64_t>(ns % kSecond));
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

void Exposition::family(std::string_view name, std::string_view type, std::string_view help) {
  family_ = name;
  text_ += fmt::format("# HELP {} ", name);
  append_escaped(text_, help, false);
  text_ += fmt::format("\n# TYPE {} {}\n", name, type);
}

void Exposition::begin(std::string_view suffix, Labels labels, Label last) {
  text_ += family_;
  text_ += suffix;
  char before = '{';
  const auto add = [&](const Label& label) {
    text_ += before;
    text_ += label.first;
    text_ += "=\"";
    append_escaped(text_, label.second, true);
    text_ += '"';
    before = ',';
  };
  for (const Label& label : labels) add(label);
  if (!last.first.empty()) add(last);
  if (before == ',') text_ += '}';
  text_ += ' ';
}

void Exposition::sample(Labels labels, std::uint64_t value) {
  begin("", labels);
  text_ += fmt::format("{}\n", value);
}

void Exposition::histogram(Labels labels, std::span<const std::int64_t> edges, std::span<const std::uint64_t> counts,
                           Wide sum_ns) {
  CHECK(counts.size() == edges.size() + 1);
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    below += counts[i];
    const std::string edge = i < edges.size() ? decimal_seconds(static_cast<Wide>(edges[i])) : "+Inf";
    begin("_bucket", labels, {"le", edge});
    text_ += fmt::format("{}\n", below);
  }
  begin("_sum", labels);
  text_ += decimal_seconds(sum_ns) + '\n';
  begin("_count", labels);
  text_ += fmt::format("{}\n", below);
}

}  // namespace yard
