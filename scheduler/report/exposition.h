// Prometheus' text exposition format, version 0.0.4: families of samples, each with its HELP and TYPE.
//
//   Exposition out;
//   out.family("switchyard_requests_total", "counter", "Requests that have ended.");
//   out.sample({{"outcome", "done"}}, 12);
//
// Source: prometheus.io/docs/instrumenting/exposition_formats, "Text format details".
//
// Threads: one. Requires: names as the format has them; texts may hold anything, and are escaped.
// X1  all samples of a family stand together, after its HELP and TYPE, and each family once.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "scheduler/base/hash.h"

namespace yard {

class Exposition {
 public:
  using Label = std::pair<std::string_view, std::string_view>;
  using Labels = std::initializer_list<Label>;

  void family(std::string_view name, std::string_view type, std::string_view help);
  void sample(Labels, std::uint64_t value);

  // A histogram's samples: `edges` in ns, ascending; `counts` one more than edges, each of its bucket alone.
  void histogram(Labels, std::span<const std::int64_t> edges, std::span<const std::uint64_t> counts, Wide sum_ns);

  const std::string& text() const { return text_; }

 private:
  void begin(std::string_view suffix, Labels, Label last = {});

  std::string text_, family_;
};

// Nanoseconds as seconds, in decimal, without zeros at the end.
std::string decimal_seconds(Wide ns);

}  // namespace yard
