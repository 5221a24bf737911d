#include "scheduler/cost/kernel_table_text.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

#include "scheduler/base/input_error.h"

namespace yard {
namespace {

constexpr std::string_view kBegins = "switchyard-kernel-table";
constexpr std::int64_t kMostNodes = std::int64_t{1} << 26;

template <class Numbers>
std::string line_of(const Numbers& numbers) {
  std::string line;
  for (const auto n : numbers) {
    if (!line.empty()) line += ' ';
    line += fmt::format("{}", n);
  }
  return line + "\n";
}

class Words {
 public:
  Words(const std::string& file, std::string_view text) : file_(file), rest_(text) {}

  [[noreturn]] void refuse(const std::string& found) const {
    throw InputError(file_, line_, "", found, "accepted: a file that switchyard cost fit --out wrote");
  }
  std::string_view word() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\n')) {
      if (rest_.front() == '\n') ++line_;
      rest_.remove_prefix(1);
    }
    const std::size_t end = std::min(rest_.find_first_of(" \n"), rest_.size());
    if (end == 0) refuse("found its end too early");
    const std::string_view word = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return word;
  }
  void expect(std::string_view wanted) {
    if (const std::string_view found = word(); found != wanted)
      refuse(fmt::format("found '{}' for '{}'", printable(found), wanted));
  }
  std::int64_t number(std::int64_t least, std::int64_t most) {
    const std::string_view found = word();
    std::int64_t n = 0;
    const auto [end, error] = std::from_chars(found.data(), found.data() + found.size(), n);
    if (error != std::errc() || end != found.data() + found.size() || n < least || n > most)
      refuse(fmt::format("found '{}' for a number from {} to {}", printable(found), least, most));
    return n;
  }

 private:
  const std::string& file_;
  std::string_view rest_;
  int line_ = 1;
};

KernelGrid read_grid(Words& words) {
  words.expect("grid");
  KernelGrid grid;
  grid.category.family = static_cast<KernelFamily>(words.number(0, 2));
  grid.category.format = static_cast<KernelFormat>(words.number(0, 2));
  grid.category.head_dim = static_cast<std::int32_t>(words.number(0, 1 << 24));
  grid.category.window = static_cast<std::int32_t>(words.number(0, 1 << 24));
  std::array<std::int64_t, 4> sizes;
  std::int64_t nodes = 1;
  for (std::int64_t& size : sizes) {
    size = words.number(1, kMostNodes);
    if (nodes > kMostNodes / size) words.refuse("found more than 2^26 nodes");
    nodes *= size;
  }
  constexpr std::int64_t kMost = std::numeric_limits<Log2>::max() / 4;
  for (std::size_t i = 0; i < 4; ++i)
    for (std::int64_t k = 0; k < sizes[i]; ++k) {
      const auto node = static_cast<Log2>(words.number(-kMost, kMost));
      if (k > 0 && node <= grid.axes[i].back()) words.refuse("found an axis that does not ascend");
      grid.axes[i].push_back(node);
    }
  for (std::int64_t k = 0; k < nodes; ++k) grid.residual.push_back(static_cast<Log2>(words.number(-kMost, kMost)));
  for (std::int64_t k = 0; k < nodes; ++k)
    grid.spread.push_back(static_cast<std::uint16_t>(words.number(0, KernelTable::kMostSpread)));
  return grid;
}

}  // namespace

std::string kernel_table_text(const KernelTable& table) {
  std::string text =
      fmt::format("{} 1 {} {} {}\n", kBegins, table.chip().id, table.floor().count(), table.grids().size());
  for (const KernelGrid& grid : table.grids()) {
    const KernelCategory& c = grid.category;
    text += fmt::format("grid {} {} {} {} {} {} {} {}\n", static_cast<int>(c.family), static_cast<int>(c.format),
                        c.head_dim, c.window, grid.axes[0].size(), grid.axes[1].size(), grid.axes[2].size(),
                        grid.axes[3].size());
    for (const auto& axis : grid.axes) text += line_of(axis);
    text += line_of(grid.residual) + line_of(grid.spread);
  }
  return text + fmt::format("end {}\n", table.hash());
}

KernelTable read_kernel_table(const std::string& file, std::string_view text) {
  Words words(file, text);
  words.expect(kBegins);
  words.expect("1");
  const std::string_view id = words.word();
  const Accelerator* chip = builtin_catalogue().find(id);
  if (!chip) words.refuse(fmt::format("found the unknown chip '{}'", printable(id)));
  const Picoseconds floor(words.number(0, std::int64_t{1} << 50));
  std::vector<KernelGrid> grids(static_cast<std::size_t>(words.number(1, 1000)));
  for (KernelGrid& grid : grids) {
    grid = read_grid(words);
    if (grid.category.family != grids.front().category.family) words.refuse("found grids of two families");
  }
  KernelTable table(*chip, floor, std::move(grids));
  words.expect("end");
  words.expect(fmt::format("{}", table.hash()));
  return table;
}

}  // namespace yard
