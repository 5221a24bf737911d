#include "scheduler/trace/agentic.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include "scheduler/base/input_error.h"
#include "scheduler/trace/cells.h"
#include "scheduler/trace/chain.h"
#include "scheduler/trace/decimal.h"
#include "scheduler/trace/options.h"
#include "scheduler/trace/sample.h"

namespace yard {
namespace {

constexpr std::string_view kColumns[] = {"trace",      "agent",           "t",           "in_tokens", "out_tokens",
                                         "n_blocks64", "lcp_blocks_prev", "seen_blocks", "api_time"};
enum Column : std::size_t {
  trace,
  agent,
  t,
  in_tokens,
  out_tokens,
  n_blocks64,
  lcp_blocks_prev,
  seen_blocks,
  api_time
};
constexpr std::size_t kCount = std::size(kColumns), kMostColumns = 64;
constexpr std::int64_t kSecond = 1'000'000'000;       // ns
constexpr std::int64_t kMostSeconds = 1'000'000'000;  // 31 years: three of them and kLastArrival fit 63 bits

std::string header() { return fmt::format("{}", fmt::join(kColumns, ",")); }

}  // namespace

AgenticSpec parse_agentic(std::string_view name) {
  AgenticSpec spec;
  constexpr std::string_view kKeys[] = {"path", "starts"};
  each_option(name, kKeys, [&](const OptionPlace& place, std::string_view value) {
    if (place.key == "path")
      spec.path = value;
    else
      spec.starts_ns = static_cast<std::int64_t>(
          1000 * place.millionths(value, 0, 86'400'000'000, "seconds from 0 to 86400, at most six decimals"));
  });
  if (spec.path.empty()) OptionPlace{"gen:agentic", "path"}.fail("", "a file, or the folder that it lies in");
  if (std::string inside = AgenticReader::file_in(spec.path); !inside.empty()) spec.path = std::move(inside);
  return spec;
}

bool AgenticReader::is_one(std::string_view first_line) {
  std::array<std::string_view, kMostColumns> names;
  if (first_line.ends_with('\r')) first_line.remove_suffix(1);
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(split_cells(first_line, names), kMostColumns));
  return std::find(names.begin(), end, kColumns[n_blocks64]) != end ||
         std::find(names.begin(), end, kColumns[lcp_blocks_prev]) != end;
}

std::string AgenticReader::file_in(const std::string& folder) {
  for (const char* const name : {"requests_compact.csv.gz", "requests_compact.csv"})
    if (const auto path = std::filesystem::path(folder) / name; std::filesystem::is_regular_file(path))
      return path.string();
  return {};
}

// ---- the file

class AgenticReader::Loader {
 public:
  Loader(LineReader& lines, std::int64_t starts_ns, Seed seed, std::vector<Row>& rows)
      : lines_(lines), starts_ns_(static_cast<std::uint64_t>(starts_ns)), starts_(Rng::stream(seed, 0)), rows_(rows) {}

  void load() {
    read_header();
    std::string_view line;
    while (lines_.next(line)) {
      if (line.empty()) continue;
      if (split_cells(line, cells_) != columns_)
        fail("", fmt::format("found '{}'", printable(line)),
             fmt::format("accepted: {} plain cells, as many as the header has (is the file cut?)", columns_));
      if (rows_.size() == kMostRows)
        fail("", fmt::format("found more than {} rows", kMostRows), "accepted: fewer (cut the file)");
      take_row();
    }
  }

 private:
  struct Agent {
    std::string name;
    std::int64_t begin_ns = 0;                // since the conversation's start
    std::int64_t last_ns = 0, answer_ns = 0;  // of its last row, since the agent's start; and its api_time
    std::uint32_t last_row = 0;
  };

  void read_header() {
    std::string_view line;
    if (!lines_.next(line)) throw InputError(lines_.path(), 0, "", "is empty", "accepted: a first line " + header());
    columns_ = split_cells(line, cells_);
    if (columns_ > kMostColumns)
      fail("", fmt::format("found {} columns", columns_), fmt::format("accepted: at most {}", kMostColumns));
    for (std::size_t c = 0; c < kCount; ++c) {
      const auto end = cells_.begin() + static_cast<std::ptrdiff_t>(columns_);
      const auto found = std::find(cells_.begin(), end, kColumns[c]);
      if (found == end) fail(kColumns[c], "found no such column", "accepted: " + header());
      if (std::find(found + 1, end, kColumns[c]) != end) fail(kColumns[c], "found twice", "accepted: once");
      place_[c] = static_cast<std::size_t>(found - cells_.begin());
    }
  }

  void take_row() {
    if (rows_.empty() || cell(trace) != conversation_) begin_conversation();
    Agent& of = agent_named(cell(agent));
    const bool first = of.name.empty();
    if (first) of.name = cell(agent);

    constexpr std::uint64_t kTokens = static_cast<std::uint64_t>(kMostTokens.count());
    Row row{};
    row.prompt = static_cast<std::int32_t>(number(in_tokens, 1, kTokens));
    row.output = static_cast<std::int32_t>(number(out_tokens, 0, kTokens));
    row.session = session_;
    const std::int64_t now = seconds(t);
    if (!first && now < of.last_ns)
      fail(kColumns[t], fmt::format("found a time {} ns before that of the agent's row before", of.last_ns - now),
           "accepted: rows of an agent in order of time");
    const auto most = static_cast<std::uint64_t>(blocks_for(Tokens(row.prompt), kBlock).count());
    row.blocks = static_cast<std::uint32_t>(number(n_blocks64, 0, most));
    const std::uint64_t before = first ? 0 : rows_[of.last_row].blocks;
    const auto lcp =
        static_cast<std::uint32_t>(number(lcp_blocks_prev, 0, std::min<std::uint64_t>(before, row.blocks)));
    const auto seen = static_cast<std::uint32_t>(number(seen_blocks, lcp, row.blocks));
    row.keep = seen;
    row.parent = first ? kNone : of.last_row;
    if (seen > lcp) find_parent(row, lcp);
    // A parent that adds nothing to what is kept is skipped, so that each step up the line gives a block or more.
    if (row.keep > 0)
      while (rows_[row.parent].keep >= row.keep) row.parent = rows_[row.parent].parent;

    of.last_ns = now;
    of.answer_ns = cell(api_time).empty() ? 0 : seconds(api_time);
    of.last_row = static_cast<std::uint32_t>(rows_.size());
    row.arrival_ns = start_ns_ + of.begin_ns + now;
    if (row.arrival_ns > kLastArrival.ns())
      fail(kColumns[t], "found a row that lies beyond 146 years", "accepted: smaller times, or gen:agentic?starts");
    rows_.push_back(row);
  }

  void begin_conversation() {
    conversation_ = cell(trace);
    if (!names_.insert(conversation_).second)
      fail(kColumns[trace], fmt::format("found '{}' again, behind another", printable(conversation_)),
           "accepted: the rows of a conversation together");
    if (session_ > 0)
      start_ns_ += static_cast<std::int64_t>(static_cast<Wide>(exponential(starts_.next())) * starts_ns_ >> 32);
    if (start_ns_ > kLastArrival.ns()) fail("", "found a conversation beyond 146 years", "accepted: smaller starts");
    ++session_;
    begin_ = rows_.size();
    agents_.clear();
  }

  // Returns: the agent's record, or a new one without a name.
  Agent& agent_named(std::string_view name) {
    if (name.empty()) fail(kColumns[agent], "found nothing", "accepted: 0, or 0.1 for an agent that 0 started");
    const auto find = [&](std::string_view wanted) {
      return std::find_if(agents_.begin(), agents_.end(), [&](const Agent& a) { return a.name == wanted; });
    };
    if (const auto known = find(name); known != agents_.end()) return *known;
    if (agents_.size() == kMostAgents)
      fail(kColumns[agent], fmt::format("found more than {} agents", kMostAgents), "accepted: fewer a conversation");
    Agent born;
    if (!agents_.empty()) {
      auto by = find(name.substr(0, std::min(name.rfind('.'), name.size())));
      if (by == agents_.end()) by = agents_.begin();
      born.begin_ns = by->begin_ns + by->last_ns + by->answer_ns;
      if (born.begin_ns > kMostSeconds * kSecond)
        fail(kColumns[agent], "found an agent that starts beyond 31 years", "accepted: smaller times");
    }
    return agents_.emplace_back(std::move(born));
  }

  // Of the rows before, the one whose blocks the row's first row.keep are: see G1.
  void find_parent(Row& row, std::uint32_t lcp) {
    const std::uint32_t last = row.parent;
    const std::size_t from = std::max(begin_, rows_.size() - std::min<std::size_t>(rows_.size(), kLookBack));
    std::uint32_t agrees = kNone;
    for (std::size_t j = rows_.size(); j-- > from;) {
      const auto other = static_cast<std::uint32_t>(j);
      if (rows_[j].blocks < row.keep) continue;
      if (last == kNone) {
        row.parent = other;
        return;
      }
      if (lcp > 0 && owner_of(rows_, other, lcp - 1) != owner_of(rows_, last, lcp - 1)) continue;
      if (rows_[last].blocks == lcp || owner_of(rows_, other, lcp) != owner_of(rows_, last, lcp)) {
        row.parent = other;
        return;
      }
      if (agrees == kNone && other != last) agrees = other;
    }
    if (agrees != kNone) {
      row.parent = agrees;
      return;
    }
    row.parent = last;
    row.keep = lcp;
  }

  std::string_view cell(Column c) const { return cells_[place_[c]]; }

  std::uint64_t number(Column c, std::uint64_t least, std::uint64_t most) const {
    const auto n = decimal(cell(c), 0);
    const bool plain = cell(c).find_first_not_of("0123456789") == std::string_view::npos;
    if (!n || !plain || *n < least || *n > most)
      fail(kColumns[c], cell(c).empty() ? "found nothing" : fmt::format("found '{}'", printable(cell(c))),
           fmt::format("accepted: a whole number from {} to {}", least, most));
    return *n;
  }

  std::int64_t seconds(Column c) const {
    const auto ns = decimal(cell(c), 9);
    if (!ns || *ns > static_cast<std::uint64_t>(kMostSeconds * kSecond))
      fail(kColumns[c], cell(c).empty() ? "found nothing" : fmt::format("found '{}'", printable(cell(c))),
           fmt::format("accepted: seconds from 0 to {}", kMostSeconds));
    return static_cast<std::int64_t>(*ns);
  }

  [[noreturn]] void fail(std::string_view column, std::string found, std::string accepted) const {
    throw InputError(lines_.path(), lines_.shown_number(), std::string(column), std::move(found), std::move(accepted));
  }

  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  static constexpr std::size_t kMostAgents = 1024, kLookBack = 4096;

  LineReader& lines_;
  const std::uint64_t starts_ns_;
  Rng starts_;
  std::vector<Row>& rows_;
  std::array<std::string_view, kMostColumns> cells_;
  std::array<std::size_t, kCount> place_{};
  std::size_t columns_ = 0;

  std::set<std::string> names_;
  std::string conversation_;  // the present one, and its first row
  std::uint32_t session_ = 0;
  std::size_t begin_ = 0;
  std::int64_t start_ns_ = 0;
  std::vector<Agent> agents_;
};

AgenticReader::AgenticReader(LineReader lines, std::int64_t starts_ns, Seed seed) {
  Loader(lines, starts_ns, seed, rows_).load();
  order_.resize(rows_.size());
  std::iota(order_.begin(), order_.end(), 0u);
  std::sort(order_.begin(), order_.end(), [&](std::uint32_t a, std::uint32_t b) {
    return rows_[a].arrival_ns != rows_[b].arrival_ns ? rows_[a].arrival_ns < rows_[b].arrival_ns : a < b;
  });
}

// Returns: the row that had the block first.
std::uint32_t AgenticReader::owner_of(const std::vector<Row>& rows, std::uint32_t row, std::uint32_t block) {
  while (block < rows[row].keep) row = rows[row].parent;
  return row;
}

// ---- rows

std::optional<TraceRow> AgenticReader::next() {
  if (at_ == order_.size()) return std::nullopt;
  std::uint32_t of = order_[at_++];
  const Row& row = rows_[of];
  constexpr int kPlaces = 20;
  static_assert(kMostTokens.count() / kBlock.count() < 1 << kPlaces);
  prefix_.resize(row.blocks);
  for (std::uint32_t end = row.blocks; end > 0; of = rows_[of].parent) {
    const std::uint32_t begin = std::min(rows_[of].keep, end);
    const std::uint64_t name = std::uint64_t{of} << kPlaces;
    for (std::uint32_t b = begin; b < end; ++b) prefix_[b] = mix64(chain_start(kBlock) ^ (name | b));
    end = begin;
  }
  TraceRow out{.arrival = Time(row.arrival_ns - rows_[order_[0]].arrival_ns),
               .prompt = Tokens(row.prompt),
               .output = Tokens(row.output)};
  out.prefix = prefix_;
  out.prefix_block = kBlock;
  out.session = row.session;
  return out;
}

}  // namespace yard
