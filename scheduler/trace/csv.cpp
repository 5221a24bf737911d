#include "scheduler/trace/csv.h"

#include <algorithm>
#include <limits>
#include <span>

#include <fmt/format.h>

#include "scheduler/base/check.h"
#include "scheduler/base/csv_cells.h"
#include "scheduler/base/input_error.h"

namespace yard {
namespace {

constexpr std::string_view kHeaders =
    "TIMESTAMP,ContextTokens,GeneratedTokens or arrival_ns,prompt_tokens,output_tokens[,max_tokens][,n][,adapter]";
constexpr std::array<std::string_view, 3> kAzure{"TIMESTAMP", "ContextTokens", "GeneratedTokens"};
constexpr std::array<std::string_view, 6> kOurs{"arrival_ns", "prompt_tokens", "output_tokens", "max_tokens",
                                                "n",          "adapter"};
constexpr std::size_t kOursNeeded = 3;

// Takes digits from the front, at least one. Returns: whether the number is at most `most`.
template <class Number>
bool take_number(const char*& at, const char* end, Number most, Number& number) {
  const char* const begin = at;
  std::uint64_t n = 0;
  for (; at != end; ++at) {
    const auto digit = static_cast<unsigned char>(*at - '0');
    if (digit > 9) break;
    if (n > static_cast<std::uint64_t>(most) / 10) return false;
    n = n * 10 + digit;
  }
  number = static_cast<Number>(n);
  return at != begin && n <= static_cast<std::uint64_t>(most);
}

std::string quoted(std::string_view text) {
  return text.empty() ? "found nothing" : fmt::format("found '{}'", printable(text));
}

std::size_t matches(const std::vector<std::string_view>& names, std::span<const std::string_view> dialect) {
  return static_cast<std::size_t>(std::count_if(dialect.begin(), dialect.end(), [&](std::string_view name) {
    return std::find(names.begin(), names.end(), name) != names.end();
  }));
}

}  // namespace

CsvReader::CsvReader(LineReader lines) : lines_(std::move(lines)) { read_header(); }

// ---- header -------------------------------------------------------------------------------------------------------

void CsvReader::read_header() {
  std::string_view line;
  if (!lines_.next(line))
    throw InputError(lines_.path(), 0, "", "is empty", fmt::format("accepted: a first line {}", kHeaders));
  assign_roles(split(line));
}

void CsvReader::assign_roles(const std::vector<std::string_view>& names) {
  const std::size_t azure = matches(names, kAzure), ours = matches(names, kOurs);
  if (azure == 0 && ours == 0)
    fail("", fmt::format("found columns '{}'", printable(fmt::format("{}", fmt::join(names, ",")))),
         fmt::format("accepted: {}", kHeaders));
  const bool is_azure = azure >= ours;
  const auto dialect = is_azure ? std::span<const std::string_view>(kAzure) : std::span<const std::string_view>(kOurs);
  const auto needed = is_azure ? dialect : dialect.first(kOursNeeded);
  constexpr Role kRoles[] = {Role::arrival_ns, Role::prompt, Role::output, Role::max, Role::answers, Role::adapter};

  for (const auto name : names) {
    const auto known = std::find(dialect.begin(), dialect.end(), name);
    Role role = known == dialect.end() ? Role::ignored : kRoles[known - dialect.begin()];
    if (is_azure && role == Role::arrival_ns) role = Role::timestamp;
    if (role != Role::ignored) {
      const auto same = [&](const Column& c) { return c.role == role; };
      if (const auto before = std::find_if(columns_.begin(), columns_.end(), same); before != columns_.end())
        fail(name, fmt::format("found twice, as columns {} and {}", before - columns_.begin() + 1, columns_.size() + 1),
             "accepted: once");
    }
    has_max_ |= role == Role::max;
    has_answers_ |= role == Role::answers;
    has_adapters_ |= role == Role::adapter;
    columns_.push_back({role == Role::ignored ? std::string() : std::string(name), role});
  }
  for (const auto name : needed) {
    if (std::find(names.begin(), names.end(), name) != names.end()) continue;
    std::vector<std::string_view> unknown;
    for (std::size_t c = 0; c < names.size(); ++c)
      if (columns_[c].role == Role::ignored) unknown.push_back(names[c]);
    const std::string_view near = nearest(name, unknown);
    fail(name, near.empty() ? "found no such column" : fmt::format("found no such column, but '{}'", printable(near)),
         fmt::format("accepted: {}", kHeaders));
  }
}

// ---- rows ---------------------------------------------------------------------------------------------------------

std::optional<TraceRow> CsvReader::next() {
  std::string_view line;
  do {
    if (!lines_.next(line)) return std::nullopt;
  } while (line.empty());
  Values values;
  if (!parse_plain(line, values)) values = parse_any(line);
  return row_of(values);
}

TraceRow CsvReader::row_of(const Values& v) {
  if (!started_) {
    started_ = true;
    first_ns_ = last_ns_ = v.ns;
  }
  if (v.ns < last_ns_) fail_order(v.ns);
  last_ns_ = v.ns;
  last_line_ = lines_.number();
  TraceRow row{.arrival = Time(v.ns - first_ns_), .prompt = Tokens(v.prompt), .output = Tokens(v.output)};
  if (row.arrival > kLastArrival)
    fail("", fmt::format("found a row {} ns after the first", row.arrival.ns()),
         fmt::format("accepted: at most {} ns (146 years)", kLastArrival.ns()));
  row.answers = v.answers;
  row.adapter = v.adapter;
  if (v.max != kNoMax) row.max_output = Tokens(v.max);
  return row;
}

// Returns: whether a cell of that role stood at the front; `at` is then behind it.
bool CsvReader::take_cell(Role role, const char*& at, const char* end, Values& v) {
  constexpr std::int32_t kMost = kMostTokens.count();
  switch (role) {
    case Role::timestamp: return timestamps_.take(at, end, v.ns) == TimestampParser::Fault::none;
    case Role::arrival_ns: return take_number(at, end, std::numeric_limits<std::int64_t>::max(), v.ns);
    case Role::prompt: return take_number(at, end, kMost, v.prompt) && v.prompt > 0;
    case Role::output: return take_number(at, end, kMost, v.output);
    case Role::max: return at == end || *at == ',' || take_number(at, end, kMost, v.max);
    case Role::answers:
      return at == end || *at == ',' || (take_number(at, end, kMostAnswers, v.answers) && v.answers > 0);
    case Role::adapter:
      return at == end || *at == ',' || (take_number(at, end, kMostAdapter, v.adapter) && v.adapter > 0);
    case Role::ignored:
      while (at != end && *at != ',' && *at != '"' && *at != '\0') ++at;
      return true;
  }
  return false;
}

// The fast way: no quotes, nothing wrong. Returns: whether the line was such; parse_any() takes all others.
bool CsvReader::parse_plain(std::string_view line, Values& v) {
  const char* at = line.data();
  const char* const end = at + line.size();
  const std::size_t n = columns_.size();
  for (std::size_t c = 0; c < n; ++c) {
    if (c > 0 && (at == end || *at++ != ',')) return false;
    if (!take_cell(columns_[c].role, at, end, v)) return false;
  }
  return at == end;
}

// The whole way: any line, and what is wrong with it.
CsvReader::Values CsvReader::parse_any(std::string_view line) {
  const auto cells = split(line);
  if (cells.size() != columns_.size())
    fail("", fmt::format("found {} cells in '{}'", cells.size(), printable(line)),
         fmt::format("accepted: {}, as many as the header has columns{}", columns_.size(),
                     cells.size() < columns_.size() ? " (is the file cut?)" : ""));
  Values values;
  for (std::size_t c = 0; c < cells.size(); ++c) {
    if (columns_[c].role == Role::ignored) continue;
    const char* at = cells[c].data();
    const char* const end = at + cells[c].size();
    if (!take_cell(columns_[c].role, at, end, values) || at != end) fail_cell(columns_[c], cells[c]);
  }
  return values;
}

// Returns: the cells, without the quotes around them; doubled quotes inside stay doubled.
std::vector<std::string_view> CsvReader::split(std::string_view line) const {
  std::vector<std::string_view> cells;
  if (const CsvFault fault = split_csv(line, cells); !fault.what.empty())
    fail("", std::string(fault.what) + printable(fault.found), std::string(fault.accepted));
  return cells;
}

// ---- what is wrong ------------------------------------------------------------------------------------------------

void CsvReader::fail(std::string_view column, std::string found, std::string accepted) const {
  throw InputError(lines_.path(), lines_.shown_number(), std::string(column), std::move(found), std::move(accepted));
}

void CsvReader::fail_cell(const Column& column, std::string_view cell) {
  switch (column.role) {
    case Role::timestamp: {
      const char* at = cell.data();
      std::int64_t ns;
      fail(column.name, fmt::format("{}{}", quoted(cell), said_of(timestamps_.take(at, at + cell.size(), ns))),
           "accepted: YYYY-MM-DD HH:MM:SS, a fraction of 1 to 9 digits or none, Z or +HH:MM or none");
    }
    case Role::arrival_ns: fail(column.name, quoted(cell), "accepted: a whole number of nanoseconds below 2^63");
    case Role::prompt:
      fail(column.name, quoted(cell), fmt::format("accepted: a whole number from 1 to {}", kMostTokens.count()));
    case Role::adapter:
      fail(column.name, quoted(cell), fmt::format("accepted: a whole number from 1 to {}", kMostAdapter));
    case Role::answers:
      fail(column.name, quoted(cell), fmt::format("accepted: a whole number from 1 to {}", kMostAnswers));
    case Role::max:
    case Role::output:
      fail(column.name, quoted(cell), fmt::format("accepted: a whole number from 0 to {}", kMostTokens.count()));
    case Role::ignored: break;
  }
  CHECK_WHY(false, "an ignored cell cannot be wrong");
}

void CsvReader::fail_order(std::int64_t ns) const {
  const auto clock = std::find_if(columns_.begin(), columns_.end(), [](const Column& c) {
    return c.role == Role::timestamp || c.role == Role::arrival_ns;
  });
  fail(clock->name, fmt::format("found a time {} ns before that of line {}", last_ns_ - ns, last_line_),
       "accepted: rows in order of time (sort the file)");
}

}  // namespace yard
