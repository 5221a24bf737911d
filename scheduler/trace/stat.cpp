#include "scheduler/trace/stat.h"

#include <algorithm>
#include <bit>
#include <iterator>

#include <fmt/format.h>

namespace yard {
namespace {

std::uint64_t square_root(Wide x) {  // rounded down
  std::uint64_t root = 0;
  for (std::uint64_t bit = std::uint64_t{1} << 62; bit != 0; bit >>= 1)
    if (static_cast<Wide>(root | bit) * (root | bit) <= x) root |= bit;
  return root;
}

// Hundredths, halves up: the mean of tokens is wanted finer than whole ones.
std::uint64_t mean_centi(const Histogram& h) {
  return h.count() == 0 ? 0 : static_cast<std::uint64_t>((h.sum() * 100 + h.count() / 2) / h.count());
}

std::string decimal(std::uint64_t n, std::uint64_t unit) {  // unit: a power of ten above 1
  const auto digits = fmt::formatted_size("{}", unit) - 1;
  return fmt::format("{}.{:0{}}", n / unit, n % unit, digits);
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\')
      out += '\\', out += c;
    else if (byte < 0x20)
      out += fmt::format("\\u{:04x}", byte);
    else
      out += c;
  }
  return out + '"';
}

std::string tokens_line(std::string_view what, const Histogram& h) {
  return fmt::format("{:<10} {:>10} {:>8} {:>8} {:>8} {:>8} {:>14}\n", what, decimal(mean_centi(h), 100),
                     h.percentile(500), h.percentile(900), h.percentile(990), h.max(),
                     static_cast<std::uint64_t>(h.sum()));
}

// Hundredths of a percent of the prompts' tokens, to the nearest.
std::uint64_t repeated_share(const TraceStat& s) {
  const auto all = static_cast<std::uint64_t>(s.prompt().sum());
  return all == 0
             ? 0
             : static_cast<std::uint64_t>((static_cast<Wide>(s.prefix().repeated_tokens()) * 10'000 + all / 2) / all);
}

std::string prefix_json(const TraceStat& s) {
  const PrefixStat& p = s.prefix();
  if (!p.any()) return {};
  return fmt::format(
      ",\"prefix_repeated_tokens\":{},\"prefix_repeated_percent\":{},\"prefix_block_tokens\":{},\"prefix_blocks\":{},"
      "\"prefix_distinct_blocks\":{},\"sessions\":{}",
      p.repeated_tokens(), decimal(repeated_share(s), 100), p.block().count(), p.blocks(), p.distinct_blocks(),
      p.sessions());
}

std::string tokens_json(std::string_view what, const Histogram& h) {
  return fmt::format(
      ",\"{0}_mean_tokens\":{1},\"{0}_p50_tokens\":{2},\"{0}_p90_tokens\":{3},\"{0}_p99_tokens\":{4},"
      "\"{0}_max_tokens\":{5},\"{0}_sum_tokens\":{6}",
      what, decimal(mean_centi(h), 100), h.percentile(500), h.percentile(900), h.percentile(990), h.max(),
      static_cast<std::uint64_t>(h.sum()));
}

}  // namespace

// Names are chained: where one was seen, so were all before it. So the first unseen one is found by halving.
void PrefixStat::add(const TraceRow& row) {
  if (row.session != 0) sessions_.insert(row.session);
  if (row.prefix_block.count() == 0) return;
  ++rows_;
  block_ = row.prefix_block;
  blocks_ += row.prefix.size();
  const auto unseen = std::partition_point(row.prefix.begin(), row.prefix.end(),
                                           [&](std::uint64_t name) { return names_.contains(name); });
  const auto held = static_cast<std::uint64_t>(unseen - row.prefix.begin());
  repeated_ += std::min(held * static_cast<std::uint64_t>(row.prefix_block.count()),
                        static_cast<std::uint64_t>(row.prompt.count()));
  for (auto at = unseen; at != row.prefix.end(); ++at) names_.insert(*at);
}

void TraceStat::add(const TraceRow& row) {
  if (rows() == 0) {
    first_ = row.arrival;
  } else {
    const std::int64_t gap = (row.arrival - last_).count();
    gap_.add(gap);
    gap_squares_ += static_cast<Wide>(gap) * static_cast<std::uint64_t>(gap);
  }
  last_ = row.arrival;
  prompt_.add(row.prompt.count());
  output_.add(row.output.count());
  prefix_.add(row);
}

std::uint64_t TraceStat::rate_milli() const {
  const auto ns = static_cast<std::uint64_t>(duration().count());
  return ns == 0 ? 0 : static_cast<std::uint64_t>((static_cast<Wide>(gap_.count()) * 1'000'000'000'000 + ns / 2) / ns);
}

// cv^2 = n * squares / sum^2 - 1. Sum and squares lose low bits together until the sum has 31, so that the product
// fits.
std::uint64_t TraceStat::gap_cv_milli() const {
  const auto whole = static_cast<std::uint64_t>(gap_.sum());
  if (whole == 0) return 0;
  const int excess = std::max(0, static_cast<int>(std::bit_width(whole)) - 31);
  const Wide sum = whole >> excess, squares = gap_squares_ >> (2 * excess);
  const Wide ratio = squares * gap_.count() * 1'000'000 / (sum * sum);
  return ratio <= 1'000'000 ? 0 : square_root(ratio - 1'000'000);
}

TraceStat stat_of(TraceReader& reader) {
  TraceStat stat;
  while (const auto row = reader.next()) stat.add(*row);
  return stat;
}

std::string stat_text(const TraceStat& s, std::string_view name) {
  std::string out = fmt::format("trace      {}\nrows       {}\n", name, s.rows());
  if (s.rows() == 0) return out;
  out += fmt::format("duration   {} s\n", decimal(static_cast<std::uint64_t>(s.duration().count()) / 1'000'000, 1000));
  out += fmt::format("rate       {} requests/s\n", decimal(s.rate_milli(), 1000));
  out += fmt::format("gaps       mean {} ns, p50 {}, p99 {}, max {}; deviation by mean {}\n", s.gap().mean(),
                     s.gap().percentile(500), s.gap().percentile(990), s.gap().max(), decimal(s.gap_cv_milli(), 1000));
  out += fmt::format("\n{:<10} {:>10} {:>8} {:>8} {:>8} {:>8} {:>14}\n", "tokens", "mean", "p50", "p90", "p99", "max",
                     "sum");
  out += tokens_line("prompt", s.prompt()) + tokens_line("output", s.output());
  if (!s.prefix().any()) return out;
  return out + fmt::format(
                   "\nprefixes   {} % of prompt tokens repeat an earlier prompt's beginning\n"
                   "blocks     {} of {} tokens, {} distinct\nsessions   {}\n",
                   decimal(repeated_share(s), 100), s.prefix().blocks(), s.prefix().block().count(),
                   s.prefix().distinct_blocks(),
                   s.prefix().sessions() == 0 ? "none known" : fmt::format("{}", s.prefix().sessions()));
}

std::string stat_json(const TraceStat& s, std::string_view name) {
  return fmt::format(
             "{{\"trace\":{},\"rows\":{},\"duration_ns\":{},\"rate_per_s\":{},\"gap_mean_ns\":{},\"gap_p50_ns\":{},"
             "\"gap_p99_ns\":{},\"gap_max_ns\":{},\"gap_cv\":{}",
             json_string(name), s.rows(), s.duration().count(), decimal(s.rate_milli(), 1000), s.gap().mean(),
             s.gap().percentile(500), s.gap().percentile(990), s.gap().max(), decimal(s.gap_cv_milli(), 1000)) +
         tokens_json("prompt", s.prompt()) + tokens_json("output", s.output()) + prefix_json(s) + "}\n";
}

}  // namespace yard
